"""Tell columns that only number rows or groups from those whose order tells something: of admission, or of size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mle_star.tools.profile_columns import is_counter, matrix, numeric_names

if TYPE_CHECKING:
    import pandas as pd

STRETCHES = 10
"""Into as many equal parts a counter is cut, to see whether the target differs between them."""
CHANCE = 1e-4
"""As often, at most, a counter that tells nothing may be trusted."""
CHANCE_OF_GROUPS = 1e-10
"""The same for a number that each group has one of: much less, since trees may tell the groups apart by it."""
WITHIN = 0.8
"""Share of the test rows that must lie between the 5% and the 95% quantile of training; by chance it is 0.9."""


def row_counters(train: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Columns of whole numbers, each only once and hardly one left out."""
    numeric = numeric_names(train, names)
    values = matrix(train, numeric)
    width = values.max(axis=0) - values.min(axis=0) + 1
    dense = (width >= len(train)) & (width <= 2 * len(train))
    return [n for n, possible in zip(numeric, dense, strict=True) if possible and is_counter(train[n])]


def telling_counters(
    train: pd.DataFrame, test: pd.DataFrame, counters: Sequence[str], targets: Sequence[pd.Series[Any]]
) -> list[str]:
    """Those that run through the test as through training, and along which a target differs by more than chance."""
    whole = numeric_names(test, counters)  # with a word in the test it is no counter there
    return [name for name in whole if _shared(train[name], test[name]) and any(_tells(train[name], t) for t in targets)]


def telling_attributes(
    train: pd.DataFrame, test: pd.DataFrame, names: Sequence[str], group: str, targets: Sequence[pd.Series[Any]]
) -> list[str]:
    """Numbers that each group has one of, such as a town's population, along which a target differs between groups.

    By less than such a difference trees rather learn the groups by heart, and they do the worse in new ones.
    """
    numeric = [n for n in numeric_names(test, numeric_names(train, names)) if _shared(train[n], test[n])]
    if not numeric:
        return []
    typical = [_typical(target.reindex(train.index), train[group]) for target in targets]
    first = {name: train.groupby(group)[name].first().dropna() for name in numeric}
    return [name for name in numeric if any(_tells(first[name], values, CHANCE_OF_GROUPS) for values in typical)]


def _typical(target: pd.Series[Any], group: pd.Series[Any]) -> pd.Series[Any]:
    """Of each group the mean of its numbers, or the most frequent of its classes."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(target.dtype) and not pd.api.types.is_bool_dtype(target.dtype):
        return target.groupby(group).mean()
    counts = target.groupby([group, target]).size().sort_values(kind="stable")
    found = counts.index.to_frame(index=False).set_axis(["group", "value"], axis=1)
    return found.drop_duplicates("group", keep="last").set_index("group")["value"]


def _shared(train: pd.Series[Any], test: pd.Series[Any]) -> bool:
    low, high = train.quantile(0.05), train.quantile(0.95)
    return bool(test.between(low, high).mean() >= WITHIN)


def _tells(counter: pd.Series[Any], target: pd.Series[Any], chance: float = CHANCE) -> bool:
    """Test whether the target differs between stretches: Kruskal-Wallis for numbers, chi-squared for classes."""
    import pandas as pd
    from scipy.stats import chi2_contingency, kruskal

    known = target.reindex(counter.index).dropna()
    if known.nunique() < 2:
        return False
    stretch = pd.qcut(counter[known.index], STRETCHES, labels=False, duplicates="drop")
    if stretch.nunique() < 2:
        return False
    if pd.api.types.is_numeric_dtype(known.dtype) and not pd.api.types.is_bool_dtype(known.dtype):
        return bool(kruskal(*(values for _, values in known.groupby(stretch))).pvalue < chance)
    return bool(chi2_contingency(pd.crosstab(stretch, known.astype(str))).pvalue < chance)
