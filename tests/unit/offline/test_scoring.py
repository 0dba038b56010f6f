"""What scripts compute as their score, beside the definitions."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from mle_star.models.metrics import resolve_metric
from mle_star.offline import metrics
from mle_star.offline.recipe import Facts


def gini(target: np.ndarray, prediction: np.ndarray) -> float:
    """The area between what the likeliest rows gather of the target, and what rows by chance gather."""
    gathered = np.cumsum(target[np.argsort(-prediction)]) / target.sum()
    return float(np.sum(gathered - np.arange(1, len(target) + 1) / len(target)))


@pytest.mark.parametrize("noise", [0.0, 1.0, 10.0])
def test_the_gini_of_amounts_is_normalised_by_the_best_order(noise: float) -> None:
    generator = np.random.default_rng(0)
    target = generator.gamma(2, size=200)
    prediction = target + noise * generator.normal(size=200)
    facts: Any = SimpleNamespace(metric=resolve_metric("Gini"), classifies=False, targets=("y",))
    found = metrics.scoring(cast(Facts, facts))
    scope = {"np": np, "pd": pd, "target": target, "prediction": prediction}
    assert eval(found.expression, scope) == pytest.approx(gini(target, prediction) / gini(target, target))
