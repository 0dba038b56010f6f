"""`mle-star show`: one run in full, whatever became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from mle_star.models.data_models import NAMES, StepRecord, Usage
from mle_star.models.errors import ConfigError
from mle_star.models.events import Event, Phase
from mle_star.terminal.live import trail_text
from mle_star.terminal.report import (
    COMPLETE,
    STYLES,
    Glance,
    cost_text,
    follow_up,
    glance,
    local_time,
    result_lines,
    run_name,
)
from mle_star.terminal.words import command, money_text, near, one_line, outcome, score_text
from mle_star.tools.progress import View
from mle_star.tools.run_folder import RunFolder


def show_run(console: Console, folder: RunFolder, as_json: bool) -> None:
    """Print everything that matters of a run.

    Raises:
        ConfigError: The run can't be read.
    """
    run = glance(folder)
    if as_json:
        print(json.dumps(as_record(run), indent=1, ensure_ascii=False))
        return
    view = follow_up(folder, run.about)
    direction = f", {view.metric.direction}" if view else ""
    console.print(Text(run.about.run_id, "bold"))
    console.print(f"task     {near_task(run)}")
    console.print(f"metric   {run.about.metric}{direction}")
    status = (run.status, STYLES.get(run.status, "red"))
    console.print(Text.assemble("status   ", status, f", started {local_time(run.about.started)}"))
    steps = folder.history()
    for title, part in by_path(steps):
        _headline(console, title)
        console.print(_table(part, steps, console))
    if summaries := ablation_summaries(steps):
        _headline(console, "ablation studies")
        for step, summary in summaries:
            console.print(Text(step, "bold"))
            for line in summary.splitlines():
                console.print(Padding(Text(one_line(line, 600)), (0, 0, 0, 2), expand=False))
    usage = usage_of_run(run)
    if usage.calls:
        _headline(console, "model calls")
        console.print(usage_table(usage, console))
    console.print()
    _print_ending(console, run, view, steps)


def near_task(run: Glance) -> str:
    """Say where the task's data is."""
    return near(Path(run.about.task.dataset_path))


def by_path(steps: list[StepRecord]) -> list[tuple[str, list[StepRecord]]]:
    """Group the steps by solution path, then ensemble and submission; in each, in the order in which they ended."""
    groups: dict[str, list[StepRecord]] = {}
    for record in steps:
        path = Event(seq=0, elapsed=0, kind="step", step=record.step).path
        groups.setdefault(f"path {path}" if path else record.step.partition(".")[0], []).append(record)
    order = {"ensemble": 1, "submission": 2}
    return sorted(groups.items(), key=lambda group: (order.get(group[0], 0), len(group[0]), group[0]))


def ablation_summaries(steps: list[StepRecord]) -> list[tuple[str, str]]:
    """Give what each ablation study found, by step."""
    return sorted((record.step, record.note) for record in steps if record.step.endswith(".ablation") and record.note)


def winning_step(folder: RunFolder) -> str:
    """Name the step whose solution was submitted; empty if none was."""
    kept = folder.submission()
    return kept.step if kept else ""


def _headline(console: Console, title: str) -> None:
    console.print(Rule(title, style="dim", align="left") if console.is_terminal else f"\n{title}")


