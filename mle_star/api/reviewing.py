"""A person's answers to a run's reviews, kept in its folder until the run has taken them: a kill loses none."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mle_star.models.review import ReviewAnswer
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.files import write_atomically

Answers = dict[str, ReviewAnswer]
"""By the ids of the reviews."""
ANSWERS = TypeAdapter(Answers)


def keep_answers(folder: Path, answers: Answers) -> None:
    """Write down what a person answered."""
    write_atomically(_file(folder), ANSWERS.dump_json(answers).decode())


def forget_answers(folder: Path) -> None:
    """Delete what the run has taken."""
    _file(folder).unlink(missing_ok=True)


def kept_answers(folder: Path) -> Answers:
    """Read what is kept; nothing where it can't be read, and the run asks again."""
    try:
        return ANSWERS.validate_json(_file(folder).read_bytes())
    except (OSError, ValidationError):
        return {}


async def answers_for(orchestrator: MLEStarOrchestrator, folder: Path, kept: Answers, *, stopped: bool) -> Answers:
    """Choose the answers to what a run waits for; one that was stopped skips what nobody answered."""
    if not kept and not stopped:
        return {}
    pending = {review.id for review in await orchestrator.pending(folder)}
    skipped = dict.fromkeys(pending, ReviewAnswer(action="skip")) if stopped else {}
    return skipped | {name: answer for name, answer in kept.items() if name in pending}


def _file(folder: Path) -> Path:
    return folder / "answers.json"
