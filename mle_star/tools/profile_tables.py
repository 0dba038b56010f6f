"""Read tables whatever their format, separator and encoding, and count their rows without parsing them."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mle_star.models.errors import TaskError
from mle_star.models.writing import MISSING
from mle_star.tools.profile_dialect import HEAD, Dialect, sniff
from mle_star.tools.profile_files import suffix_of

if TYPE_CHECKING:
    import pandas as pd

CELLS = 3_000_000
"""As many cells of a table are looked at; 50,000 rows at most and 500 at least."""
MOST_ROWS, LEAST_ROWS = 50_000, 500
MOST_KEYS = 1_000_000
"""Rows of a single column that are read in full: the target, the id, a key or a date."""


class Table:
    """One table on disk: a bounded sample of its rows, its columns in full where asked for, its row count."""

    def __init__(self, root: Path, path: str) -> None:
        self.path = path
        self.file = root / path
        self._columns: dict[str, pd.Series[Any]] = {}
        self._names_in: dict[str, tuple[str, ...]] = {}

    def read_as_text(self, column: str, names: Sequence[str]) -> None:
        """From now on read a column of a CSV file as text; these words in it are names, not values that are missing."""
        self._names_in[column] = tuple(names)
        self._columns.clear()
        self.__dict__.pop("sample", None)

    def as_written(self, column: str) -> pd.Series[Any]:
        """The cells of a CSV's column as they stand in the file; none where the file has no such column."""
        import pandas as pd

        if not self.is_csv or column not in self.names:
            return pd.Series(dtype=str)
        return self._as_text([column], MOST_KEYS)[column]

    def has_leading_zeros(self, column: str) -> bool:
        """Whether a column's numbers are written as `007`, which pandas takes for 7."""
        cells = self.as_written(column) if self.is_csv else self.column(column).astype(str)
        return bool(cells.str.fullmatch(r"0\d+").any())

    @property
    def is_csv(self) -> bool:
        return suffix_of(self.path) in (".csv", ".tsv")

    @cached_property
    def dialect(self) -> Dialect:
        """The separator, encoding, decimal mark and lines of remarks, from the first 64 kB."""
        return sniff(self._head(), tab=suffix_of(self.path) == ".tsv") if self.is_csv else Dialect()

    @cached_property
    def sample(self) -> pd.DataFrame:
        """The first rows: all of a small table; column names are always text.

        Raises:
            TaskError: The file cannot be read as a table, or has no rows.
        """
        frame = self._read(None, row_limit(self.header_width))
        frame.columns = [str(name) for name in frame.columns]
        unnamed = [name for name in frame.columns if re.fullmatch(r"Unnamed: \d+", name)]
        frame = frame.drop(columns=[name for name in unnamed if not frame[name].notna().any()])
        if frame.empty:
            raise TaskError(f"{self.path}: the table has no rows")
        return frame

    @cached_property
    def header_width(self) -> int:
        if not self.is_csv:
            return 50
        lines = self._head().decode(self.dialect.encoding, errors="replace").splitlines(keepends=True)
        table = io.StringIO("".join(lines[self.dialect.remarks :]), newline="")  # a line may end in a lone CR
        return len(next(csv.reader(table, delimiter=self.dialect.separator), []))

    @cached_property
    def rows(self) -> int:
        """How many rows the whole table has."""
        if len(self.sample) < row_limit(self.header_width):
            return len(self.sample)
        if suffix_of(self.path) in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            return int(pq.read_metadata(self.file).num_rows)
        if self.is_csv and self._has_plain_lines:
            return self._count_rows()
        return len(self._read(self.names[:1], None))

    @cached_property
    def names(self) -> list[str]:
        return list(self.sample.columns)

    def everything(self) -> pd.DataFrame:
        """The whole table, however large.

        Raises:
            TaskError: The file cannot be read as a table.
        """
        frame = self._read(None, None)
        frame.columns = [str(name) for name in frame.columns]
        return frame

    def shape(self) -> tuple[int | None, int | None, Dialect]:
        """Rows, columns and dialect, without parsing a table that has not been read yet."""
        if "sample" in self.__dict__:
            return self.rows, len(self.names), self.dialect
        if suffix_of(self.path) in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            metadata = pq.read_metadata(self.file)
            return int(metadata.num_rows), int(metadata.num_columns), self.dialect
        if not self.is_csv or not self._has_plain_lines:
            return None, None, self.dialect
        return max(0, self._count_rows()), self.header_width, self.dialect

    def column(self, name: str) -> pd.Series[Any]:
        """One column in full, the first million rows of it."""
        self.load([name])
        return self._columns[name]

    def load(self, names: Sequence[str]) -> None:
        """Read several columns in one pass, for `column`."""
        wanted = [name for name in names if name not in self._columns]
        if not wanted:
            return
        if len(self.sample) >= min(self.rows, MOST_KEYS):
            self._columns.update({name: self.sample[name] for name in wanted})
            return
        frame = self._read(wanted, MOST_KEYS)
        self._columns.update({name: frame[name] for name in wanted})

    def _read(self, columns: Sequence[str] | None, rows: int | None) -> pd.DataFrame:
        import pandas as pd

        kind = suffix_of(self.path)
        try:
            if kind in (".parquet", ".pq"):
                frame = _read_parquet(self.file, columns, rows)
            elif kind == ".feather":
                frame = pd.read_feather(self.file, columns=None if columns is None else list(columns))
            elif kind in (".json", ".jsonl", ".ndjson"):
                lines = self._head().lstrip()[:1] != b"["
                frame = pd.read_json(self.file, lines=lines, nrows=rows if lines else None)
                frame = frame if columns is None else frame[list(columns)]
            else:
                return self._read_csv(columns, rows)
            return _plain(frame if rows is None else frame.head(rows))
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, lzma.LZMAError) as error:
            reason = " ".join(str(error).split())[:200]
            raise TaskError(f"{self.path}: cannot be read as a table: {reason or type(error).__name__}") from error

    def _read_csv(self, columns: Sequence[str] | None, rows: int | None) -> pd.DataFrame:
        import pandas as pd

        chosen: set[str] | None = None if columns is None else set(columns)
        for encoding in (self.dialect.encoding, "cp1252", "latin-1"):
            try:
                frame: pd.DataFrame = pd.read_csv(
                    self.file,
                    sep=self.dialect.separator,
                    encoding=encoding,
                    decimal=self.dialect.decimal,
                    skiprows=self.dialect.remarks,
                    usecols=None if chosen is None else (lambda name: str(name) in chosen),
                    nrows=rows,
                    low_memory=False,
                )
            except UnicodeDecodeError:
                continue
            self.dialect = self.dialect._replace(encoding=encoding)
            if texts := [name for name in self._names_in if name in frame.columns]:
                written = self._as_text(texts, rows)
                for name in texts:
                    missing = set(MISSING).difference(self._names_in[name])
                    frame[name] = written[name].mask(written[name].isin(missing))
            return frame
        raise TaskError(f"{self.path}: cannot be decoded")  # not reached: latin-1 decodes everything

    def _as_text(self, columns: Sequence[str], rows: int | None) -> pd.DataFrame:
        import pandas as pd

        return pd.read_csv(
            self.file, sep=self.dialect.separator, encoding=self.dialect.encoding, skiprows=self.dialect.remarks,
            usecols=list(columns), nrows=rows, dtype=str, keep_default_na=False,
        )  # fmt: skip

    @property
    def _has_plain_lines(self) -> bool:
        """Whether the bytes of a CSV show where its lines end: no UTF-16, no lone CR as on an old Mac."""
        head = self._head()
        return not self.dialect.encoding.startswith("utf-16") and (b"\n" in head or b"\r" not in head)

    def _count_rows(self) -> int:
        with self._open() as stream:
            for _ in range(self.dialect.remarks):
                stream.readline()
            return _count_records(stream) - 1

    def _head(self) -> bytes:
        try:
            with self._open() as stream:
                return stream.read(HEAD)
        except (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError) as error:
            raise TaskError(f"{self.path}: cannot be read: {error}") from error

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        packed = self.path.lower().rsplit(".", 1)[-1]
        if packed == "zip":
            with zipfile.ZipFile(self.file) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
                if len(names) != 1:
                    raise TaskError(f"{self.path}: holds {len(names)} files: unpack it first")
                with archive.open(names[0]) as inner:
                    yield inner
            return
        opener: Any = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}.get(packed, open)
        with opener(self.file, "rb") as stream:
            yield stream


