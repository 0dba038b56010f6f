"""How labels are written: which are alike, what stands between several in a cell, and `NA` where it is a name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

from mle_star.models.writing import MISSING

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (" | ", "|", "; ", ";", ", ", ",", " ")
"""What may stand between the names in a cell that lists several; the longer one first."""


def label(value: object) -> str | None:
    """A class as text, the same for 1, 1.0 and "1"; None for a missing value."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def class_shares(columns: Sequence[pd.Series[Any]]) -> dict[str, float]:
    """Count the classes of these columns, most frequent first."""
    counts: Counter[str] = Counter()
    for column in columns:
        counts.update({label(value) or "": int(count) for value, count in column.value_counts().items()})
    return {name: round(count / counts.total(), 4) for name, count in counts.most_common()}


def tag_separator(column: pd.Series[Any], names: Sequence[str]) -> str | None:
    """What stands between the names that a column's cells list; None where they list no more than one, or others."""
    cells = [str(cell) for cell in column.dropna().unique()]
    for separator in SEPARATORS:
        told = {tag for cell in cells for tag in cell.split(separator)}
        if any(separator in cell for cell in cells) and told <= {*names, ""}:
            return separator
    return None


def list_separator(column: pd.Series[Any], names: Sequence[str]) -> str | None:
    """What stands between the labels that a sample's cells list, which may be none of training's `names`."""
    cells = {str(cell) for cell in column.dropna().unique()}
    if cells <= set(names):
        return None
    some = (separator for separator in SEPARATORS if any(separator in cell for cell in cells))
    return tag_separator(column, names) or next(some, None)


def missing_words(written: pd.Series[Any], asked: Container[str], description: str) -> list[str]:
    """Those words for a missing value, such as `NA`, that are names of classes.

    `None` is one; others where the sample submission asks for them, where the description lists them with other
    classes, or where they are frequent in a column that has no blank cell.
    """
    shares = written.value_counts(normalize=True)
    classes = [str(value) for value in shares.index if value not in MISSING]
    sentences = re.split(r"\.\s|\n", description)

    def listed(word: str) -> bool:
        told = [text for text in sentences if _tells(text, word)]
        return any(sum(_tells(text, name) for name in classes) >= min(2, len(classes)) for text in told)

    def is_class(word: str) -> bool:
        frequent = shares[word] >= 0.05 and "" not in shares
        return word == "None" or word in asked or frequent or listed(word)

    return [word for word in MISSING[1:] if word in shares and is_class(word)]


def _tells(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
