"""Tell whether a table's test rows go on in time where its training rows end, and by which column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mle_star.tools.profile_columns import as_times, column_kind, is_counter, matrix, numeric_names
from mle_star.tools.profile_groups import KEY_WORD, MOST_TESTED, RECUR, Group, recurrence
from mle_star.tools.profile_tables import Table

if TYPE_CHECKING:
    import pandas as pd

BEYOND = 0.9
"""Share of the test rows that must lie beyond 95% of the training rows."""
TIME_WORD = re.compile(
    r"(^|[_\W])(?i:date|time|timestamp|year|month|week|day|hour|minute|quarter|period|step|season|round|t|dt|ts)"
    r"(?i:s?(num|id|idx|time|stamp)?)($|[_\W\d])|[a-z](Date|Time|Day|Week|Month|Year|DT)|^(?i:(date|time)\w+)"
)


class Clock(NamedTuple):
    """A column that goes on in the test."""

    column: str
    is_date: bool
    unique: bool
    evidence: str


def ahead(train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Columns whose test values, in the samples, lie mostly beyond the training values; cheap, before the real test."""
    import numpy as np
    import pandas as pd

    in_test = set(numeric_names(test, names))
    numeric = [n for n in numeric_names(train, names) if n in in_test]
    chosen: list[str] = []
    if numeric:
        values = matrix(train, numeric)
        values[:, np.isnan(values).all(axis=0)] = np.inf
        quantile = np.nanquantile if np.isnan(values).any() else np.quantile
        limits = quantile(values, 0.95, axis=0, method="lower")
        shares = (matrix(test, numeric) >= limits).mean(axis=0)
        chosen += [n for n, share in zip(numeric, shares, strict=True) if share >= 0.5]
    skipped = set(numeric)
    others = [n for n in names if n not in skipped and not pd.api.types.is_bool_dtype(train[n].dtype)]
    chosen += [n for n in others[:MOST_TESTED] if column_kind(train[n]) == "date"]
    return chosen[:MOST_TESTED]


def _is_number(column: pd.Series[Any]) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def clock(train: Table, test: Table, name: str) -> Clock | None:
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
    return Clock(name, is_date, bool(first.is_unique), evidence)


def _show(value: Any) -> str:
    import pandas as pd

    if isinstance(value, pd.Timestamp):
        return str(value).removesuffix(" 00:00:00")
    return f"{float(value):.10g}"


def choose_clock(times: Sequence[Clock], groups: Sequence[Group]) -> Clock | None:
    """Dates first, then columns that are no group keys; a number that tells groups apart is left to them."""
    keys = {group.column for group in groups}
    other_keys = any(g.column not in {t.column for t in times} for g in groups)

    def plausible(time: Clock) -> bool:
        if time.is_date or TIME_WORD.search(time.column):
            return True
        if time.column in keys:
            return KEY_WORD.search(time.column) is None and not other_keys
        return not other_keys

    candidates = [time for time in times if plausible(time)]
    return min(candidates, key=lambda t: (not t.is_date, TIME_WORD.search(t.column) is None, t.unique), default=None)


def in_step(train: pd.DataFrame, names: Sequence[str], time: Clock) -> list[str]:
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


# --- periods --------------------------------------------------------------------------------------------------------


class Period(NamedTuple):
    """Stretches of days that belong to the test."""

    days: int
    """How long they are, at the median."""
    evidence: str


def date_names(train: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The columns of dates among the first that may be looked at."""
    numbers = set(numeric_names(train, names))
    written = [n for n in names if n not in numbers and not pd_is_bool(train[n])][:MOST_TESTED]
    return [name for name in written if column_kind(train[name]) == "date"]


def pd_is_bool(column: pd.Series[Any]) -> bool:
    """Tell whether a column holds truth values."""
    import pandas as pd

    return bool(pd.api.types.is_bool_dtype(column.dtype))


def period(train: Table, test: Table, name: str) -> Period | None:
    """Test whether days are dealt out whole: each is the test's or training's, and the test's lie in runs or apart.

    Where rows share days, days that do not recur tell; where each day has a row of its own, that the test's days
    follow one another more often than a random choice of days would make them.
    """
    import numpy as np

    times = [as_times(table.column(name).dropna()) for table in (train, test)]
    if times[0] is None or times[1] is None:
        return None
    first, second = (found.dropna().dt.floor("D") for found in times if found is not None)
    ours, theirs = np.unique(first.to_numpy()), np.unique(second.to_numpy())
    if len(ours) < 10 or len(theirs) < 10 or np.isin(theirs, ours).mean() > RECUR:
        return None
    days = np.unique(np.concatenate([ours, theirs]))
    tests = np.isin(days, theirs)
    share, followed = tests.mean(), (tests[1:] & tests[:-1]).sum()
    expected = share * tests[:-1].sum()
    apart = recurrence(first, second) is not None
    if not apart and followed < expected + 6 * np.sqrt(expected * (1 - share)):
        return None
    starts = np.flatnonzero(tests & ~np.append(False, tests[:-1]))
    ends = np.flatnonzero(tests & ~np.append(tests[1:], False))
    length = np.median((days[ends] - days[starts]).astype("timedelta64[D]").astype(int) + 1)
    evidence = f"the {len(theirs):,} days of {name} in the test are not those of training ({len(ours):,} days); "
    evidence += f"they come in {len(starts):,} runs of about {length:.0f} days"
    return Period(max(1, round(float(length))), evidence)
