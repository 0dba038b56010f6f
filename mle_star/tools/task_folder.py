"""Read a task folder: its description, its `task.yaml`, and where its data lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from mle_star.models.data_models import Direction, Modality, TaskDescription, TaskType
from mle_star.models.errors import TaskError
from mle_star.tools.profile_files import has_data, sealed

DESCRIPTIONS = ("description", "task", "readme", "overview")
SETTINGS = ("task.yaml", "task.yml")
DATA_FOLDERS = ("data", "input", "inputs", "dataset", "public")
PROSE = {".md", ".txt", ".markdown", ".rst"}
SPELLINGS = {
    "type": "task_type",
    "modality": "data_modality",
    "metric": "evaluation_metric",
    "direction": "metric_direction",
    "target_column": "target",
    "targets": "target",
    "id": "id_column",
}
FIELDS = tuple(name for name in TaskDescription.model_fields if name != "dataset_path")
CHOICES: dict[str, tuple[str, ...]] = {
    "task_type": get_args(TaskType),
    "data_modality": get_args(Modality),
    "metric_direction": get_args(Direction),
}


def read_task_folder(path: str | Path) -> TaskDescription:
    """Read what a task folder says of itself; facts that only the data can tell are left to `inspect_task`.

    Where the folder itself holds no data but has a sub-folder `data` or `input` that does, that one is the data set.

    Raises:
        TaskError: The folder is not there, cannot be read or holds no data, or its `task.yaml` is wrong.
    """
    folder = Path(path).expanduser()
    try:
        if not folder.exists():
            raise TaskError(f"{folder}: there is no such folder")
        if not folder.is_dir():
            advice = sealed(folder.name) or f"{folder.name} is a file"
            raise TaskError(f"{advice}, and give the folder that holds the task's data")
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        if not names:
            raise TaskError(f"{folder} is empty: it should hold the task's data and its description")
        data = _data_folder(folder)
        values = _settings(folder) | ({} if data == folder else _settings(data))
        description = values.pop("description", None) or _description(folder) or _description(data)
    except OSError as error:
        raise TaskError(f"{folder} cannot be read: {error.strerror or error}") from error
    return TaskDescription(dataset_path=str(data.resolve()), description=description, **values)


def _data_folder(folder: Path) -> Path:
    """Give the folder itself, or the one sub-folder of a usual name that holds the data in its place."""
    if has_data(folder, depth=0):
        return folder
    inner = [
        entry for name in DATA_FOLDERS for entry in folder.iterdir() if entry.name.lower() == name and entry.is_dir()
    ]
    if len(inner) == 1 and has_data(inner[0]):
        return inner[0]
    if not has_data(folder):
        raise TaskError(f"{folder} holds no data: no table (.csv, .parquet, .tsv, .json) and no folder of files")
    return folder


def _description(folder: Path) -> str:
    """Give the text of description.md and its like, or of the only .md or .txt file."""
    prose = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in PROSE and entry.is_file())
    prose = [entry for entry in prose if entry.stem.lower() not in ("source", "license", "licence", "requirements")]
    for stem in DESCRIPTIONS:
        if named := [entry for entry in prose if entry.stem.lower() == stem]:
            return _text(named[0])
    return _text(prose[0]) if len(prose) == 1 else ""


def _text(path: Path) -> str:
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "utf-16") if raw[:2] not in (b"\xff\xfe", b"\xfe\xff") else ("utf-16",):
        try:
            return raw.decode(encoding).replace("\r\n", "\n").strip()
        except UnicodeDecodeError:
            if encoding == "utf-8-sig":
                break
    return raw.decode("cp1252", errors="replace").replace("\r\n", "\n").strip()


def _settings(folder: Path) -> dict[str, Any]:
    """Read `task.yaml`: the fields of `TaskDescription`, some under shorter names too."""
    import yaml

    file = next((folder / name for name in SETTINGS if (folder / name).is_file()), None)
    if file is None:
        return {}
    try:
        content = yaml.safe_load(_text(file))
    except yaml.YAMLError as error:
        raise TaskError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TaskError(f"{file}: should be lines of `key: value`, with the keys {', '.join(FIELDS)}")
    values: dict[str, Any] = {}
    for key, value in content.items():
        field = str(key).strip().lower().replace(" ", "_").replace("-", "_")
        field = SPELLINGS.get(field, field)
        if field not in FIELDS:
            raise TaskError(f"{file}: unknown key {key!r}; allowed: {', '.join(FIELDS)}")
        if field in values:
            raise TaskError(f"{file}: {field} is given twice, once as {key!r}")
        if value is not None:
            values[field] = _value(file, key, field, value)
    return values


def _value(file: Path, key: object, field: str, value: Any) -> Any:
    if field == "target" and isinstance(value, list):
        if not value or not all(isinstance(name, str | int | float) for name in value):
            raise TaskError(f"{file}: {key} should be the name of a column, or a list of names")
        return tuple(str(name) for name in value)
    if isinstance(value, dict | list):
        raise TaskError(f"{file}: {key} should be a text, not a {'list' if isinstance(value, list) else 'mapping'}")
    text = str(value).strip()
    if field not in CHOICES:
        return text
    choice = _choice(field, text)
    if choice is None:
        raise TaskError(f"{file}: {key} is {text!r}; allowed: {', '.join(CHOICES[field])}")
    return choice


def _choice(field: str, text: str) -> str | None:
    word = text.lower().replace(" ", "_").replace("-", "_")
    synonyms = {
        "metric_direction": {"max": "maximize", "min": "minimize", "maximise": "maximize", "minimise": "minimize"}
        | {"higher": "maximize", "lower": "minimize", "higher_is_better": "maximize", "lower_is_better": "minimize"},
        "task_type": {"binary_classification": "classification", "multiclass_classification": "classification"}
        | {"multi_class_classification": "classification", "multilabel_classification": "classification"},
        "data_modality": {"images": "image", "timeseries": "time_series", "table": "tabular"},
    }
    word = synonyms[field].get(word, word)
    return word if word in CHOICES[field] else None
