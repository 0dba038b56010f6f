"""The record of a run, read off its folder: what a list needs, whoever drives the run."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mle_star.api.store import FINAL, RunRecord, RunStatus, Source
from mle_star.models.data_models import RunResult
from mle_star.models.review import WAITING
from mle_star.tools.progress import View, task_name
from mle_star.tools.run_folder import LANGGRAPH, About, RunFolder

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

ANSWER_SECONDS = 5.0
SLACK_SECONDS = 5.0
"""By which a run's end, told by its clock, may come before the time at which it was written down."""
IDLE = "its thread is idle: LangGraph's own API has it go on"
THREADS: dict[str, tuple[RunStatus, str]] = {
    "busy": ("running", ""),
    "interrupted": ("paused", IDLE),
    "error": ("failed", "the graph broke off: its thread says why"),
    "idle": ("paused", IDLE),
}
"""What the status of a LangGraph Server's thread says of a run that has not ended."""


def record_of(folder: RunFolder, about: About, source: Source) -> RunRecord:
    """Make the record of a run from its folder."""
    brief, result = folder.brief(), about.result
    created = datetime.fromisoformat(about.started).timestamp()
    return RunRecord(
        run_id=about.run_id, folder=str(folder.path), source=source,
        task=task_name(about.task.dataset_path), dataset_path=about.task.dataset_path, metric=about.metric,
        maximize=brief.metric.maximize if brief else None, model_provider=about.config.model_provider,
        model_id=about.config.model_id, status=about.status, created=created,
        score=result.final_score if result else None, reason=result.message if result else "",
        seconds=result.seconds if result else 0.0,
        finished=(created + result.seconds) if result and about.status in FINAL else None,
    )  # fmt: skip


def foreign_record(path: Path) -> RunRecord:
    """Look at a run that this API did not start: a terminal did, or LangGraph.

    Raises:
        ConfigError: Its `run.json` can't be read.
    """
    folder = RunFolder(path.absolute())
    about = folder.about()
    record = record_of(folder, about, "langgraph" if about.checkpoints == LANGGRAPH else "terminal")
    if record.status == "running" and not folder.at_work():
        record = record.model_copy(update={"status": "killed"})
    return record


def news_of(view: View) -> dict[str, Any]:
    """Give what changes in a run's record while it goes on."""
    return {"phase": view.phase, "score": view.best, "seconds": view.elapsed, "events": view.seq}


def may_have_changed(record: RunRecord) -> bool:
    """Tell whether a foreign run has to be looked at again: it goes on, or its thread has begun another one since."""
    if record.finished is None:
        return True
    try:
        written = (Path(record.folder) / "run.json").stat().st_mtime
    except OSError:
        return False
    return written > record.finished + SLACK_SECONDS


async def as_its_thread_says(record: RunRecord) -> RunRecord:
    """Correct the status of a LangGraph run that has not ended by what the server that we are mounted into says."""
    if record.source != "langgraph" or record.status in FINAL or "langgraph_api.server" not in sys.modules:
        return record
    try:
        thread = await _langgraph().threads.get(record.run_id)
    except Exception:  # no such thread any more, or a server that does not answer
        return record
    status, reason = THREADS.get(thread["status"], (record.status, record.reason))
    if status == "paused" and any(thread["interrupts"].values()):
        reason = WAITING
    return record.model_copy(update={"status": status, "reason": reason})


@cache
def _langgraph() -> LangGraphClient:
    """Reach the LangGraph Server of this process."""
    from langgraph_sdk import get_client

    return get_client(timeout=ANSWER_SECONDS)


def run_folders(runs_dir: Path) -> dict[str, Path]:
    """Find the folders of all runs, by their names."""
    return {path.parent.name: path.parent for path in runs_dir.absolute().glob("*/run.json")}


def end_before_it_began(folder: RunFolder) -> None:
    """Write down that a run was stopped in the queue."""
    about, brief = folder.about(), folder.brief()
    assert brief is not None, "a run is made with its brief"
    result = RunResult(
        run_id=about.run_id, status="no submission", metric=brief.metric, message="stopped before it began"
    )
    folder.write(about.model_copy(update={"status": result.status, "result": result}))
