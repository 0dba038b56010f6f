"""Tell whether a table's test rows have groups of their own, which training never saw, and by which key."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mle_star.tools.profile_tables import Table

if TYPE_CHECKING:
    import pandas as pd

RECUR = 0.1
"""Share of a key's repeated test values that may occur in training all the same."""
CHANCE = 1e-6
"""How unlikely a random split must make what was seen."""
MOST_TESTED = 100
MOST_EXAMINED = 1000
"""Columns that may be keys: the first so many are looked at, the first so many of those are tested in full."""
LEAST_RECURRING, LEAST_KNOWN = 20, 1.2
"""How many words several names must share, and how many such words a new name must have on average, to tell by them."""
KEY_WORD = re.compile(
    r"(?i)(id|key|code|no|num|number|subject|patient|user|customer|client|person|group|site|hospital|well|store|shop|"
    r"cluster|engine|machine|family|school|speaker|author|cell|batch|plot|location|station)(_?id|s)?$"
)
WORD = re.compile(r"[^\W\d_]{3,}")


class Group(NamedTuple):
    """A key whose values in the test do not occur in training."""

    column: str
    groups: int
    evidence: str
    part: str | None = None
    """Where the key is a part of the column's text: the pattern whose first group it is."""


def apart(train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Columns whose repeated values hardly recur, in the samples; cheap, before the real test."""
    first = test.iloc[:200]
    keys: list[str] = []
    for name in names[:MOST_EXAMINED]:
        if len(keys) == MOST_TESTED:
            break
        if not _is_float_feature(train[name]) and not _recurs(train[name], first[name]):
            keys.append(name)
    return [n for n in keys if recurrence(train[n], test[n]) is not None]


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


class Recurrence(NamedTuple):
    """How far a column's test values are known from training."""

    values: int
    """Values of the test that occur at least twice in both tables together."""
    seen: int
    """How many of them occur in training."""
    expected: float
    """How many of them a random split would make occur there."""


def recurrence(train: pd.Series[Any], test: pd.Series[Any]) -> Recurrence | None:
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
    return Recurrence(values, seen, expected) if chance < math.log(CHANCE) else None


def group(train: Table, test: Table, name: str) -> Group | None:
    """Test one column in full: do the test rows have groups of their own?"""
    column = train.column(name)
    found = recurrence(column, test.column(name))
    if found is None:
        return None
    share = "none" if found.seen == 0 else f"only {found.seen:,}"
    evidence = f"{share} of the {found.values:,} repeated values of {name} in the test occurs in training "
    evidence += f"({column.nunique():,} values there); a random split would repeat about {found.expected:,.0f}"
    return Group(name, int(column.nunique()), evidence)


def choose_group(groups: Sequence[Group]) -> Group | None:
    """The coarsest key with at least five groups, so that whole folds of groups can be held out."""
    many = [group for group in groups if group.groups >= 5]
    if many:
        return min(many, key=lambda g: (KEY_WORD.search(g.column) is None, g.groups))
    return max(groups, key=lambda g: g.groups, default=None)


def same_partition(train: pd.DataFrame, one: str, other: str) -> bool:
    pairs = train[[one, other]].dropna().drop_duplicates()
    return len(pairs) <= 1.05 * max(train[one].nunique(), train[other].nunique())


def named_in_words(train: pd.Series[Any], test: pd.Series[Any]) -> bool:
    """Tell whether names that are new in the test are made of words that training's names share, as schools' are."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(train.dtype):
        return False
    first, second = ([set(WORD.findall(str(name))) for name in column.dropna().unique()] for column in (train, test))
    names = Counter(word for words in first for word in words)
    recurring = {word for word, count in names.items() if count > 1}
    known = sum(len(words & recurring) for words in second)
    return len(recurring) >= LEAST_RECURRING and known >= LEAST_KNOWN * len(second)


PARTS = (r"^([^\W_]+)[\W_]", r"^(.+)[\W_]+[^\W_]+$")
"""What may be the key in a text such as `p12_v3`: all before its first mark, or all before its last."""


def part_group(train: Table, test: Table, name: str) -> Group | None:
    """Test whether a part of a column that names rows, such as `p12` in `p12_v3`, has test rows of its own."""
    import pandas as pd

    sample = train.sample[name].dropna()
    if pd.api.types.is_numeric_dtype(sample.dtype) or sample.nunique() < 0.5 * len(sample):
        return None
    for part in PARTS:
        keys = sample.astype(str).str.extract(part, expand=False)
        if keys.notna().mean() < 0.95 or not 3 <= keys.nunique() <= 0.5 * len(keys):
            continue
        first, second = (table.column(name).astype(str).str.extract(part, expand=False) for table in (train, test))
        found = recurrence(first, second)
        if found is not None and first.nunique() >= 5:
            evidence = f"of the {found.values:,} values that {part} finds more than once in {name} of the test, "
            evidence += f"{found.seen:,} occur in training; a random split would repeat about {found.expected:,.0f}"
            return Group(name, int(first.nunique()), evidence, part)
    return None
