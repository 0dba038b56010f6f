"""What a person can put right: each error's text is one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable

HINTS = {
    "target": "the target column was not found: set `target` in task.yaml or TaskDescription(target=...)",
    "evaluation_metric": (
        "the evaluation metric was not found in the description: set `evaluation_metric` in task.yaml "
        "or TaskDescription(evaluation_metric=...)"
    ),
    "metric_direction": (
        "whether the metric is to be maximized or minimized is not known: set `metric_direction` in task.yaml "
        "or TaskDescription(metric_direction=...)"
    ),
    "train_file": "no training data was found: put a train.csv (or .parquet, .tsv, .jsonl) or a folder train/ there",
    "test_file": "no test data was found, so there is nothing to predict: put a test.csv or a folder test/ there",
}


class MLEStarError(RuntimeError):
    """Base of every error that is meant for people. Its text is one line.

    A RuntimeError, since a LangGraph Server passes on the text of well-known kinds of errors alone.
    """


class ConfigError(MLEStarError):
    """A setting is wrong. The terminal leaves with exit code 2."""


class TaskError(MLEStarError):
    """The task's folder, files or facts are wrong or contradict each other. Exit code 2."""


class MissingFacts(TaskError):
    """Facts that could not be found and must be given, all of them at once.

    `fields` are names of `TaskDescription` fields, or `train_file` and `test_file` for data that is not there.
    """

    def __init__(self, fields: Iterable[str], message: str = "") -> None:
        self.fields: tuple[str, ...] = tuple(fields)
        super().__init__(
            message or "; ".join(HINTS.get(name, f"`{name}` was not found: set it") for name in self.fields)
        )

    def __reduce__(self) -> tuple[type[MissingFacts], tuple[tuple[str, ...], str]]:
        return type(self), (self.fields, str(self))
