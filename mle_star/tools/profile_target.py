"""Which column is to be predicted, and what kind of thing it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mle_star.models.data_models import TaskType
from mle_star.models.errors import TaskError
from mle_star.models.metric import Metric
from mle_star.models.metrics import recognise
from mle_star.models.profile import TargetProfile
from mle_star.tools.profile_labels import class_shares

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 100
FEW = 20
"""A whole-number target with at most so many values may be classes."""
USUAL = ("target", "label", "labels", "class", "y", "outcome", "response")
WANTED = r"(?i)(?:predict\w*|forecast\w*|target\w*)[^.\n]{0,40}"
NOT_NEGATIVE = {"rmsle", "msle", "mean_columnwise_rmsle", "poisson_deviance"}
ABOVE_ZERO = {"poisson_deviance", "gamma_deviance"}
"""Metrics that take no prediction of 0 or less."""
RANKED_CLASSES = {"map", "mrr", "ndcg", "hit_rate", "accuracy", "error_rate", "recall"}
"""Metrics that judge a ranking of classes, of which one is true."""
RANKS_ROWS = {"ndcg", "map", "mrr"}
"""Metrics that judge a ranking of rows as well, where a row's relevance is asked for: a grade for ndcg, else 0 or 1."""
RANKS_AMOUNTS = {"gini"}
"""Metrics of a ranking that take an amount, such as a loss, as well as two classes."""
FREE_LABELS = {"dice", "jaccard", "exact_match", "hamming_loss"}
"""Label metrics that also judge masks, sets and texts: anything goes."""


class Columns(NamedTuple):
    """The columns of the three tables, in order; empty where there is no such table."""

    train: Sequence[str]
    test: Sequence[str]
    sample: Sequence[str]


def find_ids(columns: Columns, sample_is_id: bool) -> list[str]:
    """The sample submission's first column; without one, the columns that say id in train and test."""
    if columns.sample:
        return [columns.sample[0]] if sample_is_id else []
    in_train = set(columns.train)
    shared = [name for name in (columns.test or columns.train) if name in in_train]
    return [n for n in shared if re.fullmatch(r"(?i)id|.*[_ ]id|.*[a-z]I[dD]|row_?(id|number|no)?|index|key|uu?id", n)]


def find_target(columns: Columns, id_column: str | None, classes_of: Any, description: str) -> tuple[str, ...]:
    """The columns of train that test lacks and the sample submission has; () when they cannot be told.

    `classes_of(name)` gives a column's values as text, for samples with one column per class.
    """
    in_test, in_train = set(columns.test), set(columns.train)
    lacking = [n for n in columns.train if n not in in_test and n != id_column]
    asked = [n for n in columns.sample if n != id_column and n not in in_test]
    if (common := tuple(n for n in asked if n in in_train)) and len(common) == len(asked):
        return common
    if asked:
        same = {n.lower(): n for n in columns.train if n != id_column}
        if all(n.lower() in same for n in asked):
            return tuple(same[n.lower()] for n in asked)
    if len(asked) > 1:
        for name in lacking:
            if class_columns(asked, classes_of(name)) is not None:
                return (name,)
    if columns.test and len(lacking) == 1:
        return (lacking[0],)
    repeated = [n for n in columns.sample if n != id_column and n in columns.train]
    if not lacking and repeated and columns.test:
        return tuple(repeated)
    if common:
        return common
    for pool in (lacking, [n for n in columns.train if n != id_column] if not columns.test else []):
        if usual := [n for n in pool if n.lower() in USUAL]:
            return (usual[0],)
        if len(pool) == 1:
            return (pool[0],)
        marked = [n for n in pool if _marked(rf"[`'\"*]{re.escape(n)}[`'\"*]", description)]
        if not marked and columns.test:  # a word of the prose, where few columns can be meant
            words = [n for n in pool if re.search(rf"{WANTED}\b{re.escape(n)}\b", description)]
            marked = words if all(len(n) > 2 for n in words) else []  # `a` may be the article
        if len(marked) == 1:
            return (marked[0],)
    return ()


def _marked(name: str, description: str) -> bool:
    """Tell whether the description says of a column that it is to be predicted."""
    return re.search(rf"{WANTED}{name}|{name}[^.\n]{{0,30}}\btarget\b", description) is not None


