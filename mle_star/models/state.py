"""The graphs' states: composed TypedDicts whose values are frozen models.

Lists that grow with the run are `DeltaChannel`s: a checkpoint then holds what a step added and not the whole list
again, so that the checkpoint file grows in step with the work. (A LangGraph Server's checkpoints give their items
back as plain dicts, hence the validation in the reducers.) Keys with a reducer are written by graphs to their
parents and never read from them, which would count everything twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired

from langgraph.channels import DeltaChannel, LastValue
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic reads no other TypedDict on Python 3.11

from mle_star.models.data_models import (
    Attempt,
    ExecutionResult,
    ModelCard,
    Solution,
    StepRecord,
    TaskDescription,
    Usage,
)
from mle_star.models.frozen import Frozen
from mle_star.models.metric import Metric


def extend(items: list[Any], batches: Sequence[list[Any]]) -> list[Any]:
    """Append every batch in order: the reducer of the lists that grow."""
    return [*items, *(item for batch in batches for item in batch)]


def latest(records: list[StepRecord], batches: Sequence[list[StepRecord]]) -> list[StepRecord]:
    """Append every batch in order; a later record of a step takes the place of the earlier one."""
    steps: dict[str, StepRecord] = {}
    for item in extend(records, batches):
        record = StepRecord.model_validate(item)
        steps[record.step] = record.after(steps.get(record.step))
    return list(steps.values())


def tried(attempts: list[Attempt], batches: Sequence[list[Attempt]]) -> list[Attempt]:
    """Append every batch in order."""
    return [Attempt.model_validate(item) for item in extend(attempts, batches)]


def added(usage: Usage, more: Usage) -> Usage:
    """Add up what was taken."""
    return Usage.model_validate(usage) + Usage.model_validate(more)


def gathered(solutions: list[Solution], more: list[Solution]) -> list[Solution]:
    """Append solutions, as paths that run side by side hand them in."""
    return [Solution.model_validate(item) for item in (*solutions, *more)]


class Validated(LastValue[Any]):
    """The last value, made an instance of the key's type: what comes over HTTP, or from Studio's form, is JSON."""

    def update(self, values: Sequence[Any]) -> bool:
        """Take on the value.

        Raises:
            pydantic.ValidationError: It has not the form of the type.
        """
        return super().update([TypeAdapter(self.typ).validate_python(value) for value in values])


class Draft(Frozen):
    """A script that is about to be run, and what it has to deliver."""

    step: str
    agent: str
    script: str
    models: tuple[str, ...] = ()
    note: str = ""
    delivers: Literal["score", "output", "submission"] = "score"
    cleared: tuple[str, ...] = ()
    """What the leakage checker has judged before: preprocessing blocks, and calls that learn from rows."""


class Outcome(Frozen):
    """What became of a draft after leakage check, execution and repairs."""

    draft: Draft
    """With the script in its last form."""
    result: ExecutionResult

    @property
    def solution(self) -> Solution:
        """The draft with its score; None when it failed for good."""
        draft = self.draft
        return Solution(
            script=draft.script,
            score=self.result.score if self.result.ok else None,
            step=draft.step,
            agent=draft.agent,
            models=draft.models,
            cleared=draft.cleared,
        )


_VALUES: list[type] = [*Frozen.__subclasses__(), Metric]
CHECKPOINTED_TYPES = tuple((cls.__module__, cls.__name__) for cls in _VALUES)
"""What a checkpoint may hold beside plain values: read back as these types, and nothing else is."""


class Accounting(TypedDict, total=False):
    """What every graph reports to its parent. Written by all agents, read by no node."""

    history: Annotated[list[StepRecord], DeltaChannel(latest)]
    """One record for each step: a script that was run, or what was skipped."""
    usage: Annotated[Usage, added]
    """Model calls, tokens and script time since the graph began."""


class EvaluationInput(TypedDict):
    draft: Draft


class EvaluationOutput(TypedDict):
    outcome: Outcome
    """Written by execute."""
    usage: Annotated[Usage, added]


class EvaluationState(EvaluationInput, EvaluationOutput):
    repairs: int
    """How many times the debugger was asked; written by it."""


class PathInput(TypedDict):
    task: Annotated[TaskDescription, Validated]
    path: NotRequired[int]
    """1 .. L; which solution path this is."""


class CandidateInput(TypedDict):
    path: int
    number: int
    """1 .. M"""
    card: ModelCard


class CandidateOutput(Accounting):
    candidates: Annotated[list[Solution], gathered]
    """Those that ran; in no particular order."""


class CandidateState(CandidateInput, CandidateOutput):
    draft: Draft | None
    """What is to be run next; None when no usable script came."""
    outcome: Outcome


class InitialOutput(Accounting):
    solution: Solution | None
    """s_0; None when no candidate ran."""


class InitialState(PathInput, InitialOutput):
    cards: tuple[ModelCard, ...]
    """Written by retriever."""
    candidates: Annotated[list[Solution], gathered]
    ranked: tuple[Solution, ...]
    """The candidates still to merge, best first; written by rank and judge_merge."""
    merges: int
    """The number of the merge, from 1."""
    draft: Draft | None
    outcome: Outcome
    better: bool
    """Whether the last merge was accepted; written by judge_merge."""
    spent: bool
    """Whether the time for the paths is over."""


class RefinementInput(PathInput):
    solution: Annotated[Solution, Validated]
    """s_t: what the current outer step began with."""


class RefinementOutput(Accounting):
    solution: Annotated[Solution, Validated]


class RefinementState(RefinementInput, RefinementOutput):
    outer: int
    """t; written by judge and skip."""
    inner: int
    """k; written by extractor and judge."""
    draft: Draft | None
    outcome: Outcome
    summaries: Annotated[list[str], DeltaChannel(extend)]
    blocks: Annotated[list[str], DeltaChannel(extend)]
    """Code blocks refined so far: c_0 .. c_t; written by extractor."""
    block: str
    """c_t, as it stands in the solution; written by extractor."""
    summary: str
    plan: str | None
    """p_k; None when no usable plan came."""
    attempts: Annotated[list[Attempt], DeltaChannel(tried)]
    """(p_k, h_k) of the current block."""
    decision: str
    """What a person answered to the plan; written by review."""
    best: Solution | None
    """The best candidate of the current block."""
    spent: bool


class EnsembleInput(TypedDict):
    task: Annotated[TaskDescription, Validated]
    solutions: Annotated[list[Solution], Validated]


class EnsembleOutput(Accounting):
    solution: Solution | None
    """The best ensemble if it beats every single solution, else the best of these."""


class EnsembleState(EnsembleInput, EnsembleOutput):
    round: int
    """r; written by judge."""
    plan: str | None
    attempts: Annotated[list[Attempt], DeltaChannel(tried)]
    draft: Draft | None
    outcome: Outcome
    spent: bool


class SubmissionInput(TypedDict):
    path: NotRequired[int]
    """Which path's first solution this is; none for the submission at the end."""
    ranked: tuple[Solution, ...]
    """Best first, but for those that are likely to be late: what to submit if the one before can't be."""
    ready: tuple[str, ...]
    """The steps of solutions of which a valid submission is there already."""


