"""What is drawn, and the plain lines."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mle_star.models.config import MLEStarConfig
from mle_star.models.events import Event
from mle_star.models.metric import Metric
from mle_star.terminal.live import LineScreen, LiveScreen, make_console, make_screen, picture, step_line, trail_text
from mle_star.tools.progress import View, advance, new_view

METRIC = Metric(name="rmse", maximize=False)
STEP = Event(
    seq=1, elapsed=62, kind="step", step="p1.candidate1", agent="candidate_evaluator", score=531.25, message="[b]SVM"
)


def a_view() -> View:
    return advance(new_view("diamonds", METRIC, MLEStarConfig(num_solutions=2)), STEP)


def drawn(width: int, view: View | None = None, **more: object) -> str:
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=True, **more)  # type: ignore[arg-type]
    console.print(picture(view or a_view(), 100.0, "Ctrl-C pauses"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_says_task_metric_clock_paths_and_scores() -> None:
    text = drawn(120, no_color=True)
    for part in (
        "diamonds",
        "rmse, lower is better",
        "1:40 of 24:00:00",
        "path 1",
        "path 2",
        "2/29",
        "531.25",
        "ensemble",
    ):
        assert part in text


def test_what_a_model_wrote_is_not_taken_for_markup() -> None:
    assert "[b]SVM" in drawn(120)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_picture_fits_any_width(width: int) -> None:
    from rich.cells import cell_len
    from rich.text import Text

    assert all(cell_len(Text.from_ansi(line).plain) <= width for line in drawn(width).splitlines())


def test_a_long_note_does_not_squeeze_the_scores() -> None:
    event = STEP.model_copy(update={"seq": 2, "message": "a very long note " * 20})
    assert "p1.candidate1  531.25" in drawn(80, advance(a_view(), event), no_color=True).replace("\x1b[2m", "")


def test_without_colour_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in drawn(100)


def test_a_step_is_one_line_with_time_step_agent_score_and_note() -> None:
    line = step_line(STEP)
    assert line.split() == ["1:02", "p1.candidate1", "candidate_evaluator", "531.25", "[b]SVM"]
    assert "\n" not in line


def test_an_accepted_step_is_marked() -> None:
    assert " accepted" in step_line(STEP.model_copy(update={"accepted": True}))


def test_a_failed_step_says_how() -> None:
    assert "timeout" in step_line(STEP.model_copy(update={"score": None, "error": "timeout"}))


def test_a_long_trail_shows_its_first_and_its_last_scores() -> None:
    assert trail_text((9.0, 8.0)) == "9 → 8"
    assert trail_text(tuple(float(score) for score in range(20))) == "0 → … → 15 → 16 → 17 → 18 → 19"


def test_a_pipe_gets_plain_lines_even_where_colour_is_forced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = make_screen(make_console())
    assert isinstance(screen, LineScreen)
    with screen:
        screen.begin(a_view(), Path("/runs/one"))
        screen.show(a_view(), STEP)
        screen.show(a_view(), STEP.model_copy(update={"kind": "agent started"}))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.splitlines()[0] == "diamonds: rmse, lower is better; run in /runs/one"
    assert len(out.splitlines()) == 2


def test_a_terminal_that_can_not_move_its_cursor_gets_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(make_screen(console), LineScreen)


def test_the_live_screen_leaves_nothing_behind_but_draws_meanwhile() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=30, _environ={"TERM": "xterm"})
    screen = make_screen(console)
    assert isinstance(screen, LiveScreen)
    with screen:
        screen.begin(a_view(), Path("/runs/one"))
        screen.say("pausing")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "diamonds" in text
    assert "pausing" in text
    assert text.endswith("\x1b[2K") or "\x1b[1A" in text  # what was drawn is wiped


def test_a_reader_who_goes_away_does_not_end_the_run() -> None:
    code = """
from mle_star.terminal.live import LineScreen
import sys
screen = LineScreen()
for number in range(20_000):
    screen.say("line")
print("went on", file=sys.stderr)
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b"went on\n"
    assert writer.wait() == 0