def _table(steps: list[StepRecord], whole: list[StepRecord], console: Console) -> Table:
    """Lay out a part of the steps, with the columns as wide as the whole run's."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, expand=console.is_terminal)
    for width in (max(len(record.step) for record in whole), max(len(record.agent) for record in whole)):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(justify="right", no_wrap=True, min_width=7)
    table.add_column(no_wrap=True, min_width=8)
    table.add_column(justify="right", no_wrap=True, min_width=6)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)  # the notes take what room is left
    for record in steps:
        result, accepted = outcome(record)
        note = "" if record.step.endswith(".ablation") else one_line(record.note, 90)
        table.add_row(
            record.step, record.agent, Text(result, "red" if record.error else ""),
            Text("accepted" if accepted else "", "green"), f"{record.seconds:.1f}s", Text(note, "dim"),
        )  # fmt: skip
    return table


def usage_of_run(run: Glance) -> Usage:
    """Say what a run took, be it at its end or under way."""
    ended = run.about.result if run.status in COMPLETE else None
    return ended.usage if ended else run.folder.spent()


def usage_table(usage: Usage, console: Console) -> Table:
    """Lay out what each agent took of each model in each phase, and all of them together."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    for name in ("agent", "phase", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("calls", "read", "cached", "written", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    rows = sorted(
        usage.model_uses, key=lambda use: (get_args(Phase).index(use.phase), -use.tokens) if use.phase else (9,)
    )
    for use in (*rows, usage.total.model_copy(update=dict.fromkeys(NAMES, "") | {"agent": "all"})):
        table.add_row(
            use.agent, use.phase, use.model, f"{use.calls:,}", f"{use.input_tokens:,}",
            f"{use.cached_tokens:,}" if use.cached_tokens else "", f"{use.output_tokens:,}",
            "unknown" if use.cost is None else money_text(use.cost) if use.cost else "",
        )  # fmt: skip
    return table


def usage_record(usage: Usage) -> dict[str, Any]:
    """Put what a run took into plain values: the totals, then each part."""
    total = usage.total.model_dump(exclude=set(NAMES))
    return total | usage.model_dump()


def _print_ending(console: Console, run: Glance, view: View | None, steps: list[StepRecord]) -> None:
    result = run.about.result if run.status not in ("running", "killed") else None
    lines = result_lines(result, run.folder)[:-1] if result else [("result", run.status)]
    if winner := winning_step(run.folder):
        lines.insert(1, ("winner", winner))
    elif view and view.best is not None:
        lines.insert(1, ("best yet", f"{score_text(view.best)}  {view.best_step}"))
    if view and len(view.trail) > 1:
        lines.insert(2, ("moved", trail_text(view.trail)))
    if result is None:
        lines.append(("took", cost_text(run.seconds, run.folder.spent())))
    if run.status in ("killed", "paused", "failed"):
        lines.append(("resume", command("resume", run_name(run.folder))))
    lines.append(("folder", near(run.folder.path)))
    for what, text in lines:
        console.print(Text.assemble((f"{what:<11}", "dim"), text), soft_wrap=True)


def as_record(run: Glance) -> dict[str, Any]:
    """Put a run into plain values, for machines."""
    folder, about = run.folder, run.about
    brief, steps = folder.brief(), folder.history()
    view = follow_up(folder, about)
    ended = about.result if run.status not in ("running", "killed") else None
    submission = folder.path / "final" / "submission.csv"
    solution = folder.path / "final" / "solution.py"
    return {
        "run_id": about.run_id,
        "status": run.status,
        "message": ended.message if ended else "",
        "folder": str(folder.path),
        "task": about.task.dataset_path,
        "metric": about.metric,
        "maximize": brief.metric.maximize if brief else None,
        "started": about.started,
        "seconds": run.seconds,
        "score": run.score,
        "winner": winning_step(folder) or (view.best_step if view else ""),
        "trail": list(view.trail) if view else [],
        "submission": str(submission) if submission.is_file() else None,
        "solution": str(solution) if solution.is_file() else None,
        "usage": usage_record(usage_of_run(run)),
        "steps": [record.model_dump(exclude={"script_path"}) for record in steps],
        "config": about.config.model_dump(mode="json"),
    }


def print_script(folder: RunFolder, step: str) -> None:
    """Print the script of a step, in the last form in which it was run.

    Raises:
        ConfigError: The step has none.
    """
    result = folder.about().result
    history = result.history if result else ()
    # a step whose script another step had run before has no events of its own
    scripts = {record.step: Path(record.script_path).name for record in history if record.script_path}
    for event in folder.events():
        if event.kind == "script started":
            scripts[event.step] = event.message
    if step not in scripts:
        known = ", ".join(scripts) or "none yet"
        raise ConfigError(f"no script of step {step} was run; steps with one: {known}")
    print((folder.path / "scripts" / scripts[step]).read_text(encoding="utf-8"), end="")
