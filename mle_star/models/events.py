"""Progress events: what a run tells of itself, live and in `events.jsonl`."""

from __future__ import annotations

from typing import Literal

from mle_star.models.frozen import Frozen

Kind = Literal[
    "run started",
    "run resumed",
    "agent started",
    "agent finished",
    "script started",
    "script finished",
    "step",
    "note",
    "run finished",
]
Phase = Literal["initial", "refinement", "ensemble", "submission"]


class Event(Frozen):
    """One line of `events.jsonl`."""

    seq: int
    """Counts from 1 within a run."""
    elapsed: float
    """Seconds that the run was active before, pauses left out."""
    kind: Kind
    step: str = ""
    agent: str = ""
    message: str = ""
    score: float | None = None
    accepted: bool | None = None
    """For a step: whether its solution was taken on."""
    seconds: float | None = None
    tokens: int | None = None
    """For an agent's call: what it read and wrote."""
    cost: float | None = None
    """For an agent's call, in US dollars, where the price is known."""
    error: str | None = None

    @property
    def path(self) -> int | None:
        """The solution path, 1 .. L; None outside of the paths."""
        return path_of(self.step)

    @property
    def phase(self) -> Phase | None:
        """The phase that the step belongs to."""
        return phase_of(self.step)


def path_of(step: str) -> int | None:
    """Say which solution path a step belongs to, 1 .. L; None outside of the paths."""
    head = step.partition(".")[0]
    return int(head[1:]) if head[:1] == "p" and head[1:].isdigit() else None


def phase_of(step: str) -> Phase | None:
    """Say which phase a step belongs to; what a path submits early is submission."""
    head, _, rest = step.partition(".")
    if head in ("ensemble", "submission"):
        return head  # type: ignore[return-value]
    if path_of(step) is None:
        return None
    if rest == "submission":
        return "submission"
    return "refinement" if rest[:1] == "t" and rest[1:2].isdigit() else "initial"
