"""How the test rows differ from the training rows, measured: what a validation must imitate.

A column speaks for a split in time when nearly all test rows lie beyond its training values, and for a split by
groups when its values recur far less between training and test than a random split would make them. Neither looks
at names, but for one case that no figure can decide: a whole number that repeats and goes on in the test may count
days or patients.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mle_star.models.data_models import SplitProfile
from mle_star.tools.profile_columns import as_times, column_kind, is_counter
from mle_star.tools.profile_tables import Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BEYOND = 0.9
"""Share of the test rows that must lie beyond 95% of the training rows."""
RECUR = 0.1
"""Share of a key's repeated test values that may occur in training all the same."""
CHANCE = 1e-6
"""How unlikely a random split must make what was seen."""
MOST_TESTED = 100
MOST_EXAMINED = 1000
"""Columns that may be keys: the first so many are looked at, the first so many of those are tested in full."""
TIME_WORD = re.compile(
    r"(^|[_\W])(?i:date|time|timestamp|year|month|week|day|hour|minute|quarter|period|step|season|round|t|dt|ts)"
    r"(?i:s?(num|id|idx|time|stamp)?)($|[_\W\d])|[a-z](Date|Time|Day|Week|Month|Year|DT)|^(?i:(date|time)\w+)"
)
KEY_WORD = re.compile(
    r"(?i)(id|key|code|no|num|number|subject|patient|user|customer|client|person|group|site|hospital|well|store|shop|"
    r"cluster|engine|machine|family|school|speaker|author|cell|batch|plot|location|station)(_?id|s)?$"
)


class _Time(NamedTuple):
    column: str
    is_date: bool
    unique: bool
    evidence: str


class _Group(NamedTuple):
    column: str
    groups: int
    evidence: str


def measure_split(train: Table, test: Table, features: Sequence[str], id_column: str | None) -> SplitProfile:
    """Compare the two tables column by column; `features` are the columns that both have."""
    names = [name for name in features if name != id_column]
    if min(len(train.sample), len(test.sample)) < 10:
        return SplitProfile(evidence="too few rows to compare test with training")
    ahead, apart = _ahead(train.sample, test.sample, names), _apart(train.sample, test.sample, names)
    for table in (train, test):
        table.load(tuple(dict.fromkeys([*ahead, *apart])))
    times = [time for name in ahead if (time := _time(train, test, name))]
    groups = [group for name in apart if (group := _group(train, test, name))]
    counters = _counters(train.sample, names)
    if clock := _choose_time(times, groups):
        counting = [*(t.column for t in times), *_in_step(train.sample, names, clock), *counters]
        return SplitProfile(
            kind="time", column=clock.column, evidence=clock.evidence, untrusted=_ordered(names, counting)
        )
    if group := _choose_group(groups):
        alike = [g.column for g in groups if _same_partition(train.sample, g.column, group.column)]
        return SplitProfile(
            kind="group",
            column=group.column,
            evidence=group.evidence,
            untrusted=_ordered(names, [group.column, *alike, *counters, *(t.column for t in times)]),
        )
    return SplitProfile(evidence=_sameness(len(names)), untrusted=_ordered(names, counters))


def _sameness(count: int) -> str:
    columns = f"none of the {count} shared columns" if count > 1 else "no shared column"
    return f"test rows look like training rows: {columns} goes on in time or holds groups of its own"


