"""The tables of a task's folder, opened: which columns they have, and which of these are the id and the target."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mle_star.models.errors import TaskError
from mle_star.models.profile import FileProfile
from mle_star.models.writing import MISSING
from mle_star.tools.profile_columns import as_numbers, shorten
from mle_star.tools.profile_files import Folder, Roles, find_roles, inventory, walk
from mle_star.tools.profile_images import Media, class_counts, find_media, test_files
from mle_star.tools.profile_labels import label, missing_words, tag_separator
from mle_star.tools.profile_modality import measured
from mle_star.tools.profile_parts import Series, labels_key, whole_table
from mle_star.tools.profile_submission import sample_has_id
from mle_star.tools.profile_tables import Table
from mle_star.tools.profile_target import Columns, find_ids, find_target

if TYPE_CHECKING:
    import pandas as pd


class TaskTables:
    """What a task's folder holds, by its part in the task; each table is read when it is first asked for.

    Raises:
        TaskError: A table of the training rows cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: list[Folder] = list(walk(root))
        self.roles: Roles = find_roles(self.folders, self._columns)
        self.media: Media | None = find_media(self.folders)
        self.sample = self._table(self.roles.sample)
        self.labels: Table | None = None
        """The table of its own that the target was found in, and the column that joins it to the training table."""
        self.labels_key: str | None = None
        self.target_as_text = False
        """Whether the target is to be read as text, since a plain reading does not give its values."""
        self.tags: tuple[str, str] | None = None
        """The column whose cells list the target's names, and what stands between them there."""
        self.warnings: list[str] = []
        self.train = self._whole(self.roles.train, self.roles.more)
        self.test = self._test_table()

    def _table(self, path: str | None) -> Table | None:
        return Table(self.root, path) if path else None

    def _columns(self, path: str) -> list[str]:
        """The columns of any table; none where it cannot be read."""
        try:
            return Table(self.root, path).names
        except TaskError:
            return []

    def _whole(self, first: str | None, more: Sequence[str]) -> Table | None:
        if first is None:
            return None
        table, warnings = whole_table(self.root, first, more)
        self.warnings += warnings
        return table

    def _test_table(self) -> Table | None:
        """The test's files as one table; the first alone where the sample asks for no more rows than it has."""
        first = self._table(self.roles.test)
        if first is not None and self.sample is not None and self.sample.rows == first.rows:
            return first
        return self._whole(self.roles.test, self.roles.more_test)

    @property
    def train_parts(self) -> Sequence[Table]:
        """The tables that the training rows are cut into."""
        return parts_of(self.train)

    @property
    def test_parts(self) -> Sequence[Table]:
        """The tables that the test rows are cut into."""
        return parts_of(self.test)

    @property
    def names(self) -> Columns:
        """The columns of training, test and sample."""
        return Columns(*([] if table is None else table.names for table in (self.train, self.test, self.sample)))

    @cached_property
    def test_names(self) -> list[str]:
        """The test's columns, without those of training that hold nothing there, as the target may."""
        if self.train is None or self.test is None:
            return [] if self.test is None else self.test.names
        known, test = self.train.sample.notna().any(), self.test
        empty = [n for n in test.names if known.get(n, False) and not test.sample[n].notna().any()]
        return [n for n in test.names if n not in empty or test.column(n).notna().any()]

    @property
    def test_rows(self) -> int | None:
        """Rows, or files, to predict."""
        if self.test is not None:
            return self.test.rows
        if self.sample is not None:
            return self.sample.rows
        return test_files(self.folders, self.media) or None if self.media else None

    @property
    def class_counts(self) -> dict[str, int]:
        """How many files each class has, where folders or file names are the classes."""
        return class_counts(self.folders, self.media) if self.media is not None and self.train is None else {}

    def files(self) -> tuple[FileProfile, ...]:
        """The inventory, with rows, columns and dialect for tables."""
        tables = {t.path: t for t in (*self.train_parts, *self.test_parts, self.sample, self.labels) if t}
        return tuple(measured(self.root, file, tables.get(file.path)) for file in inventory(self.root, self.folders))

    def id_column(self, given: str | None) -> str | None:
        """The column that names the rows to predict: the given one, or one that is found.

        Raises:
            TaskError: The given column is not in the test table.
        """
        names = self.names
        if given is not None:
            if names.test and given not in names.test and given not in names.sample:
                raise TaskError(f"the id column {given!r} is not in {self.roles.test}: {listed(names.test)}")
            return given
        known = self.train.sample if self.train else None
        is_id = self.sample is not None and sample_has_id(self.sample.sample, known, self.test_names)
        test = self.test
        may_be = find_ids(names, is_id)
        if self.sample is None and test is not None:
            may_be = [name for name in may_be if test.column(name).is_unique]
        return may_be[0] if may_be and not self._together(may_be[0]) else None

    def names_rows_in_words(self, id_column: str) -> bool:
        """Whether an id is a word such as `NA`, which pandas takes for a missing value."""
        tables = [table for table in (self.test, self.sample) if table is not None and id_column in table.names]
        return any(t.column(id_column).isna().any() and t.as_written(id_column).isin(MISSING[1:]).any() for t in tables)

    def _together(self, first: str) -> bool:
        """Tell whether the sample's first column names its rows only together with others of the test."""
        if self.sample is None or self.sample.column(first).is_unique:
            return False
        names = [name for name in self.sample.names if name in self.test_names]
        return len(names) > 1 and first in names and row_keys(self.sample, names).is_unique

    def asks_one_for_several(self, names: Sequence[str]) -> bool:
        """Tell whether several test rows have the same key, and the sample names each of these keys once."""
        tables = self._named_alike(names)
        if tables is None or tables[0].rows <= tables[1].rows:
            return False
        rows, asked = (row_keys(table, names) for table in tables)
        return bool(asked.is_unique and rows.isin(asked).all())

    def strangers(self, names: Sequence[str]) -> list[str]:
        """Names of rows that the sample asks for and the test does not have, though it names its rows alike."""
        tables = self._named_alike(names)
        if tables is None:
            return []
        rows, asked = (row_keys(table, names) for table in tables)
        there = asked.isin(rows)
        alike = there.any() or all(table.column(n).dtype.kind in "iuf" for table in tables for n in names)
        return [" / ".join(row) for row in asked[~there]] if alike else []

    def _named_alike(self, names: Sequence[str]) -> tuple[Table, Table] | None:
        """The test and the sample, where both have these columns, which name their rows."""
        test, sample = self.test, self.sample
        if test is None or sample is None or not names or not {*names} <= {*test.names} & {*sample.names}:
            return None
        return test, sample

    def targets(self, given: Sequence[str], id_column: str | None, description: str) -> tuple[str, ...]:
        """The columns to predict: the given ones, or those that are found; none where they cannot be found.

        A target in a table of its own, such as train_labels.csv, is joined.

        Raises:
            TaskError: A given column is in no training table.
        """
        names = self.names
        if given:
            unknown = [n for n in given if n not in names.train] if self.train is not None else []
            if unknown and not self._take_labels(given, id_column):
                told = ", ".join(map(repr, unknown))
                raise TaskError(f"the target {told} is not in {self.roles.train}: {listed(names.train)}")
            return tuple(given)
        if self.train is None:
            if not self.class_counts:
                return ()
            asked = [n for n in names.sample if n != id_column]
            return (asked[0],) if len(asked) == 1 else ("label",)
        # The test may have a column for the target, with nothing in it.
        for columns in (names, names._replace(test=self.test_names)):
            if found := find_target(columns, id_column, self._classes_of, description):
                return found
        return self._target_in_labels(names, id_column, description)

    def _target_in_labels(self, names: Columns, id_column: str | None, description: str) -> tuple[str, ...]:
        if self.roles.labels is None:
            return ()
        table = Table(self.root, self.roles.labels)
        found = find_target(names._replace(train=table.names), id_column, lambda name: [], description)
        found = tuple(n for n in found if n in table.names and n not in names.train)
        if not found:
            rest = [n for n in table.names if n not in names.train and n not in names.test and n != id_column]
            found = (rest[0],) if len(rest) == 1 else ()
        return found if found and self._take_labels(found, id_column) else ()

    def _take_labels(self, targets: Sequence[str], id_column: str | None) -> bool:
        if self.roles.labels is None:
            return False
        table = Table(self.root, self.roles.labels)
        if not all(name in table.names for name in targets):
            return False
        self.labels = table
        if self.train is None:
            return True
        self.labels_key = key = labels_key(self.train, table, id_column)
        how = f"join them on {key}" if key else "their rows are in the same order"
        self.warnings.append(f"the target is in {table.path}, not in {self.roles.train}: {how}")
        return True

    def asked(self, id_column: str | None) -> tuple[str, ...]:
        """The sample's columns of predictions."""
        names = self.names
        return tuple(n for n in names.sample if n != id_column and n not in names.test)

    def asks_numbers(self, id_column: str | None, *, parts: bool = False) -> bool:
        """Tell whether the sample's predictions are numbers; with `parts` numbers that are not all whole."""
        asked = self.asked(id_column)
        if self.sample is None or not all(self.sample.sample[n].dtype.kind in "iuf" for n in asked):
            return False
        return not parts or any((self.sample.sample[n] % 1).gt(0).any() for n in asked)

    def split_tags(self, found: tuple[str, ...], id_column: str | None) -> tuple[str, ...]:
        """The sample's columns in place of a target whose cells list them, such as `red,blue`; else what was found."""
        asked = self.asked(id_column)
        if self.train is None or len(found) != 1 or len(asked) < 2 or found[0] not in self.train.names:
            return found
        separator = tag_separator(self.train.column(found[0]), asked)
        if separator is None:
            return found
        self.tags = found[0], separator
        self.warnings.append(
            f"the target's columns are not in {self.roles.train}: each is 1 where {found[0]} lists its name, else 0"
        )
        return asked

    def _classes_of(self, name: str) -> list[str]:
        """A column's values as text, when they are few enough to be classes."""
        assert self.train is not None
        if self.train.sample[name].nunique() > 5000:
            return []
        return sorted({text for value in self.train.column(name).unique() if (text := label(value)) is not None})

    def target_values(self, targets: Sequence[str], description: str, *, numbers: bool) -> list[pd.Series[Any]]:
        """The targets' columns in full; empty where no table holds them.

        Where `numbers` are judged, those that are written for people are read; else labels such as `007` and `NA`.
        """
        source = self.labels or self.train
        if source is None:
            return []
        if self.tags is not None:
            tagged, separator = self.tags
            told = source.column(tagged).fillna("").astype("str").str.get_dummies(separator)
            told = told.reindex(columns=list(targets), fill_value=0)
            return [told[name] for name in targets]
        source.load(targets)
        if numbers:
            return [self._as_numbers(source.column(name)) for name in targets]
        for name in targets:
            self._read_labels(source, name, description)
        return [source.column(name) for name in targets]

    def _read_labels(self, source: Table, name: str, description: str) -> None:
        """Have a column's labels read as text where pandas would change them, or take one for a missing value."""
        column, words, reason = source.column(name), [], ""
        if column.dtype.kind in "iuf":
            if (column.dropna() % 1 == 0).all() and source.as_written(name).str.fullmatch(r"0\d+").any():
                reason = f"{name} has labels with leading zeros: read the column with dtype=str"
        elif column.isna().any():
            asked = {*self.sample.as_written(name), *self.sample.names} if self.sample else set()
            words = missing_words(source.as_written(name), asked, description)
            are = f"{' and '.join(words)} {'is a class' if len(words) == 1 else 'are classes'} of {name}, not missing"
            reason = f"{are}: read the column with keep_default_na=False" if words else ""
        if reason:
            source.read_as_text(name, words)
            self.target_as_text = True
            self.warnings.append(reason)

    def _as_numbers(self, column: pd.Series[Any]) -> pd.Series[Any]:
        if column.dtype.kind in "iufb":
            return column
        read = as_numbers(column)
        if (read.isna() & column.notna()).any():
            return column
        self.target_as_text = True
        self.warnings.append(
            f"{column.name} holds numbers that are written for people, such as {shorten(column.dropna().iloc[0])!r}"
        )
        return read


def parts_of(table: Table | None) -> Sequence[Table]:
    """The tables that a table's rows are cut into."""
    if isinstance(table, Series):
        return table.parts
    return [table] if table else []


def row_keys(table: Table, names: Sequence[str]) -> pd.Index[Any]:
    """The values of these columns, row by row, as text."""
    import pandas as pd

    table.load(names)
    return pd.MultiIndex.from_arrays([table.column(n).astype("str").str.removesuffix(".0") for n in names])


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Names for a message, the first of them."""
    shown = ", ".join(shorten(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