def class_columns(asked: Sequence[str], classes: Sequence[str]) -> dict[str, str] | None:
    """Match a wide sample's columns to the classes they stand for: `winner_a`, `prob_a` or `a` to `a`."""
    if len(asked) < 2 or len(asked) > len(classes) + 1:
        return None
    known = {_loose(c): c for c in classes}
    if all(_loose(name) in known for name in asked):
        return {name: known[_loose(name)] for name in asked}
    start = _common(list(asked))
    ends = [_loose(name[len(start) :]) for name in asked]
    if start and len(set(ends)) == len(ends) and all(end in known for end in ends):
        return {name: known[end] for name, end in zip(asked, ends, strict=True)}
    return None


def _loose(name: str) -> str:
    text = re.sub(r"[\W_]+", "", str(name)).lower() or str(name)
    return text[:-1] if re.fullmatch(r"\d+0", text) and "." in str(name) else text


def _common(names: list[str]) -> str:
    start = names[0]
    for name in names[1:]:
        while not name.startswith(start):
            start = start[:-1]
    cut = re.match(r".*[_\W]|.*?(?=\d*$)", start)
    return cut[0] if cut else start


def decide_type(
    given: TaskType | None,
    columns: Sequence[pd.Series[Any]],
    metric: Metric | None,
    *,
    asks_numbers: bool = False,
    asks_parts: bool = False,
) -> TaskType:
    """Classes or numbers: the target decides, and the metric where the target could be either.

    `asks_numbers` tells that the sample submission's predictions are numbers, `asks_parts` that not all are whole. A
    metric that is not well known says little: what is maximised judges classes, where the target can be such.

    Raises:
        TaskError: The given type, or the metric, cannot go with the target.
    """
    name = ", ".join(str(c.name) for c in columns)
    nature = _nature(columns)
    if given is not None:
        if given == "regression" and nature == "words":
            raise TaskError(f"task_type is regression, but the target {name} holds words, not numbers")
        return given
    if metric is not None and metric.name in RANKS_AMOUNTS and nature == "numbers":
        return "regression"
    if metric is not None and metric.predicts in ("labels", "probabilities") and metric.name not in FREE_LABELS:
        return "classification"
    ranked = metric is not None and metric.predicts == "ranking" and metric.name.split("@")[0]
    graded = ranked == "ndcg" or all(column.nunique() <= 2 for column in columns)
    if ranked in RANKS_ROWS and graded and asks_numbers and nature in ("numbers", "few numbers"):
        return "regression"
    if ranked in RANKED_CLASSES and (nature in ("words", "few numbers") or ranked == "map"):
        return "classification"
    if metric is not None and recognise(metric.name) is None and nature == "few numbers":
        two = all(column.nunique() <= 2 for column in columns)
        return "classification" if two or (metric.maximize and not asks_parts) else "regression"
    if metric is not None and metric.predicts == "values" and nature != "words":
        return "regression"
    if nature == "free text":
        return "other"
    return "regression" if nature == "numbers" else "classification"


def check_fit(kind: TaskType, columns: Sequence[pd.Series[Any]], metric: Metric) -> None:
    """Refuse a metric that cannot judge this target.

    Raises:
        TaskError: Such as the AUC on a target of many numbers, or the RMSLE on negative ones.
    """
    import pandas as pd

    base = metric.name.removeprefix("mean_columnwise_").split("@")[0]
    for column in columns:
        values = column.dropna()
        numeric = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
        nature = _nature([column])
        if (
            nature == "numbers"
            and base not in FREE_LABELS
            and not (base in RANKS_AMOUNTS and kind == "regression")
            and metric.predicts in ("labels", "probabilities")
        ):
            classes = _few(values) or bool((values % 1 == 0).all())  # grades such as 1.5 are classes too
            if not classes or (metric.predicts == "probabilities" and values.nunique() > 0.5 * len(values)):
                if base in ("log_loss", "brier", "kl_divergence") and values.between(0, 1).all():
                    continue
                raise TaskError(
                    f"{metric.name} judges classes, but the target {column.name} holds numbers "
                    f"({values.nunique():,} different values): check the metric and the target"
                )
        words = not numeric and not pd.api.types.is_bool_dtype(values.dtype) and len(values) > 0
        if words and metric.predicts == "values" and kind != "other" and _known_regression(base):
            raise TaskError(f"{metric.name} judges numbers, but the target {column.name} {_words_of(values)}")
        if base in NOT_NEGATIVE and numeric and (values < 0).any():
            raise TaskError(
                f"{metric.name} takes a logarithm, but the target {column.name} has negative values "
                f"(minimum {values.min():g}): check the metric and the target"
            )
        if base == "gamma_deviance" and numeric and (values <= 0).any():
            raise TaskError(f"{metric.name} takes values above 0, but the target {column.name} has {values.min():g}")


