"""`mle-star` as a process: in a terminal and in a pipe, interrupted, killed and resumed. Scripts really run."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import make_task_folder

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DRIVER = r"""
import os, sys
from tests.support import ScriptedModel, default_replies, fenced, script
from mle_star.tools import chat

gate = os.environ.get("TEST_GATE")  # a file that the candidate waits for, among its data
away = os.environ.get("TEST_AWAY")

def candidate(prompt):
    if away and not os.path.exists(away):
        raise ConnectionError("connection refused")
    wait = f"import os, time\nwhile not os.path.exists({gate!r}): time.sleep(0.05)" if gate else "x = 1"
    return fenced(script(0.5, wait))

model = ScriptedModel(replies=default_replies(candidate_evaluator=candidate))
chat.make_model = lambda config: model
from mle_star.cli import main
sys.exit(main())
"""
SMALL = ("--models", "1", "--outer", "0", "--ensemble", "0", "--solutions", "1")
SECONDS = 120


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_task_folder(tmp_path / "task")
    return tmp_path


def environment(place: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLE_STAR_", "TEST_"))}
    return kept | {"PYTHONPATH": str(ROOT), "HOME": str(place), "TERM": "xterm-256color"} | more


def start(place: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments], cwd=place, env=environment(place, **more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def mle_star(place: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    process = start(place, *arguments, **more)
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


class Terminal:
    """A pseudo-terminal that a command runs in, as in front of a person."""

    def __init__(self, place: Path, *arguments: str, **more: str) -> None:
        self._end, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 120))
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *arguments], cwd=place, env=environment(place, **more),
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        os.set_blocking(self._end, False)
        self.text = ""

    def press(self, key: str) -> None:
        os.write(self._end, key.encode())

    def wait_for(self, text: str) -> None:
        for _ in self._reading():
            if text in self.text:
                return
        raise AssertionError(f"{text!r} never showed:\n{self.text[-3000:]}")

    def wait(self) -> int:
        for _ in self._reading():
            if self.process.poll() is not None:
                break
        return self.process.wait(10)

    def _reading(self) -> Iterator[None]:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                self.text += os.read(self._end, 65536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.05)
            except OSError as error:
                if error.errno != errno.EIO:  # the other end is closed
                    raise
                yield
                return
            yield


def the_run(place: Path) -> Path:
    (run,) = (place / "runs").iterdir()
    return run


def wait_for_script(place: Path) -> None:
    until = time.monotonic() + SECONDS
    while not scripts_at_work(place):
        assert time.monotonic() < until, "no script was started"
        time.sleep(0.05)


def scripts_at_work(place: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(part.startswith(str(place)) and "/scripts/" in part for part in command):
            found.append(process.pid)
    return found


def test_a_run_in_a_pipe_tells_plain_lines_and_leaves_a_submission(place: Path) -> None:
    code, out, err = mle_star(place, "run", "task", *SMALL, FORCE_COLOR="1")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert re.search(r"^ +0:\d\d  p1\.candidate1 +candidate_evaluator +0\.5 +model 1$", out, re.MULTILINE), out
    run = the_run(place)
    assert f"submission runs/{run.name}/final/submission.csv" in out
    assert (run / "final" / "submission.csv").is_file()
    code, out, err = mle_star(place, "show", run.name, "--json")
    assert (code, json.loads(out)["status"]) == (0, "succeeded")


def test_a_run_in_a_terminal_is_drawn_and_ends_with_its_result(place: Path) -> None:
    terminal = Terminal(place, "run", "task", *SMALL, TEST_GATE="input/go")
    terminal.wait_for("▸")
    (place / "task" / "go").touch()
    assert terminal.wait() == 0
    terminal.wait_for("a valid submission")
    assert "\x1b[?25h" in terminal.text  # the cursor is shown again


def test_no_color_is_honoured(place: Path) -> None:
    terminal = Terminal(place, "run", "task", *SMALL, NO_COLOR="1")
    assert terminal.wait() == 0
    assert not re.search(r"\x1b\[[\d;]*(3[0-7]|9[0-7]|38;)[\d;]*m", terminal.text)


def test_ctrl_c_pauses_at_the_end_of_the_script_and_resume_goes_on(place: Path) -> None:
    terminal = Terminal(place, "run", "task", *SMALL, TEST_GATE="input/go")
    terminal.wait_for("▸")
    terminal.press("\x03")
    terminal.wait_for("pausing after the scripts that are running")
    (place / "task" / "go").touch()
    assert terminal.wait() == 130
    run = the_run(place)
    terminal.wait_for(f"mle-star resume {run.name}")
    (first,) = (run / "scripts").glob("001-*.json")
    assert json.loads(first.read_text())["result"]["score"] == 0.5
    code, out, err = mle_star(place, "resume", run.name)
    assert (code, err) == (0, "")
    assert "a valid submission" in out
    assert len(list((run / "scripts").glob("*-candidate_evaluator.py"))) == 1


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_script_behind(place: Path) -> None:
    terminal = Terminal(place, "run", "task", *SMALL, TEST_GATE="input/go")
    terminal.wait_for("▸")
    wait_for_script(place)
    terminal.press("\x03")
    terminal.wait_for("Ctrl-C again to stop at once")
    began = time.monotonic()
    terminal.press("\x03")
    assert terminal.wait() == 130
    assert time.monotonic() - began < 30
    terminal.wait_for(f"mle-star resume {the_run(place).name}")
    assert scripts_at_work(place) == []


def test_sigterm_pauses_too(place: Path) -> None:
    process = start(place, "run", "task", *SMALL, "--out", "my run", TEST_GATE="input/go")
    wait_for_script(place)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert any("pausing" in line for line in process.stdout)
    (place / "task" / "go").touch()
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, "")
    assert "resume     mle-star resume 'my run'\n" in out


def test_a_killed_run_is_shown_as_killed_and_can_be_resumed(place: Path) -> None:
    process = start(place, "run", "task", *SMALL, TEST_GATE="input/go")
    wait_for_script(place)
    run = the_run(place).name
    code, out, _ = mle_star(place, "show", run)
    assert "result     running" in out
    code, _, err = mle_star(place, "resume", run)
    assert (code, err.count("\n")) == (2, 1)
    assert "another process is at work" in err
    process.kill()
    process.communicate()
    code, out, _ = mle_star(place, "show", run)
    assert "result     killed" in out
    assert f"mle-star resume {run}" in out
    (place / "task" / "go").touch()
    assert mle_star(place, "resume", run)[0] == 0
    code, out, _ = mle_star(place, "resume", run)
    assert (code, "a valid submission" in out) == (0, True)


def test_a_model_that_goes_away_ends_the_run_with_one_line_and_the_way_on(place: Path) -> None:
    code, _, err = mle_star(place, "run", "task", *SMALL, TEST_AWAY=str(place / "back"), MLE_STAR_MODEL_RETRIES="1")
    run = the_run(place).name
    assert code == 4
    assert re.fullmatch(rf"error: .*connection refused.*\ngo on with: mle-star resume {run}\n", err), err
    (place / "back").touch()
    assert mle_star(place, "resume", run, TEST_AWAY=str(place / "back"))[0] == 0


def test_a_model_that_was_never_there_is_exit_code_2_and_nothing_is_left(place: Path) -> None:
    command = [sys.executable, "-m", "mle_star.cli", "run", "task", "--ollama-url", "http://127.0.0.1:9"]
    done = subprocess.run(
        command, cwd=place, env=environment(place), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "--provider offline" in done.stderr
    assert not (place / "runs").exists()


def test_no_script_that_runs_is_exit_code_3(place: Path) -> None:
    code, out, _ = mle_star(place, "run", "task", *SMALL, "--script-timeout", "1", TEST_GATE="input/go")
    assert code == 3, out
    assert "no script ran" in out


@pytest.mark.parametrize("arguments", [["graph", "evaluation"], ["runs"], ["--help"]])
def test_a_reader_who_goes_away_is_no_error(place: Path, arguments: list[str]) -> None:
    process = start(place, *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(SECONDS) in (0, 1)


@pytest.mark.parametrize("module", ["mle_star", "mle_star.cli"])
def test_nothing_heavy_is_imported_before_a_command_asks_for_it(module: str, place: Path) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, env=environment(place), capture_output=True, text=True, check=True
    )
    heavy = {"langgraph", "langchain", "langchain_core", "pandas", "numpy", "sklearn", "lightgbm", "pydantic", "rich"}
    assert heavy & set(done.stdout.split()) == set()


def test_the_help_comes_at_once(place: Path) -> None:
    command = [sys.executable, "-m", "mle_star.cli", "--help"]
    times = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, cwd=place, env=environment(place), capture_output=True, check=True)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(times) < 0.5  # of a processor's time, which a busy machine does not stretch as much as the clock
