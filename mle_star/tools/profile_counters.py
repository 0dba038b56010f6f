"""Tell columns that only number the rows from those whose order tells something: the order of admission, say."""

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


def _shared(train: pd.Series[Any], test: pd.Series[Any]) -> bool:
    low, high = train.quantile(0.05), train.quantile(0.95)
    return bool(test.between(low, high).mean() >= WITHIN)


def _tells(counter: pd.Series[Any], target: pd.Series[Any]) -> bool:
    """Test whether the target differs between stretches: Kruskal-Wallis for numbers, chi-squared for classes."""
    import pandas as pd
    from scipy.stats import chi2_contingency, kruskal

    known = target.reindex(counter.index).dropna()
    if known.nunique() < 2:
        return False
    stretch = pd.qcut(counter[known.index], STRETCHES, labels=False)
    if pd.api.types.is_numeric_dtype(known.dtype) and not pd.api.types.is_bool_dtype(known.dtype):
        return bool(kruskal(*(values for _, values in known.groupby(stretch))).pvalue < CHANCE)
    return bool(chi2_contingency(pd.crosstab(stretch, known.astype(str))).pvalue < CHANCE)