def _words_of(values: pd.Series[Any]) -> str:
    """Say whether a target is words altogether, or numbers but for some cells that are to be mended."""
    from mle_star.tools.profile_columns import as_numbers

    words = values[as_numbers(values).isna()]
    if len(words) > len(values) / 2:
        return f"holds words such as {str(words.iloc[0])[:30]!r}: check the metric and the target"
    if words.empty:
        return "holds numbers that are written as text, or mixed with it: mend the column"
    cells = f"{len(words):,} of {len(values):,} cells hold no number"
    first = f"{str(words.iloc[0])[:30]!r} in row {words.index[0] + 1:,}"
    return f"is not all numbers: {cells}, such as {first}: mend those rows"


def _known_regression(name: str) -> bool:
    from mle_star.models.known_metrics import KNOWN

    return name in KNOWN and KNOWN[name].predicts == "values" and name != "concordance_index"


def _nature(columns: Sequence[pd.Series[Any]]) -> str:
    """`numbers`, `few numbers` (could be classes), `words` or `free text`."""
    import pandas as pd

    natures = set()
    for column in columns:
        values = column.dropna()
        if pd.api.types.is_bool_dtype(values.dtype):
            natures.add("few numbers")
        elif pd.api.types.is_numeric_dtype(values.dtype):
            whole = bool((values % 1 == 0).all())
            natures.add("few numbers" if values.nunique() <= 2 or (whole and _few(values)) else "numbers")
        else:
            from mle_star.tools.profile_columns import column_kind

            natures.add("free text" if column_kind(column) in ("text", "id") else "words")
    for nature in ("free text", "words", "numbers"):
        if nature in natures:
            return nature
    return "few numbers"


def _few(values: pd.Series[Any]) -> bool:
    """Tell values that are few enough, and often enough the same, to be classes."""
    distinct = values.nunique()
    return bool(distinct <= FEW and distinct <= max(2, 0.2 * len(values)))


def profile_target(kind: TaskType, columns: Sequence[pd.Series[Any]]) -> TargetProfile:
    """Measure the target.

    Raises:
        TaskError: A target column has no value at all, or the only target never varies.
    """
    import pandas as pd

    names = tuple(str(c.name) for c in columns)
    for column in columns:
        if not column.notna().any():
            raise TaskError(f"the target {column.name} is empty in every row of the training data")
    if len(columns) == 1 and columns[0].nunique() == 1:
        raise TaskError(
            f"the target {names[0]} is {str(columns[0].dropna().iloc[0])!r} in every row: nothing can be learned"
        )
    missing = round(float(max(c.isna().mean() for c in columns)), 4)
    dtype = "str" if str(columns[0].dtype) in ("object", "string", "str") else str(columns[0].dtype)
    if kind == "regression":
        numbers = pd.concat([pd.to_numeric(c, errors="coerce") for c in columns]).dropna().astype(float)
        quantiles = numbers.quantile([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
        skew = float(numbers.skew()) if len(numbers) > 2 else 0.0
        return TargetProfile(
            names=names,
            kind="numeric",
            dtype=dtype,
            quantiles=tuple(_tidy(q) for q in quantiles),
            skew=round(skew, 3) if skew == skew else None,
            missing=missing,
        )
    if len(columns) > 1 and all(set(c.dropna().unique()) <= {0, 1} for c in columns):
        shares = tuple((str(c.name), round(float(c.mean()), 4)) for c in columns[:MOST_CLASSES])
        return TargetProfile(
            names=names, kind="multilabel", dtype=dtype, classes=shares, class_count=len(columns), missing=missing
        )
    known = class_shares(columns)
    shares = tuple((name[:60], share) for name, share in list(known.items())[:MOST_CLASSES])
    return TargetProfile(
        names=names,
        kind="binary" if all(column.nunique() <= 2 for column in columns) else "multiclass",
        dtype=dtype,
        classes=shares,
        class_count=len(known),
        missing=missing,
    )


def _tidy(value: float) -> float:
    return float(f"{float(value):.6g}")
