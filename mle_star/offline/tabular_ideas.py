"""Refinements of tabular preparations and models; all that there are for tables."""

from __future__ import annotations

import textwrap

from mle_star.offline.feature_ideas import FEATURE_IDEAS
from mle_star.offline.recipe import (
    Change,
    Idea,
    before_return,
    keyword_default,
    replace_text,
    scale_keywords,
    set_keywords,
)

GROUP_STATISTICS = """\
# How a row's numbers compare with those of its category, by what the fitted rows say.
compared, judged = {}, {}
for category in categories[:6]:
    for number in numbers[:6]:
        means = fit_rows.groupby(fit_rows[category].astype("str"))[number].mean()
        compared[f"{number} by {category}"] = fit_rows[number] - fit_rows[category].astype("str").map(means)
        judged[f"{number} by {category}"] = new_rows[number] - new_rows[category].astype("str").map(means)
fit_parts.append(pd.DataFrame(compared, index=fit_rows.index))
new_parts.append(pd.DataFrame(judged, index=new_rows.index))
"""

NEIGHBOURS = """\
# Which of 12 clusters of the numbers a row is in, and how far it is from each.
if len(numbers) > 1:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    clusters = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(),
        MiniBatchKMeans(min(12, len(fit_rows)), random_state=SEED, n_init=3),
    ).fit(fit_rows[numbers])
    fit_parts.append(pd.DataFrame(clusters.transform(fit_rows[numbers])))
    new_parts.append(pd.DataFrame(clusters.transform(new_rows[numbers])))
"""

PARTNER = """\
# Extremely randomised trees on the same columns, whose errors are unlike the booster's.
from sklearn.ensemble import {kind}

codes = [
    matrix.apply(lambda column: column.cat.codes if column.dtype == "category" else column)
    for matrix in (fit_matrix, new_matrix)
]
sample = {{"bootstrap": True, "max_samples": 50_000}} if len(fit_target) > 60_000 else {{}}
forest = {kind}(200, min_samples_leaf=2, max_features=0.5, random_state=SEED, n_jobs=CORES, **sample)
forest.fit(codes[0], fit_target)
total = (total + BAGS * {predicted}) / 2
"""

STACK = "    fit_matrix = np.hstack("


def _before_stack(code: str) -> Change:
    return replace_text(STACK, textwrap.indent(code, "    ") + STACK)


def _with_forest(block: str, script: str) -> str | None:
    """Average a booster with trees of another kind, before it returns its sum over the bags."""
    if "return total / BAGS" not in block:
        return None
    classifies = "Classifier" in block
    kind = "ExtraTreesClassifier" if classifies else "ExtraTreesRegressor"
    predicted = "spread(forest, codes[1])" if classifies else "forest.predict(codes[1])"
    return before_return(PARTNER.format(kind=kind, predicted=predicted))(block, script)


def _partner(block: str) -> Idea:
    return Idea(
        block,
        "Average it with extremely randomised trees on the same columns.",
        "A booster corrects its own errors one tree after another, random trees err each in their own way: their mean "
        "has less of both. Two hundred trees with at least two rows in a leaf count as much as the booster.",
        _with_forest,
    )


def _turned(block: str, title: str, reason: str, **values: object) -> Idea:
    return Idea(block, title, reason, set_keywords(**values))


def _lowered(name: str, value: float) -> Change:
    """Set a keyword that stands higher."""

    def change(block: str, script: str) -> str | None:
        return set_keywords(**{name: value})(block, script) if (keyword_default(block, name) or 0) > value else None

    return change


def _scaled(block: str, title: str, reason: str, **factors: float) -> Idea:
    return Idea(block, title, reason, scale_keywords(**factors))