class SubmissionOutput(Accounting):
    final_score: float | None
    final_solution: str | None
    submission_path: str | None
    submissions: Annotated[list[Solution], gathered]
    """Solutions that a valid submission was made from."""


class SubmissionState(SubmissionInput, SubmissionOutput):
    submitted: int
    """How many solutions were tried."""
    hopes: bool
    """There is a valid submission, and a better solution, which is likely to be late, is tried in the time left."""
    draft: Draft | None
    outcome: Outcome


class PathOutput(Accounting):
    solutions: Annotated[list[Solution], gathered]
    submissions: Annotated[list[Solution], gathered]


class PathState(PathInput, PathOutput):
    solution: Solution | None


class PipelineInput(TypedDict):
    task: Annotated[TaskDescription, Validated]


class PipelineOutput(Accounting):
    final_score: float | None
    final_solution: str | None
    submission_path: str | None


class PipelineState(PipelineInput, PipelineOutput):
    solutions: Annotated[list[Solution], gathered]
    submissions: Annotated[list[Solution], gathered]
    """Solutions that were submitted while the search went on."""
    solution: Solution | None
    """The winner; written by ensemble."""
    ranked: tuple[Solution, ...]
    """The winner, then the other solutions, best first; written by choose, as `ready`."""
    ready: tuple[str, ...]
