"""A table in several files, and a training table whose answers stand in a table of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mle_star.models.errors import TaskError
from mle_star.tools.profile_tables import Table, row_limit

if TYPE_CHECKING:
    import pandas as pd


class Series(Table):
    """A table that is cut into several files of the same columns, read as one."""

    def __init__(self, root: Path, parts: Sequence[Table]) -> None:
        super().__init__(root, parts[0].path)
        self.parts = parts

    @cached_property
    def sample(self) -> pd.DataFrame:
        """The first rows of each part.

        Raises:
            TaskError: A file cannot be read as a table.
        """
        most = row_limit(len(self.parts[0].names)) // len(self.parts)
        return _joined([part.sample.head(most) for part in self.parts])

    @cached_property
    def rows(self) -> int:
        """How many rows the parts have together."""
        return sum(part.rows for part in self.parts)

    def load(self, names: Sequence[str]) -> None:
        """Read several columns in one pass, for `column`."""
        import pandas as pd

        wanted = [name for name in names if name not in self._columns]
        for part in self.parts:
            part.load(wanted)
        for name in wanted:
            self._columns[name] = pd.concat([part.column(name) for part in self.parts], ignore_index=True)

    def read_as_text(self, column: str, names: Sequence[str]) -> None:
        """Read a column as text in all parts."""
        super().read_as_text(column, names)
        for part in self.parts:
            part.read_as_text(column, names)

    def as_written(self, column: str) -> pd.Series[Any]:
        """The cells of a column as they stand in the files."""
        import pandas as pd

        return pd.concat([part.as_written(column) for part in self.parts], ignore_index=True)

    def everything(self) -> pd.DataFrame:
        """All parts, however large."""
        return _joined([part.everything() for part in self.parts])


def whole_table(root: Path, first: str, more: Sequence[str]) -> tuple[Table, list[str]]:
    """Open a table, with those further files that have its columns and other rows, and say what is left out.

    Raises:
        TaskError: A file cannot be read as a table.
    """
    parts, warnings = [Table(root, first)], []
    for table in (Table(root, path) for path in more):
        if set(table.names) != set(parts[0].names):
            continue
        if any(_repeats(part, table) for part in parts):
            warnings.append(f"{table.path} repeats rows of the files beside it: it is left out")
        else:
            parts.append(table)
    return one_table(root, parts), warnings


def one_table(root: Path, parts: Sequence[Table]) -> Table:
    """Several files as one table; one stays as it is."""
    return Series(root, parts) if len(parts) > 1 else parts[0]


def labels_key(train: Table, labels: Table, id_column: str | None) -> str | None:
    """Find the column that joins the training table with the target's; None where their rows stand in the same order.

    Raises:
        TaskError: There is no such column, and the rows cannot be in the same order.
    """
    names = sorted((name for name in labels.names if name in train.names), key=lambda name: name != id_column)
    key = next((name for name in names if _joins(train.column(name), labels.column(name))), None)
    if key is None and labels.rows != train.rows:
        raise TaskError(
            f"the target's table {labels.path} has {labels.rows:,} rows, {train.path} has {train.rows:,}, "
            "and no column has one value for each row of both"
        )
    if key is None and isinstance(train, Series) and not re.search(r"\d", train.path):
        raise TaskError(
            f"no column joins {labels.path} with {train.path} and the files beside it, whose order is not known"
        )
    return key


def _repeats(one: Table, other: Table) -> bool:
    """Tell whether most rows of the smaller of two tables stand in the other as well: a copy, or a part of it."""
    parts = [table.sample[one.names].astype("str").drop_duplicates() for table in (one, other)]
    return bool(_joined(parts).duplicated().sum() > 0.5 * min(map(len, parts)))


def _joins(one: pd.Series[Any], other: pd.Series[Any]) -> bool:
    """Tell whether two columns name the rows of two tables: each value once, and nearly all of the first found."""
    if not (one.is_unique and other.is_unique):
        return False
    ones, others = (column.astype("str").str.removesuffix(".0") for column in (one, other))
    return bool(ones.isin(others).mean() >= 0.95)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
