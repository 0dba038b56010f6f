"""What things are: tasks, data profiles, solutions and the results of running them.

Every model is frozen and knows nothing of files, models or graphs. They travel inside the graphs' states, so they
must survive a checkpoint: plain types, tuples instead of lists, no references to live objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mle_star.models.metric import Metric

TaskType = Literal["classification", "regression", "other"]
Modality = Literal["tabular", "text", "image", "audio", "time_series", "other"]
Direction = Literal["maximize", "minimize"]


class Frozen(BaseModel):
    """A value: immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class FileProfile(Frozen):
    """One data file, or one folder of many alike files (images)."""

    path: str
    """Relative to the task's folder."""
    bytes: int
    rows: int | None = None
    columns: int | None = None
    files: int | None = None
    """How many files a folder holds; None for a file."""
    separator: str | None = None
    """What stands between a CSV's values, where it is not the comma: `pandas.read_csv(sep=...)`."""
    encoding: str | None = None
    """A CSV's encoding, where it is not UTF-8: `pandas.read_csv(encoding=...)`."""
    decimal: str | None = None
    """A CSV's decimal mark, where it is not the point: `pandas.read_csv(decimal=...)`."""
    remarks: int | None = None
    """Lines of remarks before a CSV's header, where there are any: `pandas.read_csv(skiprows=...)`."""


class ColumnProfile(Frozen):
    """One column of the training table, measured."""

    name: str
    kind: Literal["numeric", "boolean", "category", "text", "date", "path", "id", "constant"]
    dtype: str
    missing: float = 0.0
    """Share of missing values, 0 to 1."""
    unique: int | None = None
    examples: tuple[str, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    word_order: float | None = None
    """Of a text: bits by which a word tells of the next one, other than in the same texts with their words shuffled."""
    new_words: float | None = None
    """Of a text: share of words that do not occur in as many other texts, 0 to 1."""


class TargetProfile(Frozen):
    """The column (or columns) to predict."""

    names: tuple[str, ...]
    kind: Literal["binary", "multiclass", "multilabel", "numeric"]
    dtype: str
    classes: tuple[tuple[str, float], ...] = ()
    """(label, share) for a classification target, most frequent first; at most 100."""
    class_count: int | None = None
    order: tuple[str, ...] = ()
    """Worded classes from one end to the other, where the metric counts how far apart they are."""
    positives: tuple[str, ...] = ()
    """Where a column has two classes, the one that a single probability, or a metric of one class, is of: for each
    of `names` in turn, empty where it has another number of classes."""
    quantiles: tuple[float, ...] = ()
    """Minimum, 5%, 25%, 50%, 75%, 95%, maximum of a numeric target."""
    skew: float | None = None
    missing: float = 0.0
    as_text: bool = False
    """The column is to be read as text: its numbers are written for people, such as `$1,234`, or it has labels such as
    `007` or `NA`, which pandas takes for a number and a missing value: `pandas.read_csv(keep_default_na=False)`."""
    tags_column: str | None = None
    """The training column that lists those of `names` that are 1 in a row, where they have no columns of their own."""
    tags_separator: str | None = None
    """What stands between the names there."""


class SplitProfile(Frozen):
    """How the test rows differ from the training rows, measured: what the validation must imitate."""

    kind: Literal["random", "time", "group"] = "random"
    column: str | None = None
    """The time column that the test rows continue, or the group column whose values do not recur."""
    part: str | None = None
    """Where the group is a part of the column's text, such as `p12` in `p12_v3`: the pattern that finds it."""
    days: int | None = None
    """Where the groups are stretches of days of a date column: how many days the test's are long."""
    evidence: str = "test rows look like training rows"
    untrusted: tuple[str, ...] = ()
    """Columns that only count time (or rows): constant within a group, or beyond the training range in the test."""


class ImageProfile(Frozen):
    """Where the images are and how a table's row finds its file."""

    column: str | None
    """The column that names the file; None where the folder's name is the label."""
    train_pattern: str
    """Such as `train/{}.png`: the column's value goes into the braces; relative to the task's folder."""
    test_pattern: str
    width: int
    height: int
    mode: str
    """PIL's mode of a first image: L, RGB, RGBA, ..."""
    same_size: bool = True


class SubmissionFormat(Frozen):
    """What the submission file must look like."""

    columns: tuple[str, ...]
    id_column: str | None
    """The column that names the rows; None where there is none, or where several do so together."""
    prediction_columns: tuple[str, ...]
    rows: int | None = None
    sample_file: str | None = None
    values: Literal["labels", "probabilities", "numbers", "unknown"] = "unknown"
    id_as_text: bool = False
    """An id is a word such as `NA`, which pandas takes for a missing value: `read_csv(keep_default_na=False)`."""
    one_for_several: bool = False
    """Whether several test rows have the same key, and the sample asks for one prediction for each key."""
    separator: str | None = None
    """What stands between the labels where a cell lists several, best first."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that name the rows, together where there are several."""
        return tuple(name for name in self.columns if name not in self.prediction_columns)


class DataProfile(Frozen):
    """A task's data, measured once: what every prompt says of it."""

    files: tuple[FileProfile, ...]
    train_file: str | None = None
    more_train_files: tuple[str, ...] = ()
    """Further files of the training table, of the same columns, where it is cut into several."""
    labels_file: str | None = None
    """The table that holds the target, where the training table does not."""
    labels_key: str | None = None
    """The column that joins the two; without one they have the same rows in the same order."""
    test_file: str | None = None
    more_test_files: tuple[str, ...] = ()
    """Further files of the test table, likewise."""
    train_rows: int | None = None
    test_rows: int | None = None
    column_count: int | None = None
    columns: tuple[ColumnProfile, ...] = ()
    """The features, without id and target; at most 80, the rest is summed up in `more_columns`."""
    more_columns: str | None = None
    target: TargetProfile | None = None
    split: SplitProfile = SplitProfile()
    images: ImageProfile | None = None
    submission: SubmissionFormat | None = None
    warnings: tuple[str, ...] = ()
    """What looks odd but does not stop a run, such as a sample submission with fewer rows than the test set."""


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
