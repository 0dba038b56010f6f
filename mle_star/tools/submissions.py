"""The submission on disk: each valid one beside the script that wrote it, the best of them in `final/`."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import ValidationError

from mle_star.execution.workdir import artefact
from mle_star.models.data_models import ExecutionResult, Solution, TaskBrief
from mle_star.models.frozen import Frozen
from mle_star.models.metric import Metric
from mle_star.tools.files import write_atomically

RECORD = "submission.json"


class Kept(Frozen):
    """What `final/submission.json` says of the submission beside it."""

    step: str
    """The step of the solution that it was made from."""
    score: float | None
    """What that solution scored."""
    made_by: str
    """The script that wrote it."""


def written_by(script: str | Path) -> Path:
    """Say where the valid submission of a script is kept."""
    return Path(script).with_suffix(".csv")


def collect(brief: TaskBrief, workdir: Path, result: ExecutionResult) -> ExecutionResult:
    """Check the submission that a script wrote, and put it beside the script when it is valid."""
    from mle_star.tools.submission_check import check_submission

    if not result.ok:
        return result
    written = artefact(workdir, "final/submission.csv")
    problems = check_submission(written, brief)
    if written is None or problems:
        message = "The submission is not valid:\n" + "\n".join(f"- {problem}" for problem in problems)
        return result.model_copy(update={"error": "bad submission", "message": message})
    written.replace(written_by(result.script_path))
    return result


def kept(final: Path) -> Kept | None:
    """Read which submission is in `final/`; None when there is none."""
    try:
        record = Kept.model_validate_json((final / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
    return record if (final / "submission.csv").is_file() else None


def keep(final: Path, metric: Metric, source: Solution, result: ExecutionResult) -> None:
    """Put a valid submission into `final/`, with the script that wrote it; a better one that is there stays.

    What was broken off is done again whole: the record is written last.
    """
    before = kept(final)
    if before is not None and _order(metric, before.step, before.score) < _order(metric, source.step, source.score):
        return
    copies = {"submission.csv": written_by(result.script_path), "solution.py": Path(result.script_path)}
    for name, path in copies.items():
        temporary = final / f".{name}.tmp"
        shutil.copyfile(path, temporary)
        temporary.replace(final / name)
    record = Kept(step=source.step, score=source.score, made_by=Path(result.script_path).name)
    write_atomically(final / RECORD, record.model_dump_json(indent=1))


def discard(final: Path) -> None:
    """Take away what an earlier run left behind in the same folder."""
    for name in (RECORD, "submission.csv", "solution.py"):
        (final / name).unlink(missing_ok=True)


def _order(metric: Metric, step: str, score: float | None) -> tuple[object, ...]:
    """Best first; the same, whichever of two with the same score was there first."""
    return (*metric.sort_key(score), step)