PREPARATION_IDEAS = (
    Idea("tree_matrix", "Compare each row's numbers with the mean of its category.",
         "A number says more against its like: subtract the mean of the category, for the first six categories and "
         "numbers. The means come from the fitted rows alone. A category that is new has no mean and stays missing.",
         _before_stack(GROUP_STATISTICS), {"numeric": 1}),
    Idea("tree_matrix", "Encode categories of more than three values by the target's mean.",
         "A code in order of frequency makes trees cut at random, while the mean of the target is an order "
         "that means "
         "something. The encoder learns on fitted rows and encodes each by other rows. Set `encode_above` to 3.",
         _lowered("encode_above", 3), {"category": 1}),
    Idea("tree_matrix", "Take more topics from the texts.",
         "Twelve topics leave out what is rarer. Forty keep more of the vocabulary's structure at little cost, and "
         "random columns keep the trees from drowning in them. Set `topics` to 40.",
         set_keywords(topics=40), {"text": 1}),
    _turned("word_weights", "Weigh pairs of words as well.",
            "`not good` says something else than its words. Pairs share the vocabulary with single words, and what is "
            "rare is left out. Set `longest` to 2.", longest=2),
    _scaled("word_scores", "Let words speak more freely.",
            "The ridge's penalty draws rare words to the mean. A quarter of it lets them tell what they know; the "
            "scores are of other rows all the same.", strength=0.25),
    _scaled("word_scores", "Rein the words in.",
            "Where texts are many-worded and the target is noisy, the scores of fitted rows are noise in part. Four "
            "times the penalty keeps what words have in common.", strength=4),
    Idea("tree_matrix", "Add the distances to clusters of the numbers.",
         "Twelve clusters over all numbers, found on the fitted rows, say what kind of row it is; trees get at "
         "combinations that they would need many cuts for. Missing numbers are filled for this step alone.",
         _before_stack(NEIGHBOURS), {"numeric": 2}),
    Idea("tree_matrix", "Encode only categories of many values by the target's mean.",
         "Means of small groups are noise. Categories of up to forty values keep their codes alone, and only larger "
         "ones get means. Set `encode_above` to 40.", set_keywords(encode_above=40), {"category": 1}),
    _turned("spline_matrix", "Bend the curves at more knots.",
            "Six knots miss steps and narrow peaks. Ten follow the data more closely, and the penalty holds them back "
            "where there is nothing to follow. Set `knots` to 10.", knots=10),
    _turned("spline_matrix", "Bend the curves at fewer knots.",
            "On few rows a curve of many knots follows noise. Four knots allow a rise, a fall and a plateau. Set "
            "`knots` "
            "to 4.", knots=4),
    _turned("dense_matrix", "Keep more components of the wide matrix.",
            "Sixty directions may cut off the words and categories that matter. Keep 150, which distances still bear.",
            components=150),
    _turned("dense_matrix", "Keep fewer components of the wide matrix.",
            "Distances in many directions are all alike. Keep 25, the ones in which rows differ most.", components=25),
    _turned("table_matrix", "Take more components from each string column.",
            "skrub describes each string column of many values by fifteen numbers; forty tell rarer strings apart.",
            topics=40),
)  # fmt: skip

SLOW = "Smaller steps average over more trees, which mostly generalises better at the price of time."


def _halved(block: str, rest: str) -> Idea:
    return _scaled(block, "Halve the learning rate and double the trees.", f"{SLOW} {rest}", learning_rate=0.5, trees=2)


