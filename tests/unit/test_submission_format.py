"""What a submission must look like, in the cases where the sample is missing, or says more or less than usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.models.errors import TaskError
from mle_star.models.profile import SubmissionFormat
from mle_star.tools.profile import inspect_task

ROWS = 120


def brief_of(folder: Path, target: Any, metric: str, sample: dict[str, Any] | None = None, **facts: Any) -> TaskBrief:
    """Inspect a table of 100 rows and 20 of test, with a feature named `b`; `sample` beside the ids."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": range(ROWS), "a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS), "y": target})
    test = frame[100:].drop(columns="y")
    frame[:100].to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    if sample is not None:
        test[["id"]].assign(**sample).to_csv(folder / "sample_submission.csv", index=False)
    return inspect_task(TaskDescription(dataset_path=str(folder), evaluation_metric=metric, target="y", **facts))


def form_of(brief: TaskBrief) -> SubmissionFormat:
    assert brief.profile.submission is not None
    return brief.profile.submission


COLOURS = np.random.default_rng(1).choice(["r", "g", "b"], ROWS)
GRADES = np.random.default_rng(1).integers(0, 11, ROWS)


@pytest.mark.parametrize(
    ("target", "columns"), [(COLOURS, ("b", "g", "r")), (GRADES, tuple(str(grade) for grade in range(11)))]
)
@pytest.mark.parametrize("metric", ["log loss", "AUC", "Brier score"])
def test_without_a_sample_probabilities_of_several_classes_have_a_column_each(
    target: Any, columns: tuple[str, ...], metric: str, tmp_path: Path
) -> None:
    form = form_of(brief_of(tmp_path, target, metric))
    assert (form.columns, form.prediction_columns, form.values) == (("id", *columns), columns, "probabilities")


def test_several_classes_in_one_column_are_labels_whatever_the_metric(tmp_path: Path) -> None:
    form = form_of(brief_of(tmp_path, COLOURS, "log loss", {"y": "r"}))
    assert (form.prediction_columns, form.values) == (("y",), "labels")


def test_a_class_may_be_named_like_a_feature(tmp_path: Path) -> None:
    form = form_of(brief_of(tmp_path, COLOURS, "log loss", {"r": 0.3, "g": 0.3, "b": 0.4}))
    assert (form.key_columns, form.prediction_columns, form.values) == (("id",), ("r", "g", "b"), "probabilities")


def test_what_a_sample_has_beside_keys_and_predictions_is_copied(tmp_path: Path) -> None:
    form = form_of(brief_of(tmp_path, GRADES % 2, "AUC", {"y": 0.5, "Usage": "Public"}))
    assert (form.key_columns, form.prediction_columns, form.other_columns) == (("id",), ("y",), ("Usage",))


@pytest.mark.parametrize("shift", [5, 500])
def test_a_sample_that_asks_for_other_rows_than_the_tests_is_refused(shift: int, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"sample_submission.csv asks for rows that test.csv does not have: id \d+"):
        brief_of(tmp_path, GRADES % 2, "AUC", {"id": range(100 + shift, ROWS + shift), "y": 0.5})


@pytest.mark.parametrize(
    ("target", "direction", "sample", "kind", "predicts"),
    [
        (GRADES % 5, "maximize", 0, "classification", "labels"),
        (GRADES % 5, "maximize", None, "classification", "labels"),
        (GRADES % 5, "maximize", 2.5, "regression", "values"),
        (GRADES % 5, "minimize", 0, "regression", "values"),
        (GRADES % 2, "maximize", 0.5, "classification", "probabilities"),
        (GRADES % 2, "minimize", 0.5, "classification", "probabilities"),
        (GRADES % 2, "maximize", 0, "classification", "labels"),
        (COLOURS, "maximize", "r", "classification", "labels"),
        (GRADES / 7.3, "maximize", 0.5, "regression", "values"),
    ],
)
def test_of_an_unknown_metric_the_target_and_the_sample_tell_what_it_judges(
    target: Any, direction: Any, sample: Any, kind: str, predicts: str, tmp_path: Path
) -> None:
    told = None if sample is None else {"y": sample}
    brief = brief_of(tmp_path, target, "group score", told, metric_direction=direction)
    assert (brief.task.task_type, brief.metric.predicts) == (kind, predicts)


def test_the_data_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "task").mkdir()
    brief_of(tmp_path / "task", GRADES, "rmse")
    monkeypatch.chdir(tmp_path)
    for path in ("~/task", "task"):
        brief = inspect_task(TaskDescription(dataset_path=path, evaluation_metric="rmse"))
        assert brief.task.dataset_path == str(tmp_path / "task")
