"""What goes over the wire: requests, checked to the last field, and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from mle_star.api.insight import AgentView, AttemptView
from mle_star.api.store import RunRecord
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Direction, Modality, StepRecord, TaskType, Usage
from mle_star.models.review import Review, ReviewAnswer

RUNS_OWN = {
    "num_retrieved_models", "outer_loop_iterations", "inner_loop_iterations", "ensemble_iterations", "num_solutions",
    "max_debug_retries", "leakage_check", "subsample_size", "seed", "model_provider", "model_id", "temperature",
    "max_tokens", "context_tokens", "model_timeout", "model_retries", "reply_retries", "time_limit", "script_timeout",
    "search_engine", "search_queries", "search_pages", "token_budget", "cost_budget", "review", "ollama_base_url",
    "openai_base_url",
}  # fmt: skip
"""Settings that a request may give; an address, only where the server lets requests name addresses."""
SERVERS_OWN = {
    "runs_dir", "out_dir", "prompts_dir", "model_cards", "prices", "reply_cache", "models", "openai_api_key_env",
    "parallel_calls", "parallel_scripts", "warm", "cache", "require_isolation", "allow_network", "memory_limit",
    "disk_limit", "max_processes", "output_limit", "execution_backend", "docker_image", "docker_url", "script_cpus",
    "script_gpus", "ray_address", "ray_shared_data",
}  # fmt: skip
"""Settings that a request has no say in: the machine's, its files', its keys'. A new one is in neither until it is put
into one of the two; a request can't give it before."""
Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
Prose = Annotated[str, StringConstraints(max_length=200_000, pattern=r"^[^\x00]*$")]


class Request(BaseModel):
    """A request's body: strict about its fields."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


def request_fields(endpoints: bool) -> dict[str, Any]:
    """List the settings that a request may give: none that leads to this machine's files or, by default, elsewhere."""
    return {
        name: field
        for name, field in MLEStarConfig.model_fields.items()
        if name in RUNS_OWN and (endpoints or not name.endswith("_url"))
    }


RunConfig: type[Request] = create_model(
    "RunConfig",
    __base__=Request,
    __doc__="The settings of a run; what is left out is the server's own default.",
    **cast(Any, {name: (field.annotation, field) for name, field in request_fields(endpoints=True).items()}),
)


def _either(given: str, other: str) -> dict[str, Any]:
    named = {given: {"type": "string", "minLength": 1}, other: {"enum": [None, ""]}}
    return {"required": [given], "properties": named}


class TaskRequest(Request):
    """What is to be solved: an uploaded data set, or a folder that the server knows."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [_either("dataset", "dataset_path"), _either("dataset_path", "dataset")]},
    )
    dataset: Line | None = Field(None, description="Id of an uploaded data set.", examples=["titanic-1a2b3c4d"])
    dataset_path: Line | None = Field(None, description="Folder under one of the server's roots, instead.")
    description: Prose = Field("", description="The task in words; left out: what the folder says.")
    task_type: TaskType | None = None
    data_modality: Modality | None = None
    evaluation_metric: Line | None = Field(None, examples=["accuracy"])
    metric_direction: Direction | None = None
    target: Line | Annotated[list[Line], Field(max_length=1_000)] | None = None
    id_column: Line | None = None


class StartRequest(Request):
    """A run to start."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "task": {"dataset": "titanic-1a2b3c4d", "evaluation_metric": "accuracy"},
                    "config": {"model_provider": "offline", "outer_loop_iterations": 2},
                }
            ]
        },
    )
    task: TaskRequest
    config: RunConfig = Field(default_factory=RunConfig)


