"""Scripts for several target columns: labels that rare columns have too, cells that are unknown, values in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from mle_star.models.known_metrics import KNOWN
from mle_star.models.metric import Metric
from mle_star.offline import metrics
from mle_star.offline.parts import frame_part
from mle_star.offline.reading import read_environment, read_facts
from mle_star.offline.script import Script, functions_of
from mle_star.tools.submission_check import check_submission
from tests.unit.offline.simulate import ENVIRONMENT, Task, ask, code, run

ROWS = 200
UP = [name for name, known in KNOWN.items() if known.predicts == "labels" and known.maximize]
DOWN = [name for name, known in KNOWN.items() if known.predicts == "labels" and not known.maximize]
ARRAYS: dict[str, Any] = {"np": np, "pd": pd}


def table(gaps: float = 0.0) -> pd.DataFrame:
    """Rows with a frequent and a rare label; `gaps` is the share of cells that are unknown."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"x": generator.normal(size=ROWS), "z": generator.normal(size=ROWS)})
    frame["often"] = (frame["x"] + generator.normal(size=ROWS) / 2 > 0).astype(int)
    frame["rarely"] = (frame["z"] + generator.normal(size=ROWS) / 2 > 1.5).astype(int)
    for name in ("often", "rarely") if gaps else ():
        frame[name] = frame[name].where(generator.random(ROWS) >= gaps)
    return frame


def task(folder: Path, metric: str, frame: pd.DataFrame | None = None) -> Task:
    frame = table() if frame is None else frame
    return Task(folder, frame[:150].copy(), frame[150:].copy(), tuple(frame.columns[2:]), metric)


def script(of: Task) -> str:
    return code(
        ask(
            "candidate_evaluator", task=of.brief, environment=ENVIRONMENT, model_description="", example_code="",
            model_name="Regularised linear model on splines and one-hot categories", split_seed=7, seed=3,
        )
    )  # fmt: skip


def submission_script(of: Task) -> str:
    return code(ask("submission", task=of.brief, environment=ENVIRONMENT, script=script(of)))


def defined(text: str, *names: str) -> dict[str, Any]:
    """Functions of a script, and what its head imports."""
    scope: dict[str, Any] = {}
    exec(Script.parse(text).head, scope)
    for name in names:
        exec(functions_of(text).get(name, ""), scope)
    return scope


def scored(text: str, target: Any, prediction: Any) -> float:
    return float(defined(text, "known_columns", "score")["score"](np.array(target, float), np.array(prediction)))


@pytest.mark.parametrize("metric", UP + DOWN)
def test_every_metric_of_labels_is_decided_and_scored_the_right_way(metric: str, tmp_path: Path) -> None:
    text = submission_script(task(tmp_path, metric))
    assert "stands in for it" not in text
    assert "submission['rarely'] = decided[:, 1]" in text
    truth = [[1, 0], [0, 1], [1, np.nan], [0, 0]]
    right = scored(text, truth, [[1, 0], [0, 1], [1, 1], [0, 0]])
    wrong = scored(text, truth, [[0, 1], [1, 0], [0, 0], [1, 1]])
    assert right < wrong if metric in DOWN else right > wrong


def test_a_metric_that_is_not_known_is_decided_too_where_labels_are_wanted(tmp_path: Path) -> None:
    facts = read_facts(task(tmp_path, "f1").brief, read_environment(ENVIRONMENT))
    costs = replace(facts, metric=Metric(name="costs of wrong labels", maximize=False))
    assert metrics.scoring(costs).decision == "argmax"
    assert "!=" in metrics.scoring(costs).expression


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "samples"])
def test_averages_of_f1_are_those_of_scikit_learn(average: str, tmp_path: Path) -> None:
    truth, guess = np.random.default_rng(0).integers(0, 2, (2, 60, 2))
    expected = f1_score(truth, guess, average=average, zero_division=0)
    assert scored(script(task(tmp_path, f"f1_{average}")), truth, guess) == pytest.approx(expected)


def test_an_exact_match_has_all_known_columns_of_a_row_right(tmp_path: Path) -> None:
    truth, guess = [[1, 1], [1, 0], [0, np.nan], [1, np.nan]], [[1, 1], [1, 1], [0, 1], [0, 0]]
    assert scored(script(task(tmp_path, "exact match ratio")), truth, guess) == 0.5


