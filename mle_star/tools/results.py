"""What a run came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mle_star.models.data_models import RunResult, Usage
from mle_star.models.errors import MLEStarError
from mle_star.tools.run_folder import About, RunFolder

Ending = Literal["succeeded", "no submission", "no script ran", "paused", "failed"]


def result_of(
    folder: RunFolder,
    about: About,
    state: Mapping[str, Any],
    *,
    seconds: float,
    cut_short: str = "",
    ending: tuple[Ending, str] | None = None,
) -> RunResult:
    """Make the result of a run from the graph's state and the run's folder, which is read.

    Args:
        state: The values of the parent graph.
        seconds: For which the run was active.
        cut_short: Which limit ended a phase before its time.
        ending: The status, and why, of a run that did not come to the graph's end.

    Raises:
        MLEStarError: The folder lost what was found out about the task.
    """
    brief, history, early = folder.brief(), folder.history(), folder.submission()
    if brief is None:
        raise MLEStarError("the run's brief.json is gone")
    score, submission = state.get("final_score"), state.get("submission_path")
    if early and not submission:  # broken off, with a submission from before
        score, submission = early.score, str(folder.path / "final" / "submission.csv")
    if ending is None:
        message = "stopped before its end" if folder.stopped else cut_short
        ran = message or any(record.score is not None for record in history)
        status: Ending = "succeeded" if submission else "no submission" if ran else "no script ran"
        if status == "no submission" and not message:
            message = next(
                (f"{r.error}, {r.note}" for r in reversed(history) if r.agent == "submission" and r.error), ""
            )
    else:
        status, message = ending
    return RunResult(
        run_id=about.run_id,
        status=status,
        message=message,
        final_score=score,
        final_solution=state.get("final_solution"),
        submission_path=submission,
        metric=brief.metric,
        history=tuple(history),
        usage=state.get("usage") or Usage(),
        seconds=round(seconds, 1),
    )
