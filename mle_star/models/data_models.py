"""What things are: tasks, solutions and the results of running them.

Every model is frozen and knows nothing of files, models or graphs. They travel inside the graphs' states, so they
must survive a checkpoint: plain types, tuples instead of lists, no references to live objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from mle_star.models.frozen import Frozen
from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile

TaskType = Literal["classification", "regression", "other"]
Modality = Literal["tabular", "text", "image", "audio", "time_series", "other"]
Direction = Literal["maximize", "minimize"]


class TaskDescription(Frozen):
    """What a person asks for. Only the data is required; what else is missing is found in it, or asked for by name."""

    dataset_path: str = Field(description="Folder that holds the task's data files, and perhaps its description.")
    description: str = Field("", description="The task in words: what the data is, what to predict, how it is judged.")
    task_type: TaskType | None = Field(None, description="Left out: found from the target column.")
    data_modality: Modality | None = Field(None, description="Left out: found from the files.")
    evaluation_metric: str | None = Field(None, description="Left out: found in the description. Any usual spelling.")
    metric_direction: Direction | None = Field(None, description="Needed only for a metric that is not well known.")
    target: str | tuple[str, ...] | None = Field(None, description="Left out: the column of train that test lacks.")
    id_column: str | None = Field(None, description="Left out: the first column of the sample submission.")

    @field_validator("dataset_path", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @classmethod
    def from_directory(cls, path: str | Path) -> TaskDescription:
        """Read a task folder: its description (Markdown or text) and its `task.yaml`, where there is one.

        Raises:
            TaskError: The folder is not there, holds no data, or its `task.yaml` has an unknown or wrong field.
        """
        from mle_star.tools.task_folder import read_task_folder

        return read_task_folder(Path(path))


class TaskBrief(Frozen):
    """A task with nothing left to guess: what the agents work from."""

    task: TaskDescription
    """With task_type, data_modality, evaluation_metric and metric_direction filled in."""
    metric: Metric
    profile: DataProfile


class ModelCard(Frozen):
    """A candidate model that the retriever found: (T_model, T_code) of Algorithm 1."""

    name: str
    description: str = ""
    example_code: str = ""
    source: str = "library"
    """Where it comes from: the URL of a page, `model`, `library` or `user`."""


ErrorKind = Literal[
    "exception",
    "timeout",
    "killed",
    "out of memory",
    "disk",
    "output",
    "processes",
    "no score",
    "syntax",
    "bad submission",
    "no time left",
]


class ExecutionResult(Frozen):
    """What running one script came to. A failure is data, never an exception."""

    score: float | None = None
    """The last `Final Validation Performance: x` that it printed, if finite."""
    error: ErrorKind | None = None
    message: str = ""
    """For a person and for the debugger: the traceback's end, or the limit that was hit."""
    output: str = ""
    """Head and tail of what it printed; the whole is in `log`."""
    seconds: float = 0.0
    script_path: str = ""
    log_path: str = ""
    note: str = ""
    """What is to be said of how it was run, if it was not run as usual."""

    @property
    def ok(self) -> bool:
        """Whether the script ran to its end."""
        return self.error is None


class Solution(Frozen):
    """A script and the score h(s) that it printed; None when it never ran or printed none."""

    script: str
    score: float | None = None
    step: str = ""
    """The step that made it, such as `p1.t0.k2`: see `StepRecord`."""
    agent: str = ""
    models: tuple[str, ...] = ()
    """Names of the model cards that went into it."""
    cleared: tuple[str, ...] = ()
    """What the leakage checker has judged clean, or has put right: blocks, and calls that learn from rows."""


class Attempt(Frozen):
    """One plan for a code block or an ensemble, and what it scored: (p_k, h_k) of Algorithms 2 and 3."""

    plan: str
    score: float | None


class StepRecord(Frozen):
    """One line of a run's history: a script that was run, what it scored and what became of it."""

    step: str
    """Path, loop counters: `p1.candidate2`, `p1.merge1`, `p2.t3.ablation`, `p2.t3.k0`, `ensemble.r1`, `submission`."""
    agent: str
    score: float | None = None
    accepted: bool = False
    note: str = ""
    """The model's name, the plan, or why the step was skipped; bounded."""
    error: str | None = None
    seconds: float = 0.0
    script_path: str = ""

    def after(self, earlier: StepRecord | None) -> StepRecord:
        """Take the place of an earlier record of the same step, whose run still counts."""
        if earlier is None or self.seconds:
            return self
        return self.model_copy(update={"seconds": earlier.seconds, "script_path": earlier.script_path})


class ModelUse(Frozen):
    """What one agent took of one model in one phase."""

    agent: str = ""
    model: str = ""
    """`provider/id`."""
    phase: str = ""
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    """The part of the input that the provider had in its cache."""
    output_tokens: int = 0
    cost: float | None = None
    """US dollars; None where the price is not known."""

    @property
    def tokens(self) -> int:
        """All of them, read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: ModelUse) -> ModelUse:
        """Add what the same agent took, or whatever else is counted together."""
        known = None not in (self.cost, other.cost)
        return ModelUse(
            **{name: value for name in NAMES if (value := getattr(self, name)) == getattr(other, name)},
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS},
            cost=(self.cost or 0.0) + (other.cost or 0.0) if known else None,
        )


NAMES = ("agent", "model", "phase")
COUNTS = ("calls", "input_tokens", "cached_tokens", "output_tokens")


class Usage(Frozen):
    """What the models and the scripts took so far. Adds up with `+`, so that it can be a reducer's value.

    It grows no longer than there are agents, models and phases.
    """

    scripts: int = 0
    script_seconds: float = 0.0
    model_uses: tuple[ModelUse, ...] = ()

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            scripts=self.scripts + other.scripts,
            script_seconds=self.script_seconds + other.script_seconds,
            model_uses=_added_up((*self.model_uses, *other.model_uses), NAMES),
        )

    def by(self, *names: Literal["agent", "model", "phase"]) -> tuple[ModelUse, ...]:
        """Count together what has the same of these names, in order of appearance; without a name, everything."""
        return _added_up(self.model_uses, names)

    @property
    def total(self) -> ModelUse:
        """What all the agents took together."""
        return next(iter(self.by()), ModelUse(cost=0.0))

    @property
    def calls(self) -> int:
        """How many times a model was called."""
        return self.total.calls


def _added_up(uses: tuple[ModelUse, ...], names: tuple[str, ...]) -> tuple[ModelUse, ...]:
    groups: dict[tuple[str, ...], ModelUse] = {}
    for use in uses:
        key = tuple(getattr(use, name) for name in names)
        groups[key] = groups[key] + use if key in groups else use
    return tuple(groups.values())


class RunResult(Frozen):
    """What a run leaves behind."""

    run_id: str
    status: Literal["succeeded", "no submission", "no script ran", "paused", "failed"]
    final_score: float | None = None
    final_solution: str | None = None
    """The winner's script, in the form that scored `final_score`."""
    submission_path: str | None = None
    metric: Metric
    history: tuple[StepRecord, ...] = ()
    usage: Usage = Usage()
    seconds: float = 0.0
    message: str = ""
