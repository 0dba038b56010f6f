"""Steering from a real terminal, a pseudo-terminal of this machine: questions, answers, kills in between."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 180.0
SMALL = [
    "--provider", "offline", "--models", "1", "--outer", "1", "--inner", "1", "--ensemble", "0", "--solutions", "2",
]  # fmt: skip
BEGIN = ["run", str(ROOT / "examples" / "penguins"), *SMALL, "--review", "plan", "--out", "run"]
PLAN = "Bin the bill's length into quantiles."


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.screen, far_end = pty.openpty()
        environment = os.environ | {"TERM": "dumb", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mle_star.cli", *arguments], cwd=folder, env=environment,
            stdin=far_end, stdout=far_end, stderr=far_end, start_new_session=True,
        )  # fmt: skip
        os.close(far_end)
        self.text = ""
        self._read = 0

    def wait_for(self, pattern: str) -> str:
        """Wait until something stands on the screen that was not waited for before."""
        until = time.monotonic() + SECONDS
        while (found := re.compile(pattern).search(self.text, self._read)) is None:
            assert time.monotonic() < until, self.text
            assert self._more(), self.text
        self._read = found.end()
        return found[0]

    def wait_until_it_reads(self) -> None:
        """Wait until it sleeps on its input: a signal a moment earlier would be seen after the next line alone."""
        until = time.monotonic() + SECONDS
        while psutil.Process(self.process.pid).status() != psutil.STATUS_SLEEPING:
            assert time.monotonic() < until, self.text
            time.sleep(0.01)

    def type(self, line: str) -> None:
        os.write(self.screen, f"{line}\n".encode())

    def end(self) -> int:
        """Wait for the command's end; gives its exit code."""
        until = time.monotonic() + SECONDS
        while self._more():
            assert time.monotonic() < until, self.text
        return self.process.wait(SECONDS)

    def kill(self) -> None:
        """End it with -9."""
        self.process.kill()
        self.end()

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.screen)

    def _more(self) -> bool:
        """Read what comes within a moment; False at the end."""
        if select.select([self.screen], [], [], 0.2)[0]:
            try:
                data = os.read(self.screen, 65_536)
            except OSError:  # the far end is closed
                data = b""
            self.text += data.decode(errors="replace")
            return bool(data)
        return self.process.poll() is None


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Give the way to begin a command in a terminal, which is closed in the end."""
    with ExitStack() as opened:

        def begin(*arguments: str) -> Terminal:
            terminal = Terminal(tmp_path, *arguments)
            opened.callback(terminal.close)
            return terminal

        yield begin


def coder_prompts(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted((folder / "run" / "replies").glob("*-coder*.md"))]


def test_a_person_changes_one_plan_and_skips_the_other(tmp_path: Path, begin: Callable[..., Terminal]) -> None:
    terminal = begin(*BEGIN)
    for lines in (["plan", PLAN, "go"], ["skip"]):
        terminal.wait_for("or skip")
        for line in lines:
            terminal.type(line)
    assert terminal.end() == 0, terminal.text
    assert [PLAN in prompt for prompt in coder_prompts(tmp_path)] == [True]
    assert "a valid submission" in terminal.text
    assert "Traceback" not in terminal.text


def test_ctrl_c_at_the_question_leaves_it_for_later(tmp_path: Path, begin: Callable[..., Terminal]) -> None:
    terminal = begin(*BEGIN)
    terminal.wait_for("or skip")
    terminal.wait_until_it_reads()
    terminal.process.send_signal(2)
    assert terminal.end() == 130
    assert "go on with: mle-star resume run" in terminal.text
    assert "Traceback" not in terminal.text


def test_a_question_outlives_a_kill_and_so_does_its_answer(tmp_path: Path, begin: Callable[..., Terminal]) -> None:
    first = begin(*BEGIN)
    first.wait_for("or skip")
    first.kill()

    second = begin("resume", "run")
    for _ in range(2):
        second.wait_for("or skip")
        for line in ("plan", PLAN, "go"):
            second.type(line)
    until = time.monotonic() + SECONDS
    while not list((tmp_path / "run" / "scripts").glob("*-coder.py")):  # what was answered is being done
        assert time.monotonic() < until, second.text
        time.sleep(0.02)
    second.kill()

    done = subprocess.run(
        [sys.executable, "-m", "mle_star.cli", "resume", "run"], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert [PLAN in prompt for prompt in coder_prompts(tmp_path)] == [True, True]


def test_without_a_terminal_the_run_pauses_and_says_how_to_go_on(
    tmp_path: Path, begin: Callable[..., Terminal]
) -> None:
    paused = subprocess.run(
        [sys.executable, "-m", "mle_star.cli", *BEGIN], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert paused.returncode == 130, paused.stdout + paused.stderr
    assert re.search(r"^result +paused: waiting for a person's review$", paused.stdout, re.MULTILINE)
    assert re.search(r"^resume +mle-star resume run$", paused.stdout, re.MULTILINE)
    assert not coder_prompts(tmp_path)
    terminal = begin("resume", "run")
    for _ in range(2):
        terminal.wait_for("or skip")
        terminal.type("go")
    assert terminal.end() == 0, terminal.text
