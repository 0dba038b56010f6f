"""Refinements of tabular features, preparations and models."""

from __future__ import annotations

import textwrap

from mle_star.offline.recipe import Change, Idea, before_return, replace_text, scale_keywords, set_keywords

RATIOS = """\
import itertools

held_numbers = [column for column in NUMBERS if column in frame.columns][:7]
for first, second in itertools.combinations(held_numbers, 2):
    parts[f"{first} / {second}"] = (frame[first] / frame[second].replace(0, np.nan)).clip(-1e6, 1e6)
"""

DIFFERENCES = """\
import itertools

held_numbers = [column for column in NUMBERS if column in frame.columns][:7]
for first, second in itertools.combinations(held_numbers, 2):
    parts[f"{first} + {second}"] = frame[first] + frame[second]
    parts[f"{first} - {second}"] = frame[first] - frame[second]
"""

PRODUCTS = """\
import itertools

held_numbers = [column for column in NUMBERS if column in frame.columns][:7]
for first, second in itertools.combinations(held_numbers, 2):
    parts[f"{first} * {second}"] = frame[first] * frame[second]
"""

ROW_STATISTICS = """\
held_numbers = [column for column in NUMBERS if column in frame.columns]
if len(held_numbers) > 2:
    parts["mean of numbers"] = frame[held_numbers].mean(axis=1)
    parts["spread of numbers"] = frame[held_numbers].std(axis=1)
    parts["least of numbers"] = frame[held_numbers].min(axis=1)
    parts["greatest of numbers"] = frame[held_numbers].max(axis=1)
parts["zeros in numbers"] = (frame[held_numbers] == 0).sum(axis=1)
"""

DIGITS = """\
for column in [column for column in NUMBERS if column in frame.columns][:20]:
    parts[f"{column} fraction"] = (frame[column] % 1).round(4)
    parts[f"{column} is whole tens"] = (frame[column] % 10 == 0).astype(int)
"""

CROSSES = """\
import itertools

few = [column for column in CATEGORIES if column in frame.columns and frame[column].nunique() <= 60][:5]
for first, second in itertools.combinations(few, 2):
    parts[f"{first} x {second}"] = frame[first].astype("str") + " | " + frame[second].astype("str")
"""

NUMBER_CROSSES = """\
coarse = [column for column in NUMBERS if column in frame.columns and frame[column].nunique() <= 12][:4]
for column in [column for column in CATEGORIES if column in frame.columns][:4]:
    for number in coarse:
        parts[f"{column} x {number}"] = frame[column].astype("str") + " | " + frame[number].astype("str")
"""

WORD_ENDS = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} abbreviation"] = strings.str.extract(r"\\b([^\\W\\d_]+)\\.", expand=False)
    parts[f"{name} last"] = strings.str.extract(r"([^\\W\\d_]+)\\W*$", expand=False)
"""

SHAPES = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} digits"] = strings.str.count(r"\\d")
    parts[f"{name} capitals"] = strings.str.count(r"[A-Z]")
    parts[f"{name} marks"] = strings.str.count(r"[^\\w\\s]")
    parts[f"{name} has bracket"] = strings.str.contains(r"[(\\[]").astype(int)
"""

CODES = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    parts[f"{name} first letter"] = strings.str.strip().str[:1].replace("", np.nan)
    parts[f"{name} first three"] = strings.str.strip().str[:3].replace("", np.nan)
    parts[f"{name} before mark"] = strings.str.extract(r"^\\s*([^,;:/_|-]+)[,;:/_|-]", expand=False)
"""

PIECES = """\
for name in STRINGS:
    strings = frame[name].astype("str").where(frame[name].notna(), "")
    pieces = strings.str.split(r"[\\s,;:/|_-]+", n=2, regex=True, expand=True)
    for place in range(min(3, pieces.shape[1])):
        parts[f"{name} piece {place + 1}"] = pieces[place].replace("", np.nan)
"""

CYCLES = """\
for name in DATES:
    dates = as_dates(frame[name])
    for part, length in ((dates.dt.hour + dates.dt.minute / 60, 24), (dates.dt.dayofyear, 365.25)):
        parts[f"{name} sine {length}"] = np.sin(2 * np.pi * part / length)
        parts[f"{name} cosine {length}"] = np.cos(2 * np.pi * part / length)
