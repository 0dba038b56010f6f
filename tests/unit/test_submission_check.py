"""What is wrong with a submission, in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.tools.profile import inspect_task
from mle_star.tools.submission_check import check_submission

N = 20
IDS = list(range(100, 100 + N))


def task(folder: Path, values: list[Any], metric: str, sample: Any = None, *, with_sample: bool = True) -> TaskBrief:
    """A task with 40 training rows whose target takes the values in turn, and 20 test rows."""
    rng = np.random.default_rng(0)
    train = pd.DataFrame({"id": range(40), "a": rng.normal(size=40), "y": [values[i % len(values)] for i in range(40)]})
    train.to_csv(folder / "train.csv", index=False)
    test = pd.DataFrame({"id": IDS, "a": rng.normal(size=N)})
    test.to_csv(folder / "test.csv", index=False)
    if with_sample:
        columns = {"y": values[0]} if sample is None else sample
        test[["id"]].assign(**columns).to_csv(folder / "sample_submission.csv", index=False)
    return inspect_task(TaskDescription(dataset_path=str(folder), evaluation_metric=metric))


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., list[str]]:
    def run(brief: TaskBrief, frame: pd.DataFrame, **how: Any) -> list[str]:
        frame.to_csv(tmp_path / "submission.csv", **({"index": False} | how))
        return check_submission(tmp_path / "submission.csv", brief)

    return run


def given(y: Any = 0.5, ids: Any = IDS) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "y": y})


@pytest.mark.parametrize(
    ("values", "metric", "good"),
    [
        ([0, 1], "AUC", 0.3),
        ([0, 1], "accuracy", 1),
        ([0, 1], "accuracy", 1.0),
        ([0, 1], "accuracy", True),
        ([0, 1], "accuracy", "1"),
        ([0.0, 1.0], "accuracy", 0),
        ([True, False], "accuracy", True),
        (["yes", "no"], "f1", "no"),
        (["1", "2", "3"], "accuracy", 3),
        ([1, 2, 3, 4, 5], "rmse", 2.7),
        ([1, 2, 3, 4, 5], "qwk", 4),
        ([float(i) for i in range(40)], "mae", -3),
        ([float(i) for i in range(40)], "rmsle", 0),
    ],
)
@pytest.mark.parametrize("with_sample", [True, False])
def test_a_valid_submission_has_no_problems(
    tmp_path: Path, check: Callable[..., list[str]], values: list[Any], metric: str, good: Any, with_sample: bool
) -> None:
    assert check(task(tmp_path, values, metric, with_sample=with_sample), given(good)) == []


@pytest.mark.parametrize(
    ("values", "metric", "frame", "word"),
    [
        ([0, 1], "AUC", given(1.5), "between 0 and 1"),
        ([0, 1], "AUC", given(-0.1), "between 0 and 1"),
        ([0, 1], "AUC", given("yes"), "not numbers"),
        ([0, 1], "AUC", given([np.nan] + [0.5] * (N - 1)), "1 of 20 predictions in y are missing"),
        ([0, 1], "AUC", given(np.inf), "infinite"),
        ([0, 1], "AUC", given()[:-2], "18 rows"),
        ([0, 1], "AUC", given()[:-2], "missing here, such as 118, 119"),
        ([0, 1], "AUC", pd.concat([given(), given()[:1]]), "more than once"),
        ([0, 1], "AUC", given(ids=[1, *IDS[1:]]), "not in sample_submission.csv, such as 1"),
        ([0, 1], "AUC", given(ids=IDS[::-1]), "another order"),
        ([0, 1], "AUC", given()[["y", "id"]], "another order"),
        ([0, 1], "AUC", given().rename(columns={"y": "Y"}), "missing columns: y"),
        ([0, 1], "AUC", given().assign(extra=1), "do not belong there: extra"),
        ([0, 1], "accuracy", given(2), "not among the classes"),
        ([0, 1], "accuracy", given(0.4), "not among the classes"),
        (["yes", "no"], "accuracy", given("maybe"), "maybe"),
        ([float(i) for i in range(40)], "rmsle", given(-1), "negative"),
        ([0.0, 1.0, 2.0, 2.5, *map(float, range(30, 60))], "mean Poisson deviance", given(0), "not above 0"),
        ([float(i) for i in range(40)], "rmse", given("high"), "'high'"),
        ([0, 1, 2, 3], "NDCG@10", given("1 2 0 3"), "numbers are expected"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, check: Callable[..., list[str]], values: list[Any], metric: str, frame: pd.DataFrame, word: str
) -> None:
    assert word in "\n".join(check(task(tmp_path, values, metric), frame))


def test_an_index_that_was_written_too_is_told(tmp_path: Path, check: Callable[..., list[str]]) -> None:
    assert "index=False" in check(task(tmp_path, [0, 1], "AUC"), given(), index=True)[0]


def test_no_file_an_empty_one_and_one_that_is_no_table_are_told(tmp_path: Path) -> None:
    brief = task(tmp_path, [0, 1], "AUC")
    file = tmp_path / "out.csv"
    assert "no file" in check_submission(file, brief)[0]
    file.write_text("")
    assert "empty" in check_submission(file, brief)[0]
    file.write_text("id,y\n")
    assert check_submission(file, brief)
    file.write_bytes(b'id,y\n"1,2\n3,4,5,6\n\x00')
    assert check_submission(file, brief)


def test_probabilities_of_classes_add_up_to_one(tmp_path: Path, check: Callable[..., list[str]]) -> None:
    names = ["Adelie", "Chinstrap", "Gentoo"]
    brief = task(tmp_path, names, "log loss", dict.fromkeys(names, 0.33))
    good = pd.DataFrame({"id": IDS, "Adelie": 0.5, "Chinstrap": 0.3, "Gentoo": 0.2})
    assert check(brief, good) == []
    assert "add up to 1" in check(brief, good.assign(Gentoo=0.9))[0]
    assert "missing columns: Gentoo" in check(brief, good.drop(columns="Gentoo"))[0]
    assert "another order" in check(brief, good[["id", "Gentoo", "Adelie", "Chinstrap"]])[0]


def test_a_sample_with_fewer_rows_than_the_test_does_not_decide(
    tmp_path: Path, check: Callable[..., list[str]]
) -> None:
    brief = task(tmp_path, [0, 1], "AUC")
    given()[:3].to_csv(tmp_path / "sample_submission.csv", index=False)
    assert check(brief, given()) == []
    assert "test.csv has 20" in check(brief, given()[:3])[0]


def test_of_several_test_rows_with_the_same_id_one_prediction_is_asked_for(
    tmp_path: Path, check: Callable[..., list[str]]
) -> None:
    brief = task(tmp_path, [0, 1], "AUC")
    twice = pd.read_csv(tmp_path / "test.csv").iloc[[*range(N), *range(N)]]
    twice.to_csv(tmp_path / "test.csv", index=False)
    brief = inspect_task(brief.task)
    assert "one prediction for each id" in brief.profile.warnings[0]
    assert check(brief, given()) == []
    assert "40 rows, but sample_submission.csv has 20" in check(brief, given(ids=[*IDS, *IDS]))[0]


@pytest.mark.parametrize("written", ["sample_submission.csv", "test.csv", "test.parquet"])
def test_an_id_that_lost_its_leading_zeros_is_another_one(
    tmp_path: Path, check: Callable[..., list[str]], written: str
) -> None:
    brief = task(tmp_path, [0, 1], "AUC")
    zeros = [f"0{i}" for i in IDS]
    pd.read_csv(tmp_path / "test.csv").assign(id=zeros).to_csv(tmp_path / "test.csv", index=False)
    given(ids=zeros).to_csv(tmp_path / "sample_submission.csv", index=False)
    if written != "sample_submission.csv":
        (tmp_path / "sample_submission.csv").unlink()
    if written == "test.parquet":
        pd.read_csv(tmp_path / "test.csv", dtype={"id": str}).to_parquet(tmp_path / "test.parquet")
        (tmp_path / "test.csv").unlink()
    brief = inspect_task(brief.task)
    assert check(brief, given(ids=zeros)) == []
    lost = "\n".join(check(brief, given()))
    assert f"20 values of id are not in {written}, such as 100, " in lost
    assert f"20 values of id in {written} are missing here, such as 0100, " in lost


def test_rows_that_several_columns_name_together_are_held_against_all_of_them(
    tmp_path: Path, check: Callable[..., list[str]]
) -> None:
    brief = task(tmp_path, [float(i) for i in range(40)], "rmse")
    for file, rows in (("train.csv", 40), ("test.csv", N), ("sample_submission.csv", N)):
        table = pd.read_csv(tmp_path / file).drop(columns="id")
        table.insert(0, "shop", [f"{i % 4:02d}" for i in range(rows)])
        table.insert(1, "week", [i // 4 for i in range(rows)])
        table.to_csv(tmp_path / file, index=False)
    brief = inspect_task(brief.task.model_copy(update={"id_column": None}))
    assert brief.profile.submission is not None
    assert (brief.task.id_column, brief.profile.submission.key_columns) == (None, ("shop", "week"))
    assert [column.name for column in brief.profile.columns] == ["shop", "week", "a"]
    good = pd.read_csv(tmp_path / "sample_submission.csv", dtype=str)
    assert check(brief, good) == []
    assert "shop and week are in another order" in check(brief, good[::-1])[0]
    assert "such as 03 / 9" in "\n".join(check(brief, good.assign(week=[*good["week"][:-1], "9"])))


@pytest.mark.parametrize("separator", ["|", ", ", ";"])
def test_labels_in_a_list_are_known_ones_and_stand_apart_as_in_the_sample(
    tmp_path: Path, check: Callable[..., list[str]], separator: str
) -> None:
    brief = task(tmp_path, ["item a", "item b", "item c"], "MAP@2", {"y": separator.join(["item a", "item b"])})
    assert brief.profile.submission is not None
    assert brief.profile.submission.separator == separator
    assert check(brief, given(separator.join(["item c", "item a"]))) == []
    assert (
        f"such as item c item a; allowed: item a, item b, item c, with {separator!r}"
        in check(brief, given("item c item a"))[0]
    )
    assert "such as item d" in check(brief, given(separator.join(["item c", "item d"])))[0]
