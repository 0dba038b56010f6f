"""The frame that all scripts share: target, blend, validation, score. What goes into it is the modality's."""

from __future__ import annotations

from mle_star.offline import metrics
from mle_star.offline.parts import calls, frame_part
from mle_star.offline.recipe import TEXT_A_SECOND, Facts, Family, Recipes, text_bytes
from mle_star.offline.script import Script, constants, features_list, models_table


def write_script(facts: Facts, recipes: Recipes, families: tuple[Family, ...], seed: int, split_seed: int) -> str:
    """Write a complete script for these families of models."""
    names = " and ".join(family.name for family in families)
    read = loading(facts, recipes)
    steps = features(facts, recipes, read)
    preparation = functions(facts, recipes, [family.prepare for family in families], read + steps)
    score = metrics.scoring(facts)
    imports = ["import os", "", "import numpy as np", "import pandas as pd"]
    if score.imports:
        imports.append(f"from sklearn.metrics import {score.imports}")
    head = f'"""{facts.title}: {names}, judged by {facts.metric.name}."""\n\n' + "\n".join(imports)
    return Script(
        head,
        (
            ("Settings", settings(facts, recipes, seed, split_seed)),
            ("Loading", read),
            ("Target", target(facts)),
            ("Features", steps),
            ("Preparation", preparation),
            ("Models", models(facts, recipes, families)),
            ("Blend", blending(facts)),
            ("Validation", validation(facts, recipes, has_dates="def as_dates(" in steps)),
        ),
    ).text


def fold_counts(facts: Facts) -> tuple[int, int]:
    """How many folds the rows are split into, and how many of them are used: small data needs all of them."""
    rows = facts.search_rows
    pace = facts.environment.pace
    many_texts = rows * text_bytes(facts.profile) > 0.9 * TEXT_A_SECOND * pace
    if facts.profile.split.kind == "time" or (rows > 500 and (pace < 60 or many_texts)):
        return 5, 1
    work = rows * max(facts.columns, 10) * (facts.class_count if facts.classifies and facts.class_count > 2 else 1)
    if facts.profile.split.kind == "group" and rows > 3_000:
        return 5, 3  # a fold of groups tells less than one of as many rows
    if metrics.wants_labels(facts) and rows > 3_000 and work <= 500_000:
        return 5, 3  # right or wrong tells little of a row, and three folds of a narrow table cost little
    if rows > 10_000 or work > 5_000_000:
        # A fold should hold a hundred rows of the rarest class: with fewer, chance decides what seems better.
        return (5, 1) if rarest(facts) >= 500 else (3, 2)
    if rows > 3_000 or work > 500_000:
        return 5, 3
    return (10, 10) if rows < 300 else (5, 5)


def rarest(facts: Facts) -> float:
    """Rows of the rarest of two classes that a script of the search sees; all of them where there are not two."""
    known = facts.profile.target.classes if facts.profile.target else ()
    if not facts.classifies or facts.class_count != 2 or len(facts.targets) > 1 or len(known) != 2:
        return facts.search_rows
    return facts.search_rows * min(share for _, share in known)


def settings(facts: Facts, recipes: Recipes, seed: int, split_seed: int) -> str:
    """The constants of a script."""
    folds, used = fold_counts(facts)
    split = facts.profile.split
    lines = [
        f"SEED = {seed}",
        f"SPLIT_SEED = {split_seed}  # the same in all solutions, so that their scores can be compared",
        "CORES = len(os.sched_getaffinity(0))",
        "BAGS = 1  # models per fit, each with its own seed, averaged",
        f"FOLDS = {folds}",
        f"FOLDS_USED = {used}",
        constants(TARGETS=list(facts.targets)),
        constants(TARGET_KIND=target_kind(facts)),
    ]
    if facts.classifies and len(facts.targets) == 1 and facts.class_count == 2:
        lines.append(f"POSITIVE = {positives(facts)[0]!r}")
    if facts.profile.target and facts.profile.target.order:
        lines.append(constants(ORDER=list(facts.profile.target.order)))
    if has_two_words(facts):
        lines.append(constants(POSITIVES=list(positives(facts))))
    if not facts.classifies:
        lines.append(f"ABSOLUTE_LOSS = {metrics.absolute_loss(facts)!r}")
    if level := metrics.quantile(facts):
        lines.append(f"QUANTILE = {level}")
    if split.kind == "group" and split.column:
        lines.append(f"GROUP_COLUMN = {split.column!r}")
        if split.part:
            lines.append(f"GROUP_PART = r{split.part!r}".replace("\\\\", "\\"))
        if split.days:
            lines.append(f"GROUP_DAYS = {split.days}  # the test's stretches of days are about as long")
    lines.append(recipes.settings(facts))
    return "\n".join(line for line in lines if line)


