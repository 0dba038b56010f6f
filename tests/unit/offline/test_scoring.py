"""What scripts compute as their score, beside the definitions."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import scipy.special
import sklearn.metrics

from graphs.pipeline import remarks
from mle_star.models.config import MLEStarConfig
from mle_star.models.metrics import recognise, resolve_metric
from mle_star.offline import metrics
from mle_star.offline.ensembling import COMBINATIONS, write_ensemble
from mle_star.offline.frame import write_script
from mle_star.offline.library import recipes_for
from mle_star.offline.parts import frame_part
from mle_star.offline.reading import read_environment, read_facts
from mle_star.offline.recipe import Facts
from tests.unit.offline.simulate import Task


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


def facts_of(metric: str) -> Facts:
    facts: Any = SimpleNamespace(
        metric=resolve_metric(metric, None if recognise(metric) else "minimize"), classifies=False, targets=("y",)
    )
    return cast(Facts, facts)


@pytest.mark.parametrize(
    ("metric", "near"),
    [
        ("rmse", None), ("pinball@0.9", None), ("poisson_deviance", None), ("huber", None), ("log_cosh", None),
        ("pinball", "mae"), ("wmae", "mae"), ("weighted sum of ranks", "rmse"),
    ],
)  # fmt: skip
def test_what_stands_in_for_a_metric_that_is_not_known_is_told(metric: str, near: str | None) -> None:
    assert metrics.stand_in(facts_of(metric)) == near
    assert ("stands in" in metrics.scoring(facts_of(metric)).remark) == (near is not None)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("pinball@0.9", lambda y, p: sklearn.metrics.mean_pinball_loss(y, p, alpha=0.9)),
        ("poisson_deviance", sklearn.metrics.mean_poisson_deviance),
        ("gamma_deviance", sklearn.metrics.mean_gamma_deviance),
        ("log_cosh", lambda y, p: np.mean(np.log(np.cosh(y - p)))),
        ("huber", lambda y, p: np.mean(scipy.special.huber(1, y - p))),
    ],
)
def test_a_score_is_what_its_metric_is_elsewhere(metric: str, expected: Callable[..., float]) -> None:
    generator = np.random.default_rng(0)
    target, prediction = generator.gamma(2, size=(2, 200))
    found = metrics.scoring(facts_of(metric))
    scope = {**vars(sklearn.metrics), "np": np, "QUANTILE": 0.9, "target": target, "prediction": prediction}
    assert eval(found.expression, scope) == pytest.approx(expected(target, prediction))


def test_means_are_moved_to_the_quantile_that_is_judged() -> None:
    generator = np.random.default_rng(0)
    mean = generator.uniform(1, 5, 4000)
    scope: dict[str, Any] = {"np": np, "QUANTILE": 0.9}
    exec(frame_part("fit_decision", "line") + "\n\n\n" + frame_part("decide", "line"), scope)
    scope["score"] = lambda target, prediction: sklearn.metrics.mean_pinball_loss(target, prediction, alpha=0.9)
    target = mean * generator.exponential(size=len(mean))
    moved = scope["decide"](mean, scope["fit_decision"](mean, target))
    assert moved == pytest.approx(mean * np.log(10), rel=0.1)


@pytest.mark.parametrize("deviance", [sklearn.metrics.mean_poisson_deviance, sklearn.metrics.mean_gamma_deviance])
def test_predictions_for_a_deviance_are_above_0(deviance: Callable[..., float]) -> None:
    generator = np.random.default_rng(0)
    mean = generator.uniform(0, 2, 2000)
    scope: dict[str, Any] = {"np": np, "score": deviance}
    exec(frame_part("fit_decision", "positive") + "\n\n\n" + frame_part("decide", "positive"), scope)
    target = mean * generator.uniform(0.5, 1.5, len(mean)) + 1e-6
    rough = mean + generator.normal(0, 0.1, len(mean))
    decided = scope["decide"](rough, scope["fit_decision"](rough, target))
    assert decided.min() > 0
    assert deviance(target, decided) < 0.5 * deviance(target, np.full(len(target), target.mean()))


def test_a_run_tells_what_is_odd_and_what_stands_in(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.arange(300.0), "weight": 1.0, "y": np.arange(300.0) % 7 + 0.5})
    brief = Task(tmp_path, table[:200], table[200:].drop(columns="weight"), "y", "WMAE").facts
    odd, near = remarks(MLEStarConfig(model_provider="offline"), brief)
    assert odd == "columns of training that the test lacks: weight"
    assert near == "the embedded model can't compute wmae: its scores are mae"
    assert remarks(MLEStarConfig(model_provider="ollama"), brief) == (odd,)


def test_an_ensemble_knows_the_quantile_too(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.arange(300.0), "y": np.arange(300.0) % 7 + 0.5})
    facts = read_facts(Task(tmp_path, table[:200], table[200:], "y", "pinball loss at 0.9").brief, read_environment(""))
    recipes = recipes_for(facts)
    scripts = [write_script(facts, recipes, (family,), 0, 0) for family in recipes.families(facts)[:2]]
    text = write_ensemble(facts, scripts, COMBINATIONS[0])
    assert len(re.findall(r"^ *QUANTILE = 0\.9$", text, re.MULTILINE)) == 3
