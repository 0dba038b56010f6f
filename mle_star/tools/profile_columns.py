"""What each column of a table holds, told by its content and not by its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from mle_star.models.profile import ColumnProfile
from mle_star.models.writing import CLOCK, count_words
from mle_star.tools.profile_texts import MOST_TEXTS, measure_texts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Kind = Literal["numeric", "boolean", "category", "text", "date", "path", "id", "constant"]

MOST_COLUMNS = 80
MOST_EXAMPLE = 40
PEEK = 400
"""Values of a text column that are looked at."""
YES_NO = tuple(map(frozenset, (("yes", "no"), ("true", "false"), ("t", "f"), ("y", "n"), ("0", "1"))))
DECIMAL_COMMA = r"^\D*0,\d|,(?:\d{1,2}|\d{4,})\D*$"
"""A comma that no thousands follow."""
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})( \d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}.*|(\w{3,9},? )?[A-Za-z]{3,9} \d{1,2},? \d{4}.*"
    r"|[A-Za-z]{3,9}(-|,? )\d{4}|\d{4}[- ][A-Za-z]{3,9}|\d{4}-?Q[1-4]|\d{1,2}/\d{4}"  # months and quarters
)
EPOCHS = (631_152_000, 4_102_444_800)
"""1990 and 2100, in seconds since 1970."""
EPOCH_WORD = re.compile(
    r"(^|[_\W])(?i:time\w*|\w*time|\w*stamp|\w*date|ts|dt|at|on|when|epoch|unix)($|[_\W\d])|[a-z](At|On|Time|Date|TS|Ts)\b"
)
FILE = re.compile(
    r".*\.(png|jpe?g|tiff?|bmp|gif|webp|wav|mp3|flac|ogg|aiff?|m4a|dcm|npy|txt|json|csv|mp4|avi|pdf)", re.I
)


def profile_columns(frame: pd.DataFrame, names: Sequence[str]) -> tuple[tuple[ColumnProfile, ...], str | None]:
    """Measure the columns, at most 80 of them, and sum up the rest in a sentence."""
    told = tuple(profile_column(frame[name]) for name in names[:MOST_COLUMNS])
    rest = list(names[MOST_COLUMNS:])
    if not rest:
        return told, None
    kinds = Counter(_short_dtype(dtype) for dtype in frame.dtypes[rest])
    parts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return told, f"{len(rest)} more columns ({parts}): {shorten(rest[0])} ... {shorten(rest[-1])}"


def profile_column(column: pd.Series[Any]) -> ColumnProfile:
    """Measure one column: kind, missing share, distinct values, a few examples and its range."""
    import numpy as np
    import pandas as pd

    values = column.dropna()
    missing = round(1 - len(values) / max(len(column), 1), 4)
    unique = distinct(values)
    kind = column_kind(column)
    lowest: float | str | None = None
    highest: float | str | None = None
    if len(values) and kind in ("numeric", "id", "boolean") and pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=float)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers) and kind != "boolean":
            lowest, highest = _rounded(numbers.min()), _rounded(numbers.max())
    elif len(values) and kind == "date":
        times = as_times(values)
        if times is not None and times.notna().any():
            lowest, highest = (_day(times.min()), _day(times.max()))
    word_order, new_words = measure_texts(_spread(values, MOST_TEXTS)) if kind == "text" else (None, None)
    return ColumnProfile(
        name=str(column.name),
        kind=kind,
        dtype=_short_dtype(column.dtype),
        missing=missing,
        unique=unique,
        examples=_examples(values, kind),
        minimum=lowest,
        maximum=highest,
        word_order=word_order,
        new_words=new_words,
    )


def column_kind(column: pd.Series[Any]) -> Kind:
    """Tell what a column holds.

    A whole number for every row, none twice and none left out, is an `id`; so is one unlike word for every row.
    """
    import pandas as pd

    values = column.dropna()
    unique = distinct(values)
    if unique <= 1:
        return "constant"
    if pd.api.types.is_bool_dtype(values.dtype):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date"
    if pd.api.types.is_numeric_dtype(values.dtype):
        if unique == 2 and set(values.unique()) == {0, 1}:
            return "boolean"
        if is_counter(column):
            return "id"
        return "date" if _is_day_number(values) or _is_epoch(values, days=2) else "numeric"
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "category"
    return _text_kind(values, unique)


def _text_kind(values: pd.Series[Any], unique: int) -> Kind:
    import pandas as pd

    texts = [str(value).strip() for value in _spread(values)]
    if unique == 2 and frozenset(str(value).strip().lower() for value in values.unique()) in YES_NO:
        return "boolean"
    if _share(texts, DATE.fullmatch) >= 0.95 and as_times(pd.Series(texts)) is not None:
        return "date"
    if unique > 10 and _share(texts, CLOCK.fullmatch) >= 0.95:
        return "numeric"
    if _share(texts, FILE.fullmatch) >= 0.9:
        return "path"
    if as_numbers(pd.Series(texts, dtype=object)).notna().mean() >= 0.9 and unique > 10:
        return "numeric"
    words = sum(map(count_words, texts)) / len(texts)
    length = sum(map(len, texts)) / len(texts)
    varied = unique / len(values)
    if varied > 0.3 and (words >= 2.5 or length > 60) and words >= 1.5:
        return "text"
    if varied > 0.99 and len(values) >= 20:
        return "text" if _pieces_recur(texts) and not is_counter(_first_numbers(values)) else "id"
    return "category"


def _pieces_recur(texts: list[str]) -> bool:
    """Tell whether unlike strings are made of words that recur, as addresses are; codes and molecules are not."""
    pieces = [set(re.findall(r"[^\W_]+", text)) for text in texts]
    rows = Counter(piece for row in pieces for piece in row)
    recurring = {piece for piece, count in rows.items() if count > 1}
    words = sum(len(p) >= 4 and p.isalpha() and (p.islower() or p.istitle()) for p in recurring)
    return words >= 20 and sum(len(row & recurring) for row in pieces) > 2.5 * len(texts)


def _first_numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.to_numeric(values.astype(str).str.extract(r"(\d{1,15})", expand=False))


def as_numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Read numbers that are written for people, such as `$1,234.50`, `1.234,50 €`, `12 %` or `1.2M`; NaN for others."""
    import pandas as pd

    written = values.map(str, na_action="ignore").astype(object).str.replace(r"[$€£%\s]", "", regex=True)
    with_comma = written[written.str.contains(",", na=False)]
    if with_comma.str.contains(DECIMAL_COMMA).mean() > 0.5:
        written = written.str.replace(".", "").str.replace(",", ".")
    written = written.str.replace(",", "")
    for unit, power in (("k", "e3"), ("mn?", "e6"), ("bn?", "e9")):
        written = written.str.replace(rf"(?i)(?<=\d){unit}$", power, regex=True)
    return pd.to_numeric(written, errors="coerce").astype("float64")


