"""What a run came to: the result at its end, and the table of all runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, Usage
from mle_star.models.errors import ConfigError
from mle_star.terminal.words import command, count, duration_text, money_text, near, score_text
from mle_star.tools.progress import View, new_view, task_name
from mle_star.tools.run_folder import About, RunFolder

ENDINGS = {
    "succeeded": "a valid submission",
    "no submission": "no valid submission",
    "no script ran": "no script ran",
    "paused": "paused",
    "failed": "failed",
}
COMPLETE = ("succeeded", "no submission", "no script ran")
"""Statuses of runs whose result counts all that was spent; the others' is in their replies and events."""
STYLES = {"succeeded": "green", "running": "cyan", "paused": "yellow", "killed": "yellow"}


def run_name(folder: RunFolder) -> str:
    """Name a run so that `mle-star resume` and `mle-star show` find it from here: its id, or its folder."""
    try:
        known = MLEStarConfig().runs_dir.absolute() / folder.path.name == folder.path
    except ValueError:
        known = False
    return folder.path.name if known else near(folder.path)


def result_lines(result: RunResult, folder: RunFolder) -> list[tuple[str, str]]:
    """Say what a run came to, as (what, text)."""
    name, ending = run_name(folder), ENDINGS[result.status]
    said = f": {result.message}" if result.message not in ("", "paused", "interrupted") else ""
    lines = [("result", ending + said)]
    if result.final_score is not None:
        metric = f"{result.metric.name}, {result.metric.direction}, on held-out rows"
        lines.append(("score", f"{result.final_score:.6g}  {metric}"))
    if result.submission_path:
        final = folder.path / "final"
        lines += [("submission", near(final / "submission.csv")), ("solution", near(final / "solution.py"))]
    usage = result.usage if result.status in COMPLETE else folder.spent()
    lines.append(("took", cost_text(result.seconds, usage)))
    if result.status == "no script ran":
        lines.append(("logs", near(folder.path / "scripts")))
    if result.status in ("paused", "failed"):
        lines.append(("resume", command("resume", name)))
    else:
        lines.append(("details", command("show", name)))
    return lines


def cost_text(seconds: float, usage: Usage) -> str:
    """Say what a run cost."""
    total = usage.total
    cost = f"{duration_text(seconds)}; {count(usage.scripts, 'script')}, {count(total.calls, 'model call')}"
    cost += f", {total.tokens:,} tokens" if total.tokens else ""
    return cost + (f", {money_text(total.cost)}" if total.cost else "")


def print_result(console: Console, result: RunResult, folder: RunFolder) -> None:
    """Print what a run came to."""
    lines = result_lines(result, folder)
    if not console.is_terminal:
        for what, text in lines:
            print(f"{what:<11}{text}")
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for what, text in lines:
        grid.add_row(Text(what, "dim"), Text(text, "bold" if what in ("score", "resume") else ""))
    console.print(Panel(grid, title=result.run_id, border_style=STYLES.get(result.status, "red"), expand=False))


class Glance(NamedTuple):
    """A run at a glance."""

    folder: RunFolder
    about: About
    status: str
    """As in run.json, but for `killed`: said to be running, and nobody is at work on it."""
    score: float | None
    seconds: float


def glance(folder: RunFolder) -> Glance:
    """Look at a run, whatever its status.

    Raises:
        ConfigError: Its run.json can't be read.
    """
    about = folder.about()
    status = about.status if about.status != "running" or folder.at_work() else "killed"
    result = about.result if status not in ("running", "killed") else None
    if result is not None and result.final_score is not None:
        return Glance(folder, about, status, result.final_score, result.seconds)
    view = follow_up(folder, about)
    seconds = result.seconds if result else view.elapsed if view else 0.0
    return Glance(folder, about, status, view.best if view else None, seconds)


def follow_up(folder: RunFolder, about: About) -> View | None:
    """Make the view of a run from its events; None if its brief is gone."""
    brief = folder.brief()
    return new_view(task_name(about.task.dataset_path), brief.metric, about.config, folder.events()) if brief else None


def print_runs(console: Console, runs_dir: Path, as_json: bool) -> None:
    """Print the runs in a folder, the newest last."""
    found: list[Glance] = []
    unreadable: list[str] = []
    for path in sorted(runs_dir.glob("*/run.json")):
        try:
            found.append(glance(RunFolder(path.parent.absolute())))
        except (ConfigError, ValueError, OSError) as error:
            unreadable.append(str(error).splitlines()[0])
    found.sort(key=lambda run: run.about.started)
    if as_json:
        print(json.dumps([_record(run) for run in found], indent=1))
        return
    if not found and not unreadable:
        console.print(f"no runs in {near(runs_dir.absolute())}: start one with `mle-star run TASK_DIR`")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("run", "task", "metric", "status"):
        table.add_column(name, overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("started", no_wrap=True)
    for run in found:
        status = Text(run.status, STYLES.get(run.status, "red"))
        table.add_row(
            run.about.run_id, task_name(run.about.task.dataset_path), run.about.metric, status,
            score_text(run.score), duration_text(run.seconds), local_time(run.about.started),
        )  # fmt: skip
    console.print(table)
    for line in unreadable:
        console.print(f"left out: {line}")


def _record(run: Glance) -> dict[str, Any]:
    return {
        "run_id": run.about.run_id,
        "task": task_name(run.about.task.dataset_path),
        "metric": run.about.metric,
        "status": run.status,
        "score": run.score,
        "seconds": run.seconds,
        "started": run.about.started,
        "folder": str(run.folder.path),
    }


def local_time(iso: str) -> str:
    """Show a UTC time as the clock on the wall does."""
    return datetime.fromisoformat(iso).replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