def _counters(train: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Columns that only number the rows."""
    numeric = _numeric(train, names)
    values = _matrix(train, numeric)
    width = values.max(axis=0) - values.min(axis=0) + 1
    dense = (width >= len(train)) & (width <= 2 * len(train))
    return [n for n, possible in zip(numeric, dense, strict=True) if possible and is_counter(train[n])]


def _numeric(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    numbers = set(frame.select_dtypes("number", exclude="timedelta").columns)
    return [name for name in names if name in numbers]


def _matrix(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray[Any, Any]:
    """The columns as floats, shape (rows, columns), a missing value as NaN."""
    return frame[list(names)].to_numpy(dtype=float, na_value=float("nan"), copy=True)


def _ordered(names: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    wanted = set(chosen)
    return tuple(name for name in names if name in wanted)


# --- time -----------------------------------------------------------------------------------------------------------


def _ahead(train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Columns whose test values, in the samples, lie mostly beyond the training values; cheap, before the real test."""
    import numpy as np
    import pandas as pd

    in_test = set(_numeric(test, names))
    numeric = [n for n in _numeric(train, names) if n in in_test]
    chosen: list[str] = []
    if numeric:
        values = _matrix(train, numeric)
        values[:, np.isnan(values).all(axis=0)] = np.inf
        quantile = np.nanquantile if np.isnan(values).any() else np.quantile
        limits = quantile(values, 0.95, axis=0, method="lower")
        shares = (_matrix(test, numeric) >= limits).mean(axis=0)
        chosen += [n for n, share in zip(numeric, shares, strict=True) if share >= 0.5]
    skipped = set(numeric)
    others = [n for n in names if n not in skipped and not pd.api.types.is_bool_dtype(train[n].dtype)]
    chosen += [n for n in others[:MOST_TESTED] if column_kind(train[n]) == "date"]
    return chosen[:MOST_TESTED]


def _is_number(column: pd.Series[Any]) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _time(train: Table, test: Table, name: str) -> _Time | None:
    """Test one column in full: does the test go on where the training ends?"""
    import pandas as pd

    first, second = train.column(name).dropna(), test.column(name).dropna()
    if len(first) < 10 or len(second) < 10:
        return None
    is_date = column_kind(train.sample[name]) == "date"
    if is_date:
        times_a, times_b = as_times(first), as_times(second)
        if times_a is None or times_b is None:
            return None
        first, second = times_a.dropna(), times_b.dropna()
    elif not (_is_number(first) and _is_number(second)):
        return None
    elif is_counter(pd.concat([first, second])) and not TIME_WORD.search(name):
        return None  # a row's own number goes on in the test whatever the split
    if first.nunique() < 3:
        return None
    last, limit = first.max(), first.quantile(0.95)
    after = int((second > last).sum())
    if after < BEYOND * len(second) and float((second > limit).mean()) < BEYOND:
        return None
    share = f"all {len(second):,}" if after == len(second) else f"{after:,} of {len(second):,}"
    evidence = f"{share} test rows have {name} beyond the last of training ({_show(first.min())} to {_show(last)}); "
    evidence += f"they span {_show(second.min())} to {_show(second.max())}"
    return _Time(name, is_date, bool(first.is_unique), evidence)


def _show(value: Any) -> str:
    import pandas as pd

    if isinstance(value, pd.Timestamp):
        return str(value).removesuffix(" 00:00:00")
    return f"{float(value):.10g}"


def _choose_time(times: Sequence[_Time], groups: Sequence[_Group]) -> _Time | None:
    """Dates first, then columns that are no group keys; a number that tells groups apart is left to them."""
    keys = {group.column for group in groups}
    other_keys = any(g.column not in {t.column for t in times} for g in groups)

    def plausible(time: _Time) -> bool:
        if time.is_date or TIME_WORD.search(time.column):
            return True
        if time.column in keys:
            return KEY_WORD.search(time.column) is None and not other_keys
        return not other_keys

    candidates = [time for time in times if plausible(time)]
    return min(candidates, key=lambda t: (not t.is_date, TIME_WORD.search(t.column) is None, t.unique), default=None)


def _in_step(train: pd.DataFrame, names: Sequence[str], time: _Time) -> list[str]:
    """Columns that rise or fall with the time column, row for row."""
    import pandas as pd

    clock = train[time.column]
    if time.is_date:
        times = as_times(clock)
        if times is None:
            return []
        clock = times.astype("int64")
    numeric = [n for n in names if n != time.column and _is_number(train[n])]
    if not numeric:
        return []
    rows = slice(None, None, max(1, len(train) // 5000))
    ranks = train[numeric].iloc[rows].rank()
    correlation = ranks.corrwith(pd.Series(clock.iloc[rows]).rank())
    varied = train[numeric].nunique() > 10
    return [n for n in numeric if abs(correlation[n]) >= 0.99 and varied[n]]


# --- groups ---------------------------------------------------------------------------------------------------------


def _apart(train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Columns whose repeated values hardly recur, in the samples; cheap, before the real test."""
    first = test.iloc[:200]
    keys: list[str] = []
    for name in names[:MOST_EXAMINED]:
        if len(keys) == MOST_TESTED:
            break
        if not _is_float_feature(train[name]) and not _recurs(train[name], first[name]):
            keys.append(name)
    return [n for n in keys if _recurrence(train[n], test[n]) is not None]


def _is_float_feature(column: pd.Series[Any]) -> bool:
    """Tell whether a column holds fractions, which name no group."""
    import pandas as pd

    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    values = column.dropna()
    return bool((values % 1 != 0).any())


def _recurs(train: pd.Series[Any], test: pd.Series[Any]) -> bool:
    """Tell, at a glance, whether a column's test values are mostly known from training."""
    try:
        known = set(train.iloc[:: max(1, len(train) // 5000)].tolist())
        values = set(test.dropna().tolist())
    except TypeError:
        return False
    return len(values & known) > 0.5 * len(values)


class _Recurrence(NamedTuple):
    values: int
    """Values of the test that occur at least twice in both tables together."""
    seen: int
    """How many of them occur in training."""
    expected: float
    """How many of them a random split would make occur there."""


def _recurrence(train: pd.Series[Any], test: pd.Series[Any]) -> _Recurrence | None:
    """Test whether a column's values keep to one table; None when a random split explains what is seen.

    Under a random split with test share q, a value with t rows that occurs in the test at all also occurs in training
    with probability 1 - q^t / (1 - (1-q)^t). What was seen is refused as chance when its probability, summed over the
    ways to choose the values that do recur, is below one in a million.
    """
    first, second = train.dropna(), test.dropna()
    if len(first) < 10 or len(second) < 10:
        return None
    try:
        in_train, in_test = first.value_counts(), second.value_counts()
    except TypeError:
        return None
    if len(in_train) < 3 or len(first) < 2 * len(in_train) or len(second) < 1.5 * len(in_test):
        return None
    if in_train.index.dtype != in_test.index.dtype:
        in_train.index, in_test.index = in_train.index.astype(str), in_test.index.astype(str)
    there = in_train.reindex(in_test.index).fillna(0)
    total = in_test + there
    repeated = total >= 2
    if not repeated.any() or in_test[repeated].sum() < 0.5 * len(second):
        return None
    q = len(second) / (len(first) + len(second))
    count, there = total[repeated].astype(float), there[repeated]
    absent = (q**count) / (1 - (1 - q) ** count)
    values, seen = len(count), int((there > 0).sum())
    expected = float((1 - absent).sum())
    if seen > RECUR * values or expected < 0.5 * values:
        return None
    ways = math.lgamma(values + 1) - math.lgamma(seen + 1) - math.lgamma(values - seen + 1)
    chance = float(absent[there == 0].clip(lower=1e-300).map(math.log).sum()) + ways
    return _Recurrence(values, seen, expected) if chance < math.log(CHANCE) else None


def _group(train: Table, test: Table, name: str) -> _Group | None:
    """Test one column in full: do the test rows have groups of their own?"""
    column = train.column(name)
    found = _recurrence(column, test.column(name))
    if found is None:
        return None
    share = "none" if found.seen == 0 else f"only {found.seen:,}"
    evidence = f"{share} of the {found.values:,} repeated values of {name} in the test occurs in training "
    evidence += f"({column.nunique():,} values there); a random split would repeat about {found.expected:,.0f}"
    return _Group(name, int(column.nunique()), evidence)


def _choose_group(groups: Sequence[_Group]) -> _Group | None:
    """The coarsest key with at least five groups, so that whole folds of groups can be held out."""
    many = [group for group in groups if group.groups >= 5]
    if many:
        return min(many, key=lambda g: (KEY_WORD.search(g.column) is None, g.groups))
    return max(groups, key=lambda g: g.groups, default=None)


def _same_partition(train: pd.DataFrame, one: str, other: str) -> bool:
    pairs = train[[one, other]].dropna().drop_duplicates()
    return len(pairs) <= 1.05 * max(train[one].nunique(), train[other].nunique())
