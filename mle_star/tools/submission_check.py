"""Check a submission against the task, so that what is handed in can be graded.

It tells whether a file has the right form, not whether its predictions are any good.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mle_star.models.data_models import TaskBrief
from mle_star.models.errors import TaskError
from mle_star.models.profile import SubmissionFormat, TargetProfile
from mle_star.models.writing import MISSING
from mle_star.tools.profile_labels import label
from mle_star.tools.profile_parts import one_table
from mle_star.tools.profile_tables import Table
from mle_star.tools.profile_target import ABOVE_ZERO, NOT_NEGATIVE

if TYPE_CHECKING:
    import pandas as pd

SUM_TOLERANCE = 0.02
TRUTH = {"true": "1", "false": "0"}


class Reference(NamedTuple):
    """The rows that are to be predicted."""

    keys: pd.DataFrame | None
    """What names them; None where no table does."""
    source: str
    """The file that they come from."""
    as_text: tuple[str, ...] = ()
    """The columns that are compared as they are written: `NA` is a name there, and `007` is not 7."""


def check_submission(path: str | Path | None, brief: TaskBrief) -> list[str]:
    """List what is wrong with a submission, in words for a person and for a model to repair; empty when it is valid.

    `path` is None when there is none.
    """
    file = Path(path or "submission.csv")
    wanted = brief.profile.submission
    columns = f", with the columns {', '.join(wanted.columns)}" if wanted else ""
    if path is None or not file.is_file():
        return [f"there is no file {file.name}: the script must write it{columns}"]
    if wanted is None:
        return []
    if not file.stat().st_size:
        return [f"{file.name} is empty: it should have the columns {', '.join(wanted.columns)}"]
    reference = _reference(wanted, brief)
    try:
        table = Table(file.parent, file.name)
        target = brief.profile.target
        if target is not None and target.as_text and wanted.values == "labels":
            for name in wanted.prediction_columns:
                table.read_as_text(name, list(dict(target.classes)))
        for name in reference.as_text:
            table.read_as_text(name, MISSING[1:])
        frame = table.everything()
    except TaskError as error:
        return [str(error)]
    problems = _columns(list(frame.columns), wanted.columns)
    problems += _rows(frame, reference, wanted, brief)
    predictions = [name for name in wanted.prediction_columns if name in frame.columns]
    for name in predictions:
        problems += _prediction(frame[name], wanted, brief)
    if not problems and len(predictions) > 1 and wanted.values == "probabilities":
        problems += _sums(frame[predictions], brief.profile.target)
    return problems


def _columns(have: Sequence[str], want: Sequence[str]) -> list[str]:
    if list(have) == list(want):
        return []
    missing, extra = [n for n in want if n not in have], [n for n in have if n not in want]
    problems = []
    if missing:
        problems.append(f"missing columns: {_few(missing)}")
    if extra:
        index = any(re.fullmatch(r"Unnamed: \d+", name) for name in extra)
        hint = " (write it with index=False)" if index else ""
        problems.append(f"columns that do not belong there: {_few(extra)}{hint}")
    if not problems:
        problems.append("the columns are in another order")
    return [f"{'; '.join(problems)}: the header should be {','.join(want[:20])}{',...' if len(want) > 20 else ''}"]


def _rows(frame: pd.DataFrame, reference: Reference, wanted: SubmissionFormat, brief: TaskBrief) -> list[str]:
    """Compare rows and ids with the sample submission, or with the test table where that asks for more rows."""
    keys, source = reference.keys, reference.source
    rows = len(keys) if keys is not None else wanted.rows or brief.profile.test_rows
    problems = []
    if rows is not None and len(frame) != rows:
        problems.append(f"{len(frame):,} rows, but {source} has {rows:,}: predict every row once, drop none")
    names = wanted.key_columns
    if keys is None or not set(names) <= set(frame.columns):
        return problems
    have, want, name = _keys(frame, names), _keys(keys, names), " and ".join(names)
    if have == want:
        return problems
    if blank := sum(v is None for v in have):
        problems.append(f"{blank:,} rows have no {name}")
    known, given = set(want), {v for v in have if v is not None}
    if len(known) == len(want) and len(given) < len(have) - blank:
        problems.append(f"{len(have) - blank - len(given):,} values of {name} occur more than once")
    if unknown := sorted(given - known, key=str):
        problems.append(f"{len(unknown):,} values of {name} are not in {source}, such as {_few(unknown)}")
    if absent := [v for v in dict.fromkeys(want) if v not in given]:
        problems.append(f"{len(absent):,} values of {name} in {source} are missing here, such as {_few(absent)}")
    return problems or [f"the values of {name} are in another order than in {source}"]


def _reference(wanted: SubmissionFormat, brief: TaskBrief) -> Reference:
    root, profile = Path(brief.task.dataset_path), brief.profile
    tables = [Table(root, wanted.sample_file)] if wanted.sample_file else []
    if profile.test_file and not wanted.one_for_several:
        parts = [Table(root, path) for path in (profile.test_file, *profile.more_test_files)]
        tables.append(one_table(root, parts))
    source, names = tables[0].path if tables else "the test set", list(wanted.key_columns)
    words = [wanted.id_column] if wanted.id_as_text else []
    holding: list[tuple[int, Reference]] = []
    for table in tables:
        try:
            if names and set(names) <= set(table.names):
                as_text = tuple(name for name in names if name in words or table.has_leading_zeros(name))
                for name in as_text:
                    table.read_as_text(name, MISSING[1:])
                keys = table.everything()[names]
                holding.append((len(keys), Reference(keys, table.path, as_text)))
        except TaskError:
            continue
    return max(holding, key=lambda held: held[0], default=(0, Reference(None, source)))[1]


def _keys(frame: pd.DataFrame, names: Sequence[str]) -> list[str | None]:
    """What names each row: a label, or several of them; None where one is missing."""
    rows = zip(*([label(value) for value in frame[name]] for name in names), strict=True)
    return [None if None in row else " / ".join(map(str, row)) for row in rows]


def _prediction(column: pd.Series[Any], wanted: SubmissionFormat, brief: TaskBrief) -> list[str]:
    """Check one column of predictions for gaps, and for values that cannot be."""
    import numpy as np
    import pandas as pd

    target, name = brief.profile.target, column.name
    if gaps := int(column.isna().sum()):
        return [f"{gaps:,} of {len(column):,} predictions in {name} are missing: every row needs one"]
    if target is not None and (wanted.values == "labels" or wanted.separator):
        return _labels(column, target, wanted.separator)
    if wanted.values not in ("numbers", "probabilities"):
        return []
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    if words := int(numbers.isna().sum()):
        example = column[numbers.isna()].iloc[0]
        told = f"such as {str(example)[:40]!r}: {wanted.values} are expected"
        return [f"{words:,} predictions in {name} are not numbers, {told}"]
    if infinite := int((~np.isfinite(numbers)).sum()):
        return [f"{infinite:,} predictions in {name} are infinite"]
    outside = (numbers < 0) | (numbers > 1)
    if wanted.values == "probabilities" and outside.any():
        return [
            f"{int(outside.sum()):,} predictions in {name} are no probabilities (from {numbers.min():g} to "
            f"{numbers.max():g}): they should lie between 0 and 1"
        ]
    if wanted.values == "numbers" and brief.metric.name in ABOVE_ZERO and (low := int((numbers <= 0).sum())):
        return [f"{low:,} predictions in {name} are not above 0, which {brief.metric.name} cannot take"]
    if wanted.values == "numbers" and brief.metric.name in NOT_NEGATIVE and (numbers < 0).any():
        return [
            f"{int((numbers < 0).sum()):,} predictions in {name} are negative, which {brief.metric.name} cannot take"
        ]
    return []


def _labels(column: pd.Series[Any], target: TargetProfile, separator: str | None) -> list[str]:
    """Compare labels, of which a cell may list several, with training's; 1, 1.0, "1" and True are the same label."""
    if target.kind == "multilabel":
        known = {"0", "1"}
    elif target.class_count is not None and target.class_count == len(target.classes):
        known = {_same(name) for name, _ in target.classes}
    else:
        return []
    cells = [label(value) or "" for value in column.unique()]
    given = {name for cell in cells for name in (cell.split(separator) if separator else [cell])}
    unknown = sorted(name for name in given if _same(name)[:60] not in known)
    if not unknown:
        return []
    listed = f", with {separator!r} between them" if separator else ""
    return [
        f"{len(unknown):,} labels in {column.name} are not among the classes of training, such as {_few(unknown)}; "
        f"allowed: {_few(sorted(known), 12)}{listed}"
    ]


def _same(text: str) -> str:
    text = text.strip()
    return TRUTH.get(text.lower(), text)


def _sums(predictions: pd.DataFrame, target: TargetProfile | None) -> list[str]:
    if target is None or len(target.names) > 1 or target.kind not in ("binary", "multiclass"):
        return []
    totals = predictions.astype(float).sum(axis=1)
    off = (totals - 1).abs() > SUM_TOLERANCE
    if not off.any():
        return []
    return [
        f"the probabilities of {int(off.sum()):,} rows do not add up to 1 "
        f"(from {totals.min():.3g} to {totals.max():.3g}): divide each row by its sum"
    ]


def _few(names: Sequence[object], limit: int = 5) -> str:
    shown = ", ".join(str(name)[:40] for name in names[:limit])
    return shown if len(names) <= limit else f"{shown}, ..."
