"""What kind of data a task's tables hold, and how its files are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mle_star.models.data_models import Modality
from mle_star.models.errors import TaskError
from mle_star.models.profile import ColumnProfile, FileProfile, ImageProfile, SplitProfile
from mle_star.tools.profile_columns import word_count
from mle_star.tools.profile_files import is_table
from mle_star.tools.profile_tables import Table


def find_modality(
    train: Table | None,
    columns: Sequence[ColumnProfile],
    images: ImageProfile | None,
    split: SplitProfile,
    *,
    audio: bool,
) -> Modality:
    """Tell what dominates the data: images, texts, a table, or a series in time."""
    if audio:
        return "audio"
    if images is not None and (images.column is not None or train is None or len(columns) <= 3):
        return "image"
    if train is None:
        return "other"
    if _is_text(train, columns):
        return "text"
    dates = [c for c in columns if c.kind == "date"]
    return "time_series" if split.kind == "time" and dates and len(columns) <= 5 else "tabular"


def _is_text(train: Table, columns: Sequence[ColumnProfile]) -> bool:
    """Tell whether text dominates: nothing else is told, or long free text is most of the columns or of what they hold.

    Where there is no other feature, strings of which each is unlike are texts too: a molecule, a name, Chinese.
    """
    texts = [c for c in columns if c.kind == "text"]
    if all(c.kind in ("text", "id", "constant", "path") for c in columns):
        return bool(texts) or any(c.kind == "id" and c.dtype == "str" for c in columns)
    lengths = {c.name: word_count(train.sample[c.name]) for c in texts}
    free = [name for name, (words, characters) in lengths.items() if words >= 5 and characters >= 30]
    others = sum(c.kind not in ("id", "constant", "path") for c in columns) - len(free)
    longest = max((lengths[name][0] for name in free), default=0)
    return bool(free) and (others <= 2 * len(free) or (longest >= 40 and others <= 8))


def measured(root: Path, file: FileProfile, table: Table | None) -> FileProfile:
    """A file's rows, columns and dialect, where it is a table; `table` is that file where it was opened before."""
    if file.files is not None or not is_table(file.path):
        return file
    try:
        rows, columns, dialect = (table or Table(root, file.path)).shape()
    except TaskError:
        return file
    return file.model_copy(
        update={
            "rows": rows,
            "columns": columns,
            "separator": None if dialect.separator == "," else dialect.separator,
            "encoding": None if dialect.encoding in ("utf-8", "utf-8-sig") else dialect.encoding,
            "decimal": None if dialect.decimal == "." else dialect.decimal,
            "remarks": dialect.remarks or None,
        }
    )