def target_kind(facts: Facts) -> str:
    """The target's kind in scikit-learn's words."""
    if not facts.classifies:
        return "continuous"
    return "binary" if facts.class_count == 2 or len(facts.targets) > 1 else "multiclass"


def positives(facts: Facts) -> tuple[str, ...]:
    """For each column of two classes the one whose probability a single column holds."""
    return (facts.profile.target.positives if facts.profile.target else ()) or ("1",) * len(facts.targets)


def loading(facts: Facts, recipes: Recipes) -> str:
    """Read the training rows, those with a target, and no more of them than a search may use."""
    lines = [recipes.loading(facts)]
    if not facts.classifies:
        for_people = facts.profile.target is not None and facts.profile.target.as_text
        if for_people and (helper := functions(facts, recipes, ["as_numbers"], lines[0])):
            lines.append(f"\n\n{helper}\n\n")
        read = "as_numbers" if for_people else 'pd.to_numeric, errors="coerce"'
        lines.append(f"train[TARGETS] = train[TARGETS].apply({read}).replace([np.inf, -np.inf], np.nan)")
    gaps = ', how="all"' if len(facts.targets) > 1 else ""
    lines.append(f"train = train.dropna(subset=TARGETS{gaps}).reset_index(drop=True)")
    if facts.profile.train_rows is None or facts.rows > facts.max_rows:
        lines.append(subsampling(facts.max_rows))
    return "\n".join(lines)


def subsampling(rows: int) -> str:
    """The one statement that limits the training rows."""
    return (
        f"train = train.sample(n=min(len(train), {rows:_}), random_state=SPLIT_SEED)"
        ".sort_index().reset_index(drop=True)  # subsampling, while we search"
    )


def target(facts: Facts) -> str:
    """Define `target`, and `classes` for classification. Of several columns, some cells may be unknown: NaN."""
    if not facts.classifies:
        several = len(facts.targets) > 1
        return f'target = train[{"TARGETS" if several else "TARGETS[0]"}].to_numpy(dtype="float64")'
    if metrics.tells_values(facts):
        return MANY_VALUES
    if has_two_words(facts):
        return f"{frame_part('two_values')}\n\n\n{TWO_WORDS}"
    if len(facts.targets) > 1:
        return 'classes = np.array([0, 1])\ntarget = train[TARGETS].astype("float64").to_numpy()'
    lines = [
        "labels = train[TARGETS[0]].infer_objects()",
        'if labels.dtype.kind == "f" and (labels % 1 == 0).all():',
        "    labels = labels.astype(int)  # whole numbers that a gap in the column turned into floats",
        'if labels.dtype.kind not in "iufb":',
        "    labels = labels.astype(str)",
    ]
    if facts.class_count == 2:
        lines.append("classes = np.array(sorted(labels.unique(), key=lambda label: (str(label) == POSITIVE, label)))")
    elif facts.profile.target and facts.profile.target.order:
        lines.append("classes = np.array(sorted(labels.unique(), key=ORDER.index))")
    else:
        lines.append("classes = np.array(sorted(labels.unique()))")
    lines.append('target = pd.Categorical(labels, categories=classes).codes.astype("int64")')
    return "\n".join(lines)


TWO_WORDS = """\
answers = train[TARGETS].convert_dtypes()  # whole numbers stay whole where there are gaps
classes = np.array([two_values(answers[name], yes) for name, yes in zip(TARGETS, POSITIVES)], dtype=object).T
codes = {name: {no: 0, yes: 1} for name, no, yes in zip(TARGETS, *classes)}
target = np.column_stack([answers[name].map(codes[name]).astype("float64") for name in TARGETS])"""


MANY_VALUES = """\
answers = {}
for name in TARGETS:
    values = train[name].convert_dtypes()
    often = values.value_counts().index[:60]  # each is learnt for itself: those that are rarer count as unknown
    answers[name] = pd.Categorical(values.where(values.isin(often)))
classes = np.array([(name, label) for name in TARGETS for label in answers[name].categories], dtype=object).T
is_own = [np.where(answers[name].isna(), np.nan, answers[name] == label) for name, label in classes.T]
target = np.column_stack(is_own)"""


def has_two_words(facts: Facts) -> bool:
    """Whether several columns are to be told, each of two values that are not 0 and 1: `classes` has their names."""
    target = facts.profile.target
    several = facts.classifies and len(facts.targets) > 1 and target is not None and target.kind != "multilabel"
    return several and not metrics.tells_values(facts)


def features(facts: Facts, recipes: Recipes, above: str) -> str:
    """The feature functions that do not stand above, and the list of them."""
    names = recipes.features(facts)
    text = functions(facts, recipes, list(names), above)
    return "\n\n\n".join(part for part in (text, features_list(names)) if part)


