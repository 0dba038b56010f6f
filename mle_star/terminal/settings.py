"""The options of `mle-star run`: what was given, as settings and task facts, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from mle_star.models.errors import ConfigError
from mle_star.terminal.words import parse_duration

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo

    from mle_star.models.config import MLEStarConfig
    from mle_star.models.data_models import TaskDescription

DURATIONS = ("time_limit", "script_timeout")
TASK_FACTS = {
    "description": "The task in words",
    "task_type": "Its type",
    "data_modality": "What its data is",
    "evaluation_metric": "How submissions are judged",
    "metric_direction": "Which way the metric gets better",
    "target": "Column to predict; may be given several times",
    "id_column": "Column that names a row",
}
"""The facts of a task that an option may give in place of what is found, and what to call them."""


def load_config(given: Mapping[str, Any], yaml_file: Path | None, options: Mapping[str, str]) -> MLEStarConfig:
    """Read the settings; what was not given is left to the environment, `.env` and the YAML file.

    `options` are the fields' names on the command line, for the text of an error.

    Raises:
        ConfigError: A value can't be used, or the file can't be read.
    """
    from pydantic import ValidationError
    from yaml import YAMLError

    from mle_star.models.config import MLEStarConfig

    values = {
        name: value for name, value in given.items() if name in MLEStarConfig.model_fields and value not in (None, [])
    }
    for name in DURATIONS:
        if isinstance(values.get(name), str):
            try:
                values[name] = parse_duration(values[name])
                if values[name] is None and not _optional(MLEStarConfig.model_fields[name]):
                    raise ValueError("a limit is needed: give seconds, or 30m, 2h, 1h30m")
            except ValueError as error:
                raise ConfigError(f"{options.get(name, name)}: {error}") from None
    if yaml_file is not None and not yaml_file.is_file():
        raise ConfigError(f"--config: there is no file {yaml_file}")
    try:
        return MLEStarConfig.load(yaml_file, **values)
    except ValidationError as error:
        raise ConfigError(explain(error, options, values)) from None
    except (YAMLError, OSError, UnicodeDecodeError, ValueError, TypeError) as error:
        where = f"--config: {yaml_file} can't be read" if yaml_file else "the settings can't be read"
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


def read_task(folder: Path, given: Mapping[str, Any], options: Mapping[str, str]) -> TaskDescription:
    """Read a task's folder; facts that were given take the place of those found.

    Raises:
        TaskError: The folder can't be used.
        ConfigError: A given fact can't be used.
    """
    from pydantic import ValidationError

    from mle_star.models.data_models import TaskDescription

    facts = {name: given[name] for name in TASK_FACTS if given.get(name)}
    if "target" in facts:
        names = tuple(facts["target"])
        facts["target"] = names[0] if len(names) == 1 else names
    task = TaskDescription.from_directory(folder)
    try:
        return TaskDescription(**task.model_dump() | facts)
    except ValidationError as error:
        raise ConfigError(explain(error, options, facts)) from None


def explain(error: ValidationError, options: Mapping[str, str], given: Mapping[str, Any]) -> str:
    """Put a validation error into one line that names each option, or the setting where no option was given."""
    return "; ".join(_problem(found, options, given) for found in error.errors())


def _problem(found: Mapping[str, Any], options: Mapping[str, str], given: Mapping[str, Any]) -> str:
    field = str(found["loc"][0]) if found["loc"] else "the settings"
    if found["type"] == "extra_forbidden":
        return f"{field}: there is no such setting; look at the --config file, .env and the environment"
    name = _name(field, options) if field in given else f"{field} (MLE_STAR_{field.upper()}, .env or --config)"
    if found["type"] == "value_error":  # ours: it says enough, and what was given may hold a key
        message = str(found["msg"]).removeprefix("Value error, ")
        return f"{name}: {message}" if found["loc"] else message
    message = str(found["msg"]).removeprefix("Input ").replace("should", "has to", 1)
    return f"{name}: {message}, not {found['input']!r}"


def _name(field: str, options: Mapping[str, str]) -> str:
    """Name an option, and its field where the two differ."""
    option = options.get(field, field)
    return option if option.lstrip("-").replace("-", "_") == field else f"{option} ({field})"


def describe(field: FieldInfo) -> str:
    """Write an option's help from its field: what it is, its default and its bounds."""
    facts = [text for text in (_bounds(field), _default(field)) if text]
    return f"{field.description}" + (f" [{'; '.join(facts)}]" if facts else "")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, ()):
        return ""
    if isinstance(value, bool):
        return f"default: {'yes' if value else 'no'}"
    return f"default: {value}"


def _bounds(field: FieldInfo) -> str:
    if choices := [name for kind in _kinds(field.annotation) for name in kind]:
        return ", ".join(choices)
    limits: dict[str, Any] = {}
    for rule in field.metadata:
        limits |= {name: getattr(rule, name) for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)}
    if "ge" in limits and "le" in limits:
        return f"{limits['ge']} to {limits['le']}"
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return ", ".join(f"{words[name]} {limit}" for name, limit in limits.items())


def _optional(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)


def _kinds(annotation: Any) -> Iterable[tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        yield get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _kinds(part)


def option_help() -> dict[str, str]:
    """Give each option's help, by its field."""
    from mle_star.models.config import MLEStarConfig
    from mle_star.models.data_models import TaskDescription

    texts = {name: describe(field) for name, field in MLEStarConfig.model_fields.items()}
    for name in DURATIONS:
        field = MLEStarConfig.model_fields[name]
        none = ", none" if _optional(field) else ""
        texts[name] = f"{field.description} [seconds, or 30m, 2h{none}; default: {field.default / 3600:g}h]"
    for name, what in TASK_FACTS.items():
        choices = _bounds(TaskDescription.model_fields[name])
        texts[name] = f"{what}; left out: what the task's folder says." + (f" [{choices}]" if choices else "")
    return texts
