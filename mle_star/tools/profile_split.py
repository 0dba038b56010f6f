"""How the test rows differ from the training rows, measured: what a validation must imitate.

A column speaks for a split in time when nearly all test rows lie beyond its training values, for a split by periods
when its days are either the test's or training's, and for a split by groups when its values, or a part of them, recur
far less between training and test than a random split would make them. None looks at names, but for one case that no
figure can decide: a whole number that repeats and goes on in the test may count days or patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mle_star.models.profile import SplitProfile
from mle_star.tools.profile_counters import row_counters, telling_attributes, telling_counters
from mle_star.tools.profile_groups import apart, choose_group, group, named_in_words, part_group, same_partition
from mle_star.tools.profile_tables import Table
from mle_star.tools.profile_time import ahead, choose_clock, clock, date_names, in_step, period

if TYPE_CHECKING:
    import pandas as pd


def measure_split(
    train: Table,
    test: Table,
    features: Sequence[str],
    id_column: str | None,
    targets: Sequence[pd.Series[Any]] = (),
) -> SplitProfile:
    """Compare the two tables column by column; `features` are the columns that both have.

    `targets` are columns of training: a counter of rows is trusted where the split is random and it tells of one, a
    number of groups where it clearly does.
    """
    names = [name for name in features if name != id_column]
    counters = row_counters(train.sample, names)
    if min(len(train.sample), len(test.sample)) < 10:
        evidence = "too few rows to compare test with training"
        return SplitProfile(evidence=evidence, untrusted=_ordered(names, counters))
    later, other = ahead(train.sample, test.sample, names), apart(train.sample, test.sample, names)
    for table in (train, test):
        table.load(tuple(dict.fromkeys([*later, *other])))
    clocks = [time for name in later if (time := clock(train, test, name))]
    dates = date_names(train.sample, names)
    groups = [key for name in other if name not in dates and (key := group(train, test, name))]
    if chosen := choose_clock(clocks, groups):
        counting = [*(time.column for time in clocks), *in_step(train.sample, names, chosen), *counters]
        return SplitProfile(
            kind="time", column=chosen.column, evidence=chosen.evidence, untrusted=_ordered(names, counting)
        )
    if chosen_group := choose_group(groups):
        alike = [found.column for found in groups if same_partition(train.sample, found.column, chosen_group.column)]
        worded = [name for name in alike if named_in_words(train.column(name), test.column(name))]
        telling = telling_attributes(train.sample, test.sample, alike, chosen_group.column, targets)
        alike = [name for name in alike if name not in {*worded, *telling}]
        return SplitProfile(
            kind="group",
            column=chosen_group.column,
            evidence=chosen_group.evidence,
            untrusted=_ordered(names, [*alike, *counters, *(time.column for time in clocks)]),
            worded=_ordered(names, worded),
        )
    for name in dates:
        if days := period(train, test, name):
            return SplitProfile(
                kind="group", column=name, days=days.days, evidence=days.evidence, untrusted=_ordered(names, counters)
            )
    for name in [*([id_column] if id_column in train.names and id_column in test.names else []), *names]:
        if hidden := part_group(train, test, str(name)):
            return SplitProfile(
                kind="group",
                column=hidden.column,
                part=hidden.part,
                evidence=hidden.evidence,
                untrusted=_ordered(names, [hidden.column, *counters]),
            )
    telling = telling_counters(train.sample, test.sample, counters, targets)
    mere = [name for name in counters if name not in telling]
    return SplitProfile(evidence=_sameness(len(names)), untrusted=_ordered(names, mere))


def _sameness(count: int) -> str:
    columns = f"none of the {count} shared columns" if count > 1 else "no shared column"
    return f"test rows look like training rows: {columns} goes on in time or holds groups of its own"


def _ordered(names: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    wanted = set(chosen)
    return tuple(name for name in names if name in wanted)
