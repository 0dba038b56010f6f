"""The live view: a picture of a `View` for a terminal, and plain lines for everything else."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mle_star.terminal.words import count, duration_text, money_text, near, one_line, outcome, score_text

if TYPE_CHECKING:
    from mle_star.models.events import Event
    from mle_star.tools.progress import PathView, View

BAR = 18
TRAIL = 6
PAUSING = "pausing after the scripts that are running; Ctrl-C again to stop at once"
STOPPING = "stopping at once"


class Screen(Protocol):
    """What a run is shown on."""

    def __enter__(self) -> Screen: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def begin(self, view: View, folder: Path) -> None:
        """The run has a folder now."""

    def show(self, view: View, event: Event) -> None:
        """Something happened."""

    def say(self, text: str) -> None:
        """Tell the person something about the run as a whole."""


def make_console(stderr: bool = False) -> Console:
    """Make a console that sends ANSI codes to terminals only and does not cut what goes into a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    width = None if terminal else 200
    return Console(stderr=stderr, force_terminal=terminal, width=width, highlight=False, markup=False, emoji=False)


def make_screen(console: Console) -> Screen:
    """Choose by what the output is."""
    return LiveScreen(console) if console.is_terminal and not console.is_dumb_terminal else LineScreen()


class LineScreen:
    """One line for each step. A reader who goes away does not end the run."""

    def __init__(self) -> None:
        self._open = True

    def __enter__(self) -> LineScreen:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def begin(self, view: View, folder: Path) -> None:
        self._print(f"{view.task}: {view.metric.name}, {view.metric.direction}; run in {near(folder)}")

    def show(self, view: View, event: Event) -> None:
        if event.kind in ("step", "note"):
            self._print(step_line(event))

    def say(self, text: str) -> None:
        self._print(text)

    def _print(self, text: str) -> None:
        if not self._open:
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:
            self._open = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class LiveScreen:
    """A picture that is drawn again twice a second, and taken away at the end."""

    def __init__(self, console: Console) -> None:
        self.view: View | None = None
        self.said = "checking the task and the model"
        self._told = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=2, transient=True, vertical_overflow="crop"
        )

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, view: View, folder: Path) -> None:
        self.said = f"run in {near(folder)}; Ctrl-C pauses it"
        self.show(view)

    def show(self, view: View, event: Event | None = None) -> None:
        self.view, self._told = view, time.monotonic()

    def say(self, text: str) -> None:
        self.said = text
        self._live.refresh()

    def render(self) -> RenderableType:
        if self.view is None:
            return Text(self.said, "dim")
        elapsed = self.view.elapsed + time.monotonic() - self._told
        return picture(self.view, elapsed, self.said)


def step_line(event: Event) -> str:
    """Say what a step came to: time, step, agent, score, whether it was taken on, and its note."""
    head = f"{duration_text(event.elapsed):>7}  {event.step:<16}  {event.agent:<19}  "
    if event.kind == "note":
        return f"{head}note: {one_line(event.message, 120)}".rstrip()
    result, accepted = outcome(event)
    return f"{head}{result:<10}  {'accepted' if accepted else '':<8}  {one_line(event.message, 80)}".rstrip()


def picture(view: View, elapsed: float, said: str) -> RenderableType:
    """Draw a run."""
    parts: list[RenderableType] = [_head(view, elapsed), _scores(view), Text(), _progress(view), Text()]
    if view.recent:
        parts += [_recent(view), Text()]
    parts.append(Text(said, "bold yellow" if said in (PAUSING, STOPPING) else "dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def trail_text(trail: tuple[float, ...]) -> str:
    """Show how the best score moved: the first, and the last few."""
    texts = [score_text(score) for score in trail]
    if len(texts) > TRAIL:
        texts = [texts[0], "…", *texts[1 - TRAIL :]]
    return " → ".join(texts)


def _head(view: View, elapsed: float) -> Table:
    limit = view.config.time_limit
    clock = duration_text(elapsed) + (f" of {duration_text(limit)}" if limit else "")
    cost = f"{count(view.scripts, 'script')}{f' ({view.failed} failed)' if view.failed else ''}, " + count(
        view.questions, "question"
    )
    cost += spent_text(view)
    head = Table.grid(expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    title = Text.assemble((view.task, "bold"), f"  {view.metric.name}, {view.metric.direction}")
    head.add_row(title, clock)
    head.add_row(Text(view.phase or "starting", "cyan"), Text(cost, "dim"))
    return head


def spent_text(view: View) -> str:
    """Say what the models took so far, and of how much."""
    tokens, money = view.config.token_budget, view.config.cost_budget
    text = f", {view.tokens:,}{f' of {tokens:,}' if tokens else ''} tokens" if view.tokens or tokens else ""
    if view.cost or money:
        text += f", {money_text(view.cost)}{f' of {money_text(money)}' if money else ''}"
    return text


def _scores(view: View) -> Text:
    if view.best is None:
        return Text("no score yet", "dim")
    arrow = "▲" if view.metric.maximize else "▼"
    moved = trail_text(view.trail) if len(view.trail) > 1 else ""
    return Text.assemble(
        "best ", (score_text(view.best), "bold green"), (f" {arrow} {view.best_step}", "dim"), f"   {moved}".rstrip(),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip


def _progress(view: View) -> Table:
    grid = Table.grid(padding=(0, 2), expand=True)
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for path in view.paths:
        grid.add_row(*_path_row(path))
    if view.ensemble_total:
        done, total = view.ensemble_done, view.ensemble_total
        now = f"{view.step} {view.agent}" if view.phase == "ensemble" else ""
        grid.add_row("ensemble", _bar(done, total), f"{done}/{total}", "", now)
    now = view.agent if view.phase == "submission" else ""
    grid.add_row("submission", _bar(view.submitted, 1), f"{int(view.submitted)}/1", "", now)
    return grid


def _path_row(path: PathView) -> tuple[RenderableType, ...]:
    now = f"{'▸ ' if path.running else ''}{path.step} {path.agent}"
    now = "done" if path.finished else now
    score = Text(score_text(path.score) if path.score is not None else "", "green")
    return f"path {path.number}", _bar(path.done, path.total), f"{path.done}/{path.total}", score, now


def _bar(done: int | bool, total: int) -> ProgressBar:
    return ProgressBar(total=total, completed=int(done), width=BAR)


def _recent(view: View) -> Table:
    grid = Table.grid(padding=(0, 2), expand=True)
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)  # the notes take what room is left
    for event in view.recent:
        result, accepted = ("note", False) if event.kind == "note" else outcome(event)
        style = "red" if event.error else "bold green" if accepted else "" if event.kind == "step" else "dim"
        grid.add_row(
            Text(f"{duration_text(event.elapsed):>7}", "dim"), event.step,
            Text(f"{result}{' ✓' if accepted else ''}", style),
            Text(one_line(event.message), "dim"),
        )  # fmt: skip
    return grid