def row_limit(columns: int) -> int:
    return max(LEAST_ROWS, min(MOST_ROWS, CELLS // max(columns, 1)))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn what no CSV could hold into what it can: an index, lists and records, durations."""
    frame = frame.reset_index() if any(frame.index.names) else frame
    for name in frame.columns[frame.dtypes == "object"]:
        frame[name] = frame[name].map(str, na_action="ignore")
    for name in frame.select_dtypes("timedelta").columns:
        frame[name] = frame[name].dt.total_seconds()
    return frame


def _read_parquet(file: Path, columns: Sequence[str] | None, rows: int | None) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if rows is None:
        return pd.read_parquet(file, columns=None if columns is None else list(columns))
    source = pq.ParquetFile(file)
    batches, count = [], 0
    for batch in source.iter_batches(min(rows, 65_536), columns=None if columns is None else list(columns)):
        batches.append(batch)
        count += batch.num_rows
        if count >= rows:
            break
    table = pa.Table.from_batches(batches) if batches else source.schema_arrow.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame.head(rows)


def _count_records(stream: IO[bytes]) -> int:
    """Count lines that end outside of quotes: the header and the rows."""
    import numpy as np

    inside, count, last, empty_so_far = 0, 0, b"\n", True
    while block := stream.read(1 << 24):
        if b'"' not in block and not inside:
            count += block.count(b"\n") - block.count(b"\n\n") - block.count(b"\r\n\r\n")
        else:
            data = np.frombuffer(block, dtype=np.uint8)
            quotes = np.cumsum(data == 34, dtype=np.int64) + inside
            count += int(np.count_nonzero((data == 10) & (quotes % 2 == 0)))
            inside = int(quotes[-1]) % 2
        last, empty_so_far = block[-1:], False
    return count + (last != b"\n" and not empty_so_far)
