"""What the submission must look like, from the sample submission or, without one, from the task itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from mle_star.models.data_models import TaskType
from mle_star.models.metric import Metric
from mle_star.models.profile import SubmissionFormat

if TYPE_CHECKING:
    import pandas as pd

Values = Literal["labels", "probabilities", "numbers", "unknown"]


def sample_has_id(sample: pd.DataFrame, train: pd.DataFrame | None, test: Sequence[str]) -> bool:
    """Tell whether the sample's first column names the rows rather than predicts them."""
    first = str(sample.columns[0])
    if first in test:
        return True
    if len(sample.columns) == 1:
        return False
    if train is not None and first in train.columns and test:
        # What training has and the test lacks is most often a target; unless each row, here and there, has its own.
        return len(sample) > 1 and _numbers_rows(sample[first]) and _numbers_rows(train[first])
    return bool(sample[first].is_unique)


def _numbers_rows(column: pd.Series[Any]) -> bool:
    """Whether a column has another name, or another whole number, for each row."""
    names = column.dropna()
    whole = names.dtype.kind != "f" or bool((names % 1 == 0).all())
    return whole and bool(names.is_unique)


def submission_format(
    columns: Sequence[str],
    id_column: str | None,
    predicted: Sequence[str],
    test_columns: Sequence[str],
    rows: int | None,
    sample_file: str | None,
    values: Values,
) -> SubmissionFormat:
    """Take the sample's columns; without a sample, the id (where there is one) and what is `predicted`.

    `predicted` are the targets, or a column for each class. A sample may have other names for them.
    """
    names = tuple(columns) or ((id_column,) if id_column else ()) + tuple(predicted)
    repeated = {name for name in names if name in test_columns and name not in predicted}
    predictions = tuple(name for name in names if name != id_column and name not in repeated)
    others = tuple(name for name in predictions if name not in predicted) if set(predicted) <= set(names) else ()
    predictions = tuple(name for name in predictions if name not in others)
    return SubmissionFormat(
        columns=names,
        id_column=id_column if id_column in names else None,
        prediction_columns=predictions or tuple(name for name in names if name != id_column),
        other_columns=others,
        rows=rows,
        sample_file=sample_file,
        values=values,
    )


def submission_values(kind: TaskType, metric: Metric, *, wide: bool, numeric: bool, several: bool = False) -> Values:
    """Tell what a prediction is: a label, a probability or a number.

    `wide` where there is a column for each class. `several` classes in one column are labels, whatever the metric.
    """
    if kind == "other" or (metric.predicts == "ranking" and not numeric):
        return "unknown"
    if wide:
        return "probabilities"
    if metric.predicts == "probabilities":
        return "numbers" if kind != "classification" else "labels" if several else "probabilities"
    if metric.predicts == "labels":
        return "labels" if kind == "classification" else "numbers"
    return "numbers" if numeric else "labels"
