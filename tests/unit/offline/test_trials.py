"""What a script settles by a small trial: the errors that its boosters learn by, the leaves of its forests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from mle_star.offline.parts import frame_part, functions
from mle_star.offline.script import Script
from tests.unit.offline.simulate import ENVIRONMENT, Task, ask, code


def absolute_pays(rows: pd.DataFrame, target: np.ndarray) -> bool:
    scope: dict[str, Any] = {
        "np": np, "pd": pd, "SEED": 0,
        "folds": lambda rows, target: [(np.arange(len(rows)), np.arange(0))],
        "model_scale": lambda values, undo=False: values,
    }  # fmt: skip
    for source in (frame_part("loss", "absolute"), frame_part("absolute_pays")):
        exec(source, scope)
    return bool(scope["absolute_pays"](rows, target))


@pytest.mark.parametrize(("noise", "pays"), [("none", False), ("a few large errors", True)])
def test_squares_are_learnt_where_there_is_little_noise(noise: str, pays: bool) -> None:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({"x": generator.uniform(size=800), "kind": generator.choice(["a", "b", None], 800)})
    target = np.exp(5 * rows["x"].to_numpy()) + (rows["kind"] == "a")
    if pays:
        target = target + generator.standard_t(1, size=800) * 20
    assert absolute_pays(rows, target.to_numpy()) == pays


def settled(noise: float, **told: Any) -> dict[str, Any]:
    """A forest's settings for a target that two of ten columns tell, up to noise."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(800, 10)))
    target = (rows[0] + rows[1] + noise * generator.normal(size=800)).to_numpy()
    scope: dict[str, Any] = {"np": np, "SEED": 0, "ABSOLUTE_LOSS": False}
    exec(functions("regression")["settled"], scope)
    forest = scope["settled"](
        ExtraTreesRegressor(random_state=0), rows, target, **{"min_leaf": None, "columns": None} | told
    )
    return {name: forest.get_params()[name] for name in ("min_samples_leaf", "max_features")}


def test_a_forest_has_small_leaves_and_all_columns_where_there_is_little_noise() -> None:
    assert settled(noise=0.0) == {"min_samples_leaf": 1, "max_features": 1.0}
    assert settled(noise=5.0)["min_samples_leaf"] == 9


def test_what_a_forest_is_told_is_not_tried() -> None:
    assert settled(noise=0.0, min_leaf=5) == {"min_samples_leaf": 5, "max_features": 1.0}
    assert settled(noise=0.0, min_leaf=5, columns=0.2) == {"min_samples_leaf": 5, "max_features": 0.2}


def settled_of_classes(noise: float, **told: Any) -> dict[str, Any]:
    """A forest's settings for a class that the sum of four of ten columns tells, up to noise."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(800, 10)))
    target = (rows[[0, 1, 2, 3]].sum(axis=1) + noise * generator.normal(size=800) > 0).to_numpy().astype(int)
    scope: dict[str, Any] = {"np": np, "SEED": 0, "classes": np.array([0, 1])}
    for name in ("spread", "settled"):
        exec(functions("classification")[name], scope)
    forest = ExtraTreesClassifier(random_state=0)
    scope["settled"](forest, rows, target, **{"min_leaf": None, "columns": None} | told)
    return {name: forest.get_params()[name] for name in ("min_samples_leaf", "max_features")}


def test_a_forest_of_classes_has_small_leaves_and_many_columns_where_they_follow_a_rule() -> None:
    rule, chance = settled_of_classes(noise=0.0), settled_of_classes(noise=20.0)
    assert (rule["min_samples_leaf"], rule["max_features"]) == (2, 1.0)
    assert (chance["min_samples_leaf"], chance["max_features"]) == (20, "sqrt")
    assert settled_of_classes(noise=0.0, min_leaf=5, columns=0.2) == {"min_samples_leaf": 5, "max_features": 0.2}


def test_a_class_that_the_first_rows_do_not_have_does_not_end_a_trial() -> None:
    rows, target = pd.DataFrame({"x": np.arange(150.0)}), np.repeat([0, 1, 2], [148, 1, 1])
    scope: dict[str, Any] = {"np": np, "SEED": 0, "classes": np.arange(3)}
    for name in ("spread", "settled"):
        exec(functions("classification")[name], scope)
    scope["settled"](ExtraTreesClassifier(random_state=0), rows, target, None, None)


@pytest.mark.parametrize(("metric", "tried"), [("mae", True), ("mape", True), ("rmse", False)])
def test_only_a_script_that_is_judged_by_absolute_errors_settles_it(metric: str, tried: bool, tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).uniform(1, 2, size=(90, 3)), columns=list("abc"))
    task = Task(tmp_path, table[:60], table[60:], "c", metric)
    common = {"task": task.brief, "environment": ENVIRONMENT}
    script = code(
        ask(
            "candidate_evaluator", **common, model_name="LightGBM, gradient-boosted trees", model_description="",
            example_code="", split_seed=7, seed=3,
        )
    )  # fmt: skip
    study = code(ask("ablation_study", environment=ENVIRONMENT, script=script, earlier_summaries="none"))
    written = code(ask("submission", **common, script=script))
    for text in (script, study, written):
        assert ("ABSOLUTE_LOSS = absolute_pays(rows, target)" in text) == tried
    assert Script.parse(script).is_ours
