"""The run's history: one record for each decision, told as an event too."""

from __future__ import annotations

from mle_star.models.data_models import ExecutionResult, Solution, StepRecord
from mle_star.models.state import Outcome
from mle_star.tools.run import Run

NOTE_LENGTH = 600


async def record(run: Run, outcome: Outcome, *, accepted: bool = False) -> list[StepRecord]:
    """Note what a script came to and whether its solution was taken on; of a submission that failed, why."""
    draft, result = outcome.draft, outcome.result
    note = f"{draft.note}: {_reason(result)}" if draft.delivers == "submission" and not result.ok else draft.note
    entry = StepRecord(
        step=draft.step,
        agent=draft.agent,
        score=result.score if result.ok else None,
        accepted=accepted,
        note=note[:NOTE_LENGTH],
        error=result.error,
        seconds=result.seconds,
        script_path=result.script_path,
    )
    return await _enter(run, entry)


def _reason(result: ExecutionResult) -> str:
    """Put what a failure says into a line: what is wrong with the submission, or the last line of a traceback."""
    lines = [line.strip() for line in result.message.splitlines() if line.strip()]
    if result.error == "bad submission":
        return "; ".join(line.removeprefix("- ") for line in lines[1:])
    return lines[-1] if lines else str(result.error)


async def promote(run: Run, solution: Solution) -> list[StepRecord]:
    """Note that the best candidate became s_0."""
    entry = StepRecord(
        step=solution.step,
        agent=solution.agent,
        score=solution.score,
        accepted=True,
        note=", ".join(solution.models)[:NOTE_LENGTH],
    )
    return await _enter(run, entry)


async def record_submission(run: Run, step: str, solution: Solution) -> list[StepRecord]:
    """Note that what was submitted early is the submission."""
    entry = StepRecord(step=step, agent="submission", accepted=True, note=f"from {solution.step}")
    return await _enter(run, entry)


async def record_skip(run: Run, step: str, agent: str, reason: str) -> list[StepRecord]:
    """Note a step that came to nothing, with the reason."""
    return await _enter(run, StepRecord(step=step, agent=agent, note=reason[:NOTE_LENGTH], error="skipped"))


async def _enter(run: Run, entry: StepRecord) -> list[StepRecord]:
    if entry.accepted:
        run.clock.accepted(entry.step)
    await run.emit(
        "step", step=entry.step, agent=entry.agent, score=entry.score, accepted=entry.accepted,
        message=entry.note, error=entry.error, seconds=entry.seconds,
    )  # fmt: skip
    return [entry]