@pytest.mark.filterwarnings("ignore:Only one class")
def test_the_area_under_the_curve_is_a_mean_over_the_columns_that_have_one(tmp_path: Path) -> None:
    text = script(task(tmp_path, "auc_roc"))
    chances = np.array([[0.1, 0.5], [0.9, 0.1], [0.4, 0.3], [0.6, 0.7]])
    assert scored(text, [[0, 0], [1, np.nan], [1, 0], [0, 1]], chances) == pytest.approx((0.75 + 1.0) / 2)
    assert scored(text, [[0, 0], [1, 0], [1, 0], [0, 0]], chances) == 0.75


def test_each_column_has_a_cut_of_its_own_which_finds_rare_labels() -> None:
    generator = np.random.default_rng(0)
    chances = np.column_stack([generator.beta(2, 2, 3_000), generator.beta(1, 20, 3_000), generator.random(3_000)])
    target = (generator.random(chances.shape) < chances).astype(float)
    target[:, 2] = 0.0
    target[:1_000, 0] = np.nan
    scope = dict(ARRAYS)
    for name in ("known_columns", "best_cut", "fit_decision__columns", "decide__columns"):
        exec(frame_part(*name.split("__")), scope)
    cuts = scope["fit_decision"](chances, target)
    decided = scope["decide"](chances, cuts)
    assert cuts[1] < 0.2 < cuts[0] < 0.6
    assert decided[:, 1].sum() > 100
    assert not decided[:, 2].any(), "nothing tells where a label that no row has would begin"


def test_a_row_is_learnt_from_where_any_of_the_columns_is_known(tmp_path: Path) -> None:
    given = task(tmp_path, "f1_macro", table(gaps=0.5))
    text = script(given)
    assert 'train.dropna(subset=TARGETS, how="all")' in text
    seen = {}

    def mean(fit_matrix: pd.DataFrame, fit_target: np.ndarray, new_matrix: pd.DataFrame) -> np.ndarray:
        seen[len(fit_matrix)] = fit_target.dtype.kind
        return np.tile([0.0, fit_target.mean()], (len(new_matrix), 1))

    models = {"mean": (lambda fit_rows, fit_target, new_rows: (fit_rows, new_rows), mean)}
    rows = pd.DataFrame({"x": np.arange(12.0)})
    target = np.repeat([[1, np.nan, 1], [0, 1, 1], [0, np.nan, np.nan], [np.nan, 0, 1]], 3, axis=0)
    predicted = defined(text, "fit_predict")["fit_predict"](rows, target, rows[:2], models)
    assert predicted.tolist() == [[[1 / 3, 0.5, 1.0]] * 2]
    assert seen == {9: "i", 6: "i"}


@pytest.mark.parametrize("variant", ["multilabel", "squared", "absolute", "relative", "logs"])
def test_a_loss_counts_known_cells_alone(variant: str) -> None:
    scope = dict(ARRAYS)
    exec(frame_part("loss", variant), scope)
    target, prediction = np.array([[1.0, np.nan], [0.0, 1.0]]), np.array([[0.7, 0.1], [0.2, 0.6]])
    known = ~np.isnan(target)
    assert scope["loss"](prediction, target) == pytest.approx(scope["loss"](prediction[known], target[known]))


def test_least_squares_weigh_models_by_known_cells() -> None:
    scope = dict(ARRAYS)
    exec(frame_part("blend_weights", "least_squares"), scope)
    target = np.random.default_rng(0).random((50, 2))
    parts = np.stack([target, 1 - target])
    target[:25, 0] = np.nan
    assert scope["blend_weights"](parts, target)[0] > 0.9


@pytest.mark.parametrize(("metric", "expected"), [("rmse", np.sqrt(5 / 3)), ("MCRMSE", (np.sqrt(0.5) + 2) / 2)])
def test_errors_of_several_numbers_count_known_cells(metric: str, expected: float, tmp_path: Path) -> None:
    frame = table()
    frame[["often", "rarely"]] = np.random.default_rng(0).random((ROWS, 2))
    text = script(task(tmp_path, metric, frame))
    assert scored(text, [[1, np.nan], [2, 5]], [[1, 3], [3, 3]]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "positive", "pair"),
    [
        (["yes", "no", "no"], "yes", ["no", "yes"]),
        (["up", "down"], "up", ["down", "up"]),
        (["up", "down"], "down", ["up", "down"]),
        ([True, False], "True", [False, True]),
        (["no", "no", None], "", ["no", None]),
        (["yes"], "yes", [None, "yes"]),
    ],
)
def test_the_positive_value_stands_last(values: list[object], positive: str, pair: list[object]) -> None:
    scope = dict(ARRAYS)
    exec(frame_part("two_values"), scope)
    assert scope["two_values"](pd.Series(values), positive) == pair