def functions(facts: Facts, recipes: Recipes, names: list[str], above: str = "") -> str:
    """The named functions and those that they call, unless they stand above; what is called stands first."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        known = name in found or f"def {name}(" in above
        source = None if known else recipes.part(name, facts)
        if source is None:
            return
        for called in calls(source):
            add(called)
        found[name] = source

    for name in names:
        add(name)
    return "\n\n\n".join(found.values())


def models(facts: Facts, recipes: Recipes, families: tuple[Family, ...]) -> str:
    """The models' functions and the table of them."""
    text = functions(facts, recipes, [family.model for family in families])
    table = models_table({family.model: (family.prepare, family.model) for family in families})
    return "\n\n\n".join((text, table))


def loss_variant(facts: Facts) -> str:
    """Which loss blends are fitted by."""
    name = metrics.plain_name(facts)
    if facts.classifies:
        if len(facts.targets) > 1:
            return "multilabel"
        if facts.class_count > 2:
            return "classification"
        return {"auc_roc": "auc", "gini": "auc", "average_precision": "precision"}.get(name, "classification")
    if name in {"rmsle", "msle", "male", "gamma_deviance"}:
        return "logs"
    if name in {"mape", "smape", "rmspe"}:
        return "relative"
    return "absolute" if name in {"mae", "medae", "wmape", "rae", "mase"} else "squared"


def blending(facts: Facts) -> str:
    """How predictions become one: the mean, to begin with; then how they become labels, where labels are judged."""
    parts = [frame_part("loss", loss_variant(facts)), frame_part("blend_weights"), frame_part("blend")]
    scoring = metrics.scoring(facts)
    decision = scoring.decision
    if decision == "columns" or "known_columns(" in scoring.expression:
        parts.append(frame_part("known_columns"))
    if decision in {"threshold", "columns"}:
        parts.append(frame_part("best_cut"))
    if decision in {"threshold", "columns", "priors", "stretch", "factor", "line", "positive"}:
        parts += [frame_part("decide", decision), frame_part("fit_decision", decision)]
    elif decision == "argmax":
        several = "values" if metrics.tells_values(facts) else "half"
        parts.append(frame_part("decide", several if len(facts.targets) > 1 else "argmax"))
    if not facts.classifies:
        scale = "log" if metrics.judged_on_logs(facts) else "plain"
        parts = [frame_part("model_scale", scale), *parts]
    return "\n\n\n".join(parts)


def validation(facts: Facts, recipes: Recipes, *, has_dates: bool) -> str:
    """Folds, out-of-fold predictions, the metric, and the line that prints the score; `as_dates` may be there."""
    scoring = metrics.scoring(facts)
    several = len(facts.targets) > 1
    split = facts.profile.split
    if split.kind == "random" or not split.column:
        folds = "stratified" if facts.classifies and not several else "plain"
    else:
        folds = "period" if split.days else split.kind
    fitting = (
        ("multilabel" if several else "classification")
        if facts.classifies
        else ("several" if several else "regression")
    )
    if "elapsed_time" in recipes.features(facts):
        fitting = "timed" if facts.classifies else "trend"
    argument = "probabilities" if facts.classifies and scoring.decision == "none" else "prediction"
    score = f'def score(target, {argument}):\n    """The metric: {facts.metric.name}, {facts.metric.direction}."""\n'
    if scoring.remark:
        score += f"    {scoring.remark}\n"
    score += f"    return {scoring.expression}"
    dates = folds in {"time", "period"} and not has_dates
    evaluation = {"none": "direct", "argmax": "argmax"}.get(scoring.decision, "tuned")
    parts = [
        *([functions(facts, recipes, ["as_dates"])] if dates else []),
        *([frame_part("groups_of", "part" if split.part else "column")] if folds == "group" else []),
        frame_part("folds", folds),
        frame_part("build"),
        *([frame_part("trend")] if fitting == "trend" else []),
        *([frame_part("told_time")] if fitting in {"trend", "timed"} else []),
        frame_part("fit_predict", fitting),
        frame_part("out_of_fold"),
        score,
        frame_part("cross_fitted"),
        frame_part("evaluate", evaluation),
        *([frame_part("absolute_pays"), MAIN_WITH_TRIAL] if settles_loss(facts, recipes) else [MAIN]),
    ]
    return "\n\n\n".join(parts)


def settles_loss(facts: Facts, recipes: Recipes) -> bool:
    """Whether a script finds out by which errors its boosters learn: one for tables, where absolute ones are judged."""
    return recipes.name == "tabular" and metrics.absolute_loss(facts) and len(facts.targets) == 1


MAIN = """\
rows = build(train)
parts, held = out_of_fold(rows, target, MODELS)
validation_score = evaluate(parts, target[held])
print(f"Final Validation Performance: {validation_score}")"""
MAIN_WITH_TRIAL = MAIN.replace("\n", "\nABSOLUTE_LOSS = absolute_pays(rows, target)\n", 1)