def is_counter(column: pd.Series[Any]) -> bool:
    """Tell whether a column is whole numbers, each only once and hardly one left out: a row's number."""
    import numpy as np
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype) or column.isna().any() or len(column) < 10:
        return False
    numbers = column.to_numpy(dtype=float)
    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        return False
    width = numbers.max() - numbers.min() + 1
    return bool(width <= 2 * len(numbers) and len(np.unique(numbers)) == len(numbers))


def as_times(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """Read dates in any usual form, also 20240131 and seconds since 1970; None unless nearly all of them are."""
    import warnings

    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        times: pd.Series[Any] = values
    elif pd.api.types.is_numeric_dtype(values.dtype):
        if _is_epoch(values):
            times = pd.to_datetime(values, unit=_unit(values), errors="coerce")
        else:
            whole = pd.to_numeric(values).astype("Int64").astype("string")
            times = pd.to_datetime(whole, format="%Y%m%d", errors="coerce")
    else:
        codes, written = pd.factorize(values)  # what recurs is read once

        def read(**how: Any) -> pd.Series[Any]:
            found = pd.Series(pd.to_datetime(written, errors="coerce", utc=True, **how))
            return found.reindex(codes).set_axis(values.index)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            times = read()
            if times.notna().sum() < 0.95 * values.notna().sum():
                times = read(dayfirst=True, format="mixed")
    known = values.notna().sum()
    if known == 0 or times.notna().sum() < 0.95 * known:
        return None
    return times.dt.tz_localize(None) if times.dt.tz is not None else times


def distinct(values: pd.Series[Any]) -> int:
    """Count distinct values, also of lists and dicts as JSON tables have them."""
    try:
        return int(values.nunique())
    except TypeError:
        return int(values.astype(str).nunique())


def shorten(value: object, limit: int = MOST_EXAMPLE) -> str:
    """One line of at most `limit` characters."""
    text = " ".join(str(value).encode("utf-8", "replace").decode().split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def word_count(values: pd.Series[Any]) -> tuple[float, float]:
    """Mean count of words and of characters, from a few hundred values."""
    texts = [str(value) for value in _spread(values.dropna())]
    if not texts:
        return 0.0, 0.0
    return sum(map(count_words, texts)) / len(texts), sum(map(len, texts)) / len(texts)


def _is_day_number(values: pd.Series[Any]) -> bool:
    few = values.iloc[:PEEK]
    if not ((few >= 19000101) & (few <= 21001231)).all() or (few % 1 != 0).any():
        return False
    return as_times(few) is not None


def _is_epoch(values: pd.Series[Any], days: int = 0) -> bool:
    """Tell whether numbers are times since 1970: whole, from 1990 to 2100, over some days, in a column named so."""
    known = values.dropna()
    if known.empty or not EPOCH_WORD.search(str(values.name)) or known.min() < EPOCHS[0] or (known % 1 != 0).any():
        return False
    seconds = known / {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[_unit(known)]
    return bool(seconds.between(*EPOCHS).all() and seconds.max() - seconds.min() >= days * 86_400)


def _unit(epochs: pd.Series[Any]) -> Literal["s", "ms", "us", "ns"]:
    """The unit of times since 1970, by their size: seconds have up to ten digits."""
    digits = len(str(int(epochs.max())))
    return "s" if digits <= 10 else "ms" if digits <= 13 else "us" if digits <= 16 else "ns"


def _spread(values: pd.Series[Any], count: int = PEEK) -> pd.Series[Any]:
    return values.iloc[:: max(1, len(values) // count)].iloc[: count + 1]


def _share(texts: list[str], test: Any) -> float:
    return sum(map(bool, map(test, texts))) / max(len(texts), 1)


def _examples(values: pd.Series[Any], kind: Kind) -> tuple[str, ...]:
    if kind in ("category", "boolean", "constant"):
        try:
            common = values.iloc[:MOST_ROWS_COUNTED].value_counts().index[:5]
        except TypeError:
            common = values.iloc[:3].index
        return tuple(shorten(value) for value in common)
    return tuple(dict.fromkeys(shorten(value) for value in values.iloc[:3]))


MOST_ROWS_COUNTED = 20_000


def _rounded(value: float) -> float:
    return float(f"{float(value):.6g}") if abs(value) < 1e6 or value % 1 else float(value)


def _day(time: Any) -> str:
    text = str(time)
    return text.removesuffix(" 00:00:00")


def _short_dtype(dtype: object) -> str:
    name = str(dtype)
    return "str" if name in ("object", "string", "str", "large_string") else name


def numeric_names(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Those of the columns that hold numbers."""
    numbers = set(frame.select_dtypes("number", exclude="timedelta").columns)
    return [name for name in names if name in numbers]


def matrix(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray[Any, Any]:
    """The columns as floats, shape (rows, columns), a missing value as NaN."""
    return frame[list(names)].to_numpy(dtype=float, na_value=float("nan"), copy=True)
