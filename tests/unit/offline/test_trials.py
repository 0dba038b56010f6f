"""What a script settles by a small trial: the errors that its boosters learn by, the leaves of its forests."""

from __future__ import annotations

from collections.abc import Callable
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


def trial(kind: str, **scope: Any) -> Callable[..., dict[str, Any]]:
    """The function that settles a script's forests, as a script has it."""
    scope |= {"np": np, "SEED": 0}
    for file, name in ((kind, "spread"), (kind, "missed"), ("tabular", "settled")):
        exec(functions(file).get(name, ""), scope)

    def settle(forest: Any, rows: pd.DataFrame, target: Any, min_leaf: Any, columns: Any) -> dict[str, Any]:
        told = scope["settled"](forest, rows, target, min_leaf, columns).get_params()
        return {name: told[name] for name in ("min_samples_leaf", "max_features")}

    return settle


NUMBERS, WORDS = ((1, 3, 9), (0.4, 1.0)), ((6, 2, 20), ("sqrt", 0.5, 1.0))
"""The choices of the forests of scripts: leaves and columns."""


def of_numbers(noise: float, min_leaf: Any = NUMBERS[0], columns: Any = NUMBERS[1]) -> dict[str, Any]:
    """A forest's settings for a target that two of ten columns tell, up to noise."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(800, 10)))
    target = (rows[0] + rows[1] + noise * generator.normal(size=800)).to_numpy()
    settle = trial("regression", ABSOLUTE_LOSS=False)
    return settle(ExtraTreesRegressor(random_state=0), rows, target, min_leaf, columns)


def of_classes(noise: float, min_leaf: Any = WORDS[0], columns: Any = WORDS[1]) -> dict[str, Any]:
    """A forest's settings for a class that the sum of four of ten columns tells, up to noise."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(800, 10)))
    target = (rows[[0, 1, 2, 3]].sum(axis=1) + noise * generator.normal(size=800) > 0).to_numpy().astype(int)
    settle = trial("classification", classes=np.array([0, 1]))
    return settle(ExtraTreesClassifier(random_state=0), rows, target, min_leaf, columns)


def test_a_forest_has_small_leaves_and_all_columns_where_there_is_little_noise() -> None:
    assert of_numbers(noise=0.0) == {"min_samples_leaf": 1, "max_features": 1.0}
    assert of_numbers(noise=10.0)["min_samples_leaf"] == 9


def test_a_forest_of_classes_has_small_leaves_and_many_columns_where_they_follow_a_rule() -> None:
    assert of_classes(noise=0.0) == {"min_samples_leaf": 2, "max_features": 1.0}
    assert of_classes(noise=20.0) == {"min_samples_leaf": 20, "max_features": "sqrt"}


@pytest.mark.parametrize("settle", [of_numbers, of_classes])
def test_what_a_forest_is_told_is_not_tried(settle: Callable[..., dict[str, Any]]) -> None:
    assert settle(noise=0.0, min_leaf=5) == {"min_samples_leaf": 5, "max_features": 1.0}
    assert settle(noise=0.0, min_leaf=5, columns=0.2) == {"min_samples_leaf": 5, "max_features": 0.2}


def test_what_the_first_fold_settles_holds_for_the_others() -> None:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(400, 4)))
    rule, chance = rows[0].to_numpy(), generator.normal(size=400)
    settle = trial("regression", ABSOLUTE_LOSS=False)
    first = settle(ExtraTreesRegressor(random_state=0), rows, rule, *NUMBERS)
    assert settle(ExtraTreesRegressor(random_state=0), rows, chance, *NUMBERS) == first
    assert settle(ExtraTreesRegressor(random_state=0), rows[[1, 2]], chance, *NUMBERS) != first


def test_a_class_that_the_first_rows_do_not_have_does_not_end_a_trial() -> None:
    rows, target = pd.DataFrame({"x": np.arange(150.0)}), np.repeat([0, 1, 2], [148, 1, 1])
    trial("classification", classes=np.arange(3))(ExtraTreesClassifier(random_state=0), rows, target, *WORDS)


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