"""

CALENDAR = """\
for name in DATES:
    dates = as_dates(frame[name])
    parts[f"{name} week"] = dates.dt.isocalendar().week.astype("float64")
    parts[f"{name} day of year"] = dates.dt.dayofyear
    parts[f"{name} weekend"] = (dates.dt.dayofweek >= 5).astype(int)
    parts[f"{name} hour of week"] = dates.dt.dayofweek * 24 + dates.dt.hour
    parts[f"{name} month end"] = dates.dt.is_month_end.astype(int)
"""

GAPS = """\
import itertools

for first, second in itertools.combinations(DATES, 2):
    gap = as_dates(frame[second]) - as_dates(frame[first])
    parts[f"{first} to {second}"] = gap.dt.total_seconds() / 86_400
"""

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

STACK = "    fit_matrix = np.hstack("


def _before_stack(code: str) -> Change:
    return replace_text(STACK, textwrap.indent(code, "    ") + STACK)


def _turned(block: str, title: str, reason: str, **values: object) -> Idea:
    return Idea(block, title, reason, set_keywords(**values))


def _scaled(block: str, title: str, reason: str, **factors: float) -> Idea:
    return Idea(block, title, reason, scale_keywords(**factors))


FEATURE_IDEAS = (
    Idea("number_features", "Add the ratios of the leading numbers.",
         "Trees cut one number at a time and need many cuts for a quotient. Take the first seven numeric columns and "
         "divide each by each later one, zero counted as missing and extremes clipped. Everything else stays.",
         before_return(RATIOS)),
    Idea("number_features", "Cross the categories of few values in pairs.",
         "Write two categories as one, such as `a | b`, for the first five of them: an effect that only a "
         "combination has "
         "then shows in one cut or one mean. The preparation encodes them like any category.",
         before_return(CROSSES)),
    Idea("number_features", "Add sums and differences of the leading numbers.",
         "Totals and balances of columns in one unit often say more than the columns. Take the first seven "
         "numeric columns "
         "in pairs. Missing values stay missing.",
         before_return(DIFFERENCES)),
    Idea("number_features", "Cross categories with numbers of few values.",
         "A count or a grade acts like a category. Join each of the first categories with each number of at "
         "most twelve "
         "values, and let the preparation encode the pairs.",
         before_return(NUMBER_CROSSES)),
    Idea("number_features", "Add the row's mean, spread, least and greatest number.",
         "Where columns are measured alike, their statistics over the row sum up many of them. Zeros are "
         "counted as well. "
         "Nothing is learnt, so nothing can leak.",
         before_return(ROW_STATISTICS)),
    Idea("number_features", "Add the products of the leading numbers.",
         "Areas, totals and interactions are products. Take the first seven numeric columns in pairs and "
         "multiply them.",
         before_return(PRODUCTS)),
    Idea("number_features", "Add the fractions of the numbers, and whether they are round.",
         "Prices and guesses show in their last digits. Take what is behind the point and whether a number is "
         "a multiple "
         "of ten, for the first twenty numbers.",
         before_return(DIGITS)),
    Idea("string_features", "Add abbreviations and last words of the strings.",
         "A word before a full stop is often a title or a unit, and the last word is often a name or a kind. "
         "Both become "
         "categories, which the preparation encodes in the fold. The other features stay.",
         before_return(WORD_ENDS)),
    Idea("string_features", "Add the leading letters and what stands before the first mark.",
         "Codes carry their meaning in front: a deck, a region, a series. Take the first letter, the first three, and "
         "what stands before a comma, slash or dash, as categories.",
         before_return(CODES)),
    Idea("string_features", "Count digits, capitals and marks in the strings.",
         "How a text was written tells who wrote it and what kind it is. Count digits, capital letters and "
         "punctuation, "
         "and note brackets. Four cheap numbers for each string column.",
         before_return(SHAPES)),
    Idea("string_features", "Split the strings into their first pieces.",
         "Codes and names are put together of parts that recur though the whole does not. Split at spaces and marks, "
         "and take the first three pieces as categories of their own. The preparation encodes them in the fold.",
         before_return(PIECES)),
    Idea("date_features", "Add the calendar: week, day of the year, weekend, hour of the week, end of month.",
         "Habits follow the calendar, and one number for the hour of the week holds what day and hour say "
         "together. All "
         "of it recurs in new rows.",
         before_return(CALENDAR)),
    Idea("date_features", "Add the cycles of day and year as sine and cosine.",
         "The 23rd hour is next to the first, which a plain number hides. Two columns for each cycle put them "
         "on a circle, "
         "which helps smooth models most.",
         before_return(CYCLES)),
    Idea("date_features", "Add the days between the dates.",
         "How long something took is in no single date. Subtract each date column from each later one, in days.",
         before_return(GAPS)),
)  # fmt: skip

PREPARATION_IDEAS = (
    Idea("tree_matrix", "Compare each row's numbers with the mean of its category.",
         "A number says more against its like: subtract the mean of the category, for the first six categories and "
         "numbers. The means come from the fitted rows alone. A category that is new has no mean and stays missing.",
         _before_stack(GROUP_STATISTICS)),
    _turned("tree_matrix", "Encode categories of more than three values by the target's mean.",
            "A code in order of frequency makes trees cut at random, while the mean of the target is an order "
            "that means "
            "something. The encoder learns on fitted rows and encodes each by other rows. Set `encode_above` to 3.",
            encode_above=3),
    _turned("tree_matrix", "Take more topics from the texts.",
            "Twelve topics leave out what is rarer. Forty keep more of the vocabulary's structure at little cost, and "
            "random columns keep the trees from drowning in them. Set `topics` to 40.", topics=40),
    Idea("tree_matrix", "Add the distances to clusters of the numbers.",
         "Twelve clusters over all numbers, found on the fitted rows, say what kind of row it is; trees get at "
         "combinations that they would need many cuts for. Missing numbers are filled for this step alone.",
         _before_stack(NEIGHBOURS)),
    _turned("tree_matrix", "Encode only categories of many values by the target's mean.",
            "Means of small groups are noise. Categories of up to forty values keep their codes alone, and only larger "
            "ones get means. Set `encode_above` to 40.", encode_above=40),
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

MODEL_IDEAS = (
    _scaled("lightgbm", "Halve the learning rate and double the trees.", SLOW + " Everything else stays as it is.",
            learning_rate=0.5, trees=2),
    _scaled("lightgbm", "Grow smaller trees with stronger penalties.",
            "Half the leaves, more rows in each and five times the penalty: simpler trees that add up. This pays "
            "where the "
            "rows are few or the target is noisy. Early stopping, where it is used, finds the number of trees.",
            leaves=0.5, min_rows=1.5, penalty=5),
    _turned("lightgbm", "Let each tree see fewer columns.",
            "Four in ten columns for each tree: leading columns leave room for the others, and trees differ "
            "more, which "
            "makes their sum steadier. Leaves and steps stay.", columns=0.4),
    _scaled("lightgbm", "Grow larger trees.",
            "Twice the leaves catch interactions of more columns. The penalty and the rows in a leaf hold them back; "
            "with many rows there is enough to learn from.", leaves=2),
    _scaled("hist_gradient_boosting", "Halve the learning rate and double the trees.", SLOW + " The trees' size stays.",
            learning_rate=0.5, trees=2),
    _scaled("hist_gradient_boosting", "Grow smaller trees with stronger penalties.",
            "Half the leaves and five times the penalty keep single trees from following noise. More are added up.",
            leaves=0.5, penalty=5),
    _scaled("hist_gradient_boosting", "Grow larger trees.",
            "Twice the leaves catch interactions that smaller trees must approximate by sums. Random columns and the "
            "penalty stay as they are.", leaves=2),
    _turned("hist_gradient_boosting", "Let each cut choose among fewer columns.",
            "A quarter of the columns for each cut makes trees differ more, which steadies their sum.", columns=0.25),
    _scaled("xgboost", "Grow shallower trees with stronger penalties.",
            "Two thirds of the depth and three times the penalty keep trees simple. More of them are added up.",
            depth=0.67, penalty=3),
    _scaled("xgboost", "Halve the learning rate and double the trees.", SLOW + " Depth and sampling stay.",
            learning_rate=0.5, trees=2),
    _turned("xgboost", "Let each tree see fewer columns.", "Four in ten columns make trees differ more.", columns=0.4),
    _scaled("xgboost", "Grow deeper trees.", "They catch more interactions; the penalty stays.", depth=1.34),
    _scaled("catboost", "Grow deeper trees.", "They catch more interactions; the penalty stays.", depth=1.34),
    _scaled("catboost", "Halve the learning rate and double the trees.", SLOW + " Depth stays.",
            learning_rate=0.5, trees=2),
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