def test_words_are_learnt_as_0_and_1_and_written_as_words(tmp_path: Path) -> None:
    frame = table(gaps=0.3)
    frame["often"], frame["rarely"] = frame["often"].map({0: "no", 1: "yes"}), frame["rarely"] + 2
    given = task(tmp_path, "f1", frame)
    done = run(given, submission_script(given))
    assert done.score is not None, done.error
    assert done.score > 0.6
    written = tmp_path / "final" / "submission.csv"
    assert check_submission(written, given.facts) == []
    assert set(pd.read_csv(written)["often"]) == {"no", "yes"}
    assert set(pd.read_csv(written)["rarely"]) == {2, 3}


def many_values() -> pd.DataFrame:
    """Rows with a colour and a size, some unknown, and whether it is sold."""
    frame = table()
    frame["colour"] = np.select([frame["x"] > 0.5, frame["x"] < -0.5], ["red", "blue"], "green")
    frame["size"] = np.digitize(frame["z"], [-0.7, 0.3, 1]) + 36.0
    frame["size"] = frame["size"].where(np.random.default_rng(1).random(ROWS) < 0.9)
    frame["sold"] = np.where(frame["x"] + frame["z"] > 0, "yes", "no")
    return frame[["x", "z", "colour", "size", "sold"]]


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "quadratic_kappa", "exact_match", "error_rate"])
def test_columns_of_many_values_are_told_apart(metric: str, tmp_path: Path) -> None:
    given = task(tmp_path, metric, many_values())
    text = submission_script(given)
    done = run(given, text)
    assert done.score is not None, done.error
    assert done.score < 0.3 if metric in DOWN else done.score > 0.6
    written = tmp_path / "final" / "submission.csv"
    assert check_submission(written, given.facts) == []
    answers = pd.read_csv(written)
    assert set(answers["colour"]) == {"red", "green", "blue"}
    assert (answers["colour"].to_numpy() == given.test["colour"].to_numpy()).mean() > 0.8
    assert set(answers["size"]) >= {36, 37, 38}
    assert set(answers["sold"]) == {"yes", "no"}


def test_the_value_of_a_column_that_is_unknown_is_not_judged() -> None:
    names = np.array([["a", "a", "a", "b", "b"], [1, 2, 3, "x", "y"]], dtype=object)
    scope = {**ARRAYS, "classes": names}
    exec(frame_part("decide", "values"), scope)
    truth = np.array([[0, 1, 0, np.nan, np.nan], [0, 0, 1, 1, 0]])
    assert np.array_equal(scope["decide"](truth), [[1, np.nan], [2, 3]], equal_nan=True)


def test_a_value_that_hardly_any_row_has_does_not_end_a_script(tmp_path: Path) -> None:
    frame = many_values()
    frame.loc[3, "colour"], frame.loc[[5, 9, 11], "size"] = "mauve", 99
    given = task(tmp_path, "accuracy", frame)
    common = {"task": given.brief, "environment": ENVIRONMENT}
    for model in ("LightGBM, gradient-boosted trees", "HistGradientBoosting with random columns"):
        text = code(
            ask(
                "candidate_evaluator", **common, model_description="", example_code="", model_name=model, split_seed=7,
                seed=3,
            )
        )  # fmt: skip
        done = run(given, text)
        assert done.score is not None, done.error


def test_probabilities_of_several_columns_need_not_add_up(tmp_path: Path) -> None:
    frame = table().replace({"often": {0: "no", 1: "yes"}, "rarely": {0: "no", 1: "yes"}})
    given = task(tmp_path, "auc_roc", frame)
    sample = pd.read_csv(tmp_path / "input" / "sample_submission.csv").assign(often=0.9, rarely=0.7)
    sample.to_csv(tmp_path / "answers.csv", index=False)
    assert check_submission(tmp_path / "answers.csv", given.facts) == []