MODEL_IDEAS = (
    _halved("lightgbm", "Everything else stays as it is."),
    _partner("lightgbm"),
    _scaled("lightgbm", "Grow smaller trees with stronger penalties.",
            "Half the leaves, more rows in each and five times the penalty: simpler trees that add up. This pays "
            "where the "
            "rows are few or the target is noisy. Early stopping, where it is used, finds the number of trees.",
            leaves=0.5, min_rows=1.5, penalty=5),
    Idea("lightgbm", "Let each tree see fewer columns.",
            "Four in ten columns for each tree: leading columns leave room for the others, and trees differ "
            "more, which "
            "makes their sum steadier. Leaves and steps stay.", _lowered("columns", 0.4)),
    _scaled("lightgbm", "Grow larger trees.",
            "Twice the leaves catch interactions of more columns. The penalty and the rows in a leaf hold them back; "
            "with many rows there is enough to learn from.", leaves=2),
    _halved("categorical_lightgbm", "The trees' size stays."),
    _partner("categorical_lightgbm"),
    _scaled("categorical_lightgbm", "Grow smaller trees, and more of them.",
            "Half the leaves keep single trees from following noise; half as many trees again add up to as much.",
            leaves=0.5, trees=1.5),
    Idea("categorical_lightgbm", "Let each tree see fewer columns.",
            "Six in ten columns for each tree: leading columns leave room for the others, and the sum is steadier.",
            _lowered("columns", 0.6)),
    _scaled("categorical_lightgbm", "Grow larger trees.",
            "Twice the leaves, and half the rows in each, catch finer interactions where there is little noise.",
            leaves=2, min_rows=0.5),
    _halved("hist_gradient_boosting", "The trees' size stays."),
    _partner("hist_gradient_boosting"),
    _scaled("hist_gradient_boosting", "Grow smaller trees with stronger penalties.",
            "Half the leaves and five times the penalty keep single trees from following noise. More are added up.",
            leaves=0.5, penalty=5),
    _scaled("hist_gradient_boosting", "Grow larger trees.",
            "Twice the leaves catch interactions that smaller trees must approximate by sums. Random columns and the "
            "penalty stay as they are.", leaves=2),
    Idea("hist_gradient_boosting", "Let each cut choose among fewer columns.",
            "A quarter of the columns for each cut makes trees differ more, which steadies their sum.",
         _lowered("columns", 0.25)),
    _scaled("xgboost", "Grow shallower trees with stronger penalties.",
            "Two thirds of the depth and three times the penalty keep trees simple. More of them are added up.",
            depth=0.67, penalty=3),
    _partner("xgboost"),
    _halved("xgboost", "Depth and sampling stay."),
    Idea("xgboost", "Let each tree see fewer columns.", "Four in ten columns make trees differ more.",
         _lowered("columns", 0.4)),
    _scaled("xgboost", "Grow deeper trees.", "They catch more interactions; the penalty stays.", depth=1.34),
    _scaled("catboost", "Grow deeper trees.", "They catch more interactions; the penalty stays.", depth=1.34),
    _partner("catboost"),
    _halved("catboost", "Depth stays."),
    _scaled("catboost", "Grow shallower trees with stronger penalties.",
            "Two thirds of the depth and three times the penalty keep trees simple. More of them are added up.",
            depth=0.67, penalty=3),
    _turned("extra_trees", "Let trees grow to single rows.",
            "Averaging over hundreds of random trees removes the noise of single leaves, and finer leaves keep detail. "
            "Set `min_leaf` to 1.", min_leaf=1),
    _turned("extra_trees", "Ask for more rows in a leaf.",
            "Five rows in a leaf smooth the predictions, which helps where the target is noisy. Set `min_leaf` to 5.",
            min_leaf=5),
    _turned("extra_trees", "Offer every cut more columns.",
            "With many useless columns a cut over a few of them is often wasted. Offer eight in ten; the cuts "
            "themselves "
            "stay random.", columns=0.8),
    _turned("random_forest", "Ask for more rows in a leaf.",
            "Five rows in a leaf smooth the predictions. Set `min_leaf` to 5.", min_leaf=5),
    _turned("random_forest", "Offer every cut more columns.",
            "With many useless columns a cut over a few of them is often wasted. Offer six in ten.", columns=0.6),
    _turned("random_forest", "Let trees grow to single rows.", "Averaging removes the noise. Set `min_leaf` to 1.",
            min_leaf=1),
    _scaled("neural_network", "Widen the layers.",
            "Twice the width holds more shapes; decay keeps unused weights small. Everything else stays.", width=2),
    _scaled("neural_network", "Train for more epochs.",
            "Half as many epochs again settle more finely than the first setting. Rate and width stay.", epochs=1.5),
    _turned("neural_network", "Decay the weights more strongly.",
            "A decay of 0.5 keeps the network smooth, which pays on few or noisy rows.", decay=0.5),
    _turned("neural_network", "Take a single layer.", "One layer is smoother and is learnt faster.", layers=1),
)  # fmt: skip

KERNEL_IDEAS = (
    _turned("kernel_machine", "Widen the kernel.",
            "Rows further apart then still count as alike: a smoother function, for noisy targets. Set `width` to 0.3.",
            width=0.3),
    _turned("kernel_machine", "Narrow the kernel.",
            "Only close rows count as alike: finer detail, where rows are many. Set `width` to 2.5.", width=2.5),
    _turned("kernel_machine", "Take more landmarks.",
            "The kernel is approximated more closely, at the price of a larger linear fit.", landmarks=1_200),
    _turned("nearest_neighbours", "Ask more neighbours.", "More neighbours mean less noise.", neighbours=50),
    _turned("nearest_neighbours", "Measure distances column by column.",
            "Absolute differences are less swayed by one column that is far off. Set `power` to 1.", power=1),
    _turned("nearest_neighbours", "Ask fewer neighbours.", "Fewer neighbours keep more detail.", neighbours=8),
    _turned("booster_on_table", "Halve the learning rate and double the trees.", SLOW, learning_rate=0.03, trees=400),
    _turned("booster_on_table", "Grow smaller trees.", "Six leaves keep trees simple on few rows.", leaves=6),
    _turned("booster_on_table", "Grow larger trees.", "Thirty-one leaves catch interactions.", leaves=31),
)  # fmt: skip

LINEAR_IDEAS = (
    Idea("linear", "Triple the strength.",
         "`strength` is a logistic regression's freedom and a ridge regression's penalty; the right size "
         "differs by task "
         "and is worth one try each way. Curves, indicators and words stay as they are.", scale_keywords(strength=3)),
    Idea("linear", "Take a third of the strength.",
         "`strength` is a logistic regression's freedom and a ridge regression's penalty; the right size "
         "differs by task "
         "and is worth one try each way. All else stays as it is.", scale_keywords(strength=1 / 3)),
)  # fmt: skip

IDEAS = (*FEATURE_IDEAS, *PREPARATION_IDEAS, *MODEL_IDEAS, *KERNEL_IDEAS, *LINEAR_IDEAS)
