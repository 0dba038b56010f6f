"""Reading a task folder."""

from pathlib import Path

import pytest

from mle_star.models.data_models import TaskDescription
from mle_star.models.errors import TaskError
from mle_star.tools.task_folder import read_task_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text("id,a,b\n1,2,3\n")
    return tmp_path


@pytest.mark.parametrize("name", ["description.md", "README.md", "task.md", "task.txt", "overview.md", "anything.txt"])
def test_the_description_is_read(folder: Path, name: str) -> None:
    (folder / name).write_text("# Predict b\n", encoding="utf-8")
    assert read_task_folder(folder).description == "# Predict b"


def test_description_md_comes_before_other_prose(folder: Path) -> None:
    for name in ("README.md", "description.md", "notes.md"):
        (folder / name).write_text(name)
    assert read_task_folder(folder).description == "description.md"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_usual_encoding_is_read(folder: Path, encoding: str) -> None:
    (folder / "description.md").write_text("Größe in €", encoding=encoding)
    assert read_task_folder(folder).description == "Größe in €"


def test_task_yaml_gives_facts_under_long_and_short_names(folder: Path) -> None:
    (folder / "task.yaml").write_text(
        "metric: AUC\nid column: id\ndirection: maximize\ntype: classification\nmodality: tabular\ntarget: b\n"
    )
    assert read_task_folder(folder) == TaskDescription(
        dataset_path=str(folder.resolve()),
        evaluation_metric="AUC",
        id_column="id",
        metric_direction="maximize",
        task_type="classification",
        data_modality="tabular",
        target="b",
    )


def test_several_targets_and_a_description_in_task_yml(folder: Path) -> None:
    (folder / "description.md").write_text("the file")
    (folder / "task.yml").write_text("target: [a, b]\ndescription: the setting\n")
    task = read_task_folder(folder)
    assert (task.target, task.description) == (("a", "b"), "the setting")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("colour: red", ["task.yaml", "colour", "evaluation_metric"]),
        ("type: clustering", ["task.yaml", "type", "clustering", "regression"]),
        ("direction: sideways", ["direction", "sideways", "maximize"]),
        ("metric: [AUC]", ["metric"]),
        ("target: {a: b}", ["target"]),
        ("metric: a\nevaluation_metric: b", ["evaluation_metric", "twice"]),
        ("- a\n- b", ["task.yaml", "key"]),
        ("a: [", ["task.yaml", "YAML"]),
    ],
)
def test_a_wrong_task_yaml_is_refused_in_one_line_that_names_what_is_wrong(
    folder: Path, content: str, named: list[str]
) -> None:
    (folder / "task.yaml").write_text(content)
    with pytest.raises(TaskError) as raised:
        read_task_folder(folder)
    message = str(raised.value)
    assert all(word in message for word in named)
    assert "\n" not in message


@pytest.mark.parametrize("name", ["data", "input", "Data"])
def test_data_in_a_sub_folder_is_found_and_the_description_stays_above(tmp_path: Path, name: str) -> None:
    (tmp_path / "description.md").write_text("above")
    (tmp_path / name).mkdir()
    (tmp_path / name / "train.csv").write_text("a\n1\n")
    task = read_task_folder(tmp_path)
    assert (task.description, task.dataset_path) == ("above", str((tmp_path / name).resolve()))


def test_a_data_folder_beside_tables_is_part_of_the_data(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "more.csv").write_text("a\n1\n")
    assert read_task_folder(folder).dataset_path == str(folder.resolve())


def test_an_empty_folder_a_file_and_nothing_at_all_are_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("a\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    prose = tmp_path / "prose"
    prose.mkdir()
    (prose / "description.md").write_text("words")
    for path, word in ((file, "file"), (empty, "empty"), (tmp_path / "nowhere", "no such"), (prose, "no data")):
        with pytest.raises(TaskError, match=word) as raised:
            read_task_folder(path)
        assert "\n" not in str(raised.value)


def test_the_folder_is_read_through_the_model(folder: Path) -> None:
    assert TaskDescription.from_directory(folder).dataset_path == str(folder.resolve())