class ReviewAnswers(Request):
    """A person's answers to what a run waits for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"answers": {"4cf0e1d2a3b4c5d6": {"action": "edit", "plan": "Use target encoding."}}}]
        },
    )
    answers: dict[str, ReviewAnswer] = Field(
        min_length=1, max_length=1_000, description="By the reviews' ids; what is left out is asked again."
    )


class ReviewList(BaseModel):
    """What a run waits for a person to answer."""

    reviews: list[Review]


class RunSummary(BaseModel):
    """A run in the list."""

    model_config = ConfigDict(protected_namespaces=())

    run_id: str
    task: str
    metric: str
    maximize: bool | None
    model_provider: str
    model_id: str
    status: str = Field(examples=["running"])
    source: str = Field(
        description="What started it: `server`, this one; `terminal`; or `langgraph`, by its API or in Python."
    )
    wish: str = Field(description="What a person wants of it: run, pause or stop.")
    reason: str = Field(description="Why it has its status, where that needs saying.")
    phase: str | None
    score: float | None = Field(description="Of the best solution so far, on held-out rows.")
    seconds: float
    created: float = Field(description="Seconds since 1970.")
    finished: float | None
    queue_place: int | None = Field(description="From 1; null when it does not wait for its turn.")

    @classmethod
    def of(cls, record: RunRecord, place: int | None) -> RunSummary:
        """Leave out what is the server's own business."""
        return cls(**record.model_dump(include=set(cls.model_fields)), queue_place=place)


class RunPage(BaseModel):
    """One page of the list, newest first."""

    runs: list[RunSummary]
    total: int
    next: str | None = Field(description="Give it as `after` to get the next page; null on the last.")


class PathStatus(BaseModel):
    """One solution path."""

    number: int
    step: str
    agent: str
    script_runs: bool
    done: int
    total: int
    score: float | None
    score_step: str


class Progress(BaseModel):
    """How far a run has come, by the steps that its settings ask for."""

    done: int
    total: int
    share: float = Field(ge=0, le=1)


class RunStatus(BaseModel):
    """One run in full."""

    run: RunSummary
    progress: Progress
    paths: list[PathStatus]
    agents: list[AgentView] = Field(description="Each of the 14 agents.")
    best_score: float | None
    best_step: str
    best_history: list[float] = Field(description="The best score, each time that it changed.")
    scripts: int
    scripts_failed: int
    usage: Usage
    events: int = Field(description="Number of the last event.")
    error: str | None
    submission: bool = Field(description="Whether there is a submission to download.")
    config: dict[str, Any]


class EventPage(BaseModel):
    """Events in order."""

    events: list[dict[str, Any]]
    next: int | None = Field(description="Give it as `after` to go on; null when there is no more yet.")


class StepPage(BaseModel):
    """Steps: ablation studies, ensembles."""

    items: list[StepRecord]
    total: int


class AttemptPage(BaseModel):
    """Attempts on code blocks, each with its diff."""

    items: list[AttemptView]
    total: int


class SolutionView(BaseModel):
    """The best solution so far, or the one that was submitted."""

    script: str
    step: str
    score: float | None
    final: bool = Field(description="Whether it is the one that wrote the submission.")


class Preview(BaseModel):
    """The first rows of a table."""

    columns: list[str]
    rows: list[list[str]]
    total_rows: int


class FileView(BaseModel):
    """One file of a data set."""

    path: str
    bytes: int
    rows: int | None = None
    columns: list[str] | None = None


class DatasetView(BaseModel):
    """An uploaded data set with what was found in it."""

    id: str
    name: str
    bytes: int
    created: float
    files: list[FileView] = Field(description="The first 200.")
    file_count: int
    problem: str = Field("", description="Why it can't be used as it is; empty when nothing is known to be wrong.")


class DatasetList(BaseModel):
    """All uploaded data sets, newest first."""

    datasets: list[DatasetView]


class Setting(BaseModel):
    """One setting of a run."""

    name: str
    description: str
    default: Any
    type: str = Field(examples=["integer"])
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    choices: list[str] | None = None
    optional: bool = False


class Defaults(BaseModel):
    """The settings that a request may give."""

    settings: list[Setting]


class ProviderView(BaseModel):
    """A model provider, and whether it answers."""

    name: str
    ready: bool
    detail: str
    models: list[str] = []


class Providers(BaseModel):
    """All providers."""

    providers: list[ProviderView]


class Health(BaseModel):
    """Whether the server is alive, or ready."""

    status: Literal["ok", "starting", "not ready"]
    version: str
    checks: dict[str, str] = {}
