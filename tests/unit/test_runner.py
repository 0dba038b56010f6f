"""What the runner makes of a script's output, without starting one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mle_star.execution.runner import Job, judge
from mle_star.execution.watch import Breach
from mle_star.models.data_models import ExecutionResult


def judged(
    folder: Path, output: str | bytes, returncode: int = 0, breach: Breach | None = None, **job: bool
) -> ExecutionResult:
    """Judge a script that printed `output`."""
    log = folder / "001-coder.log"
    log.write_bytes(output if isinstance(output, bytes) else output.encode())
    made = Job(script=folder / "001-coder.py", log=log, workdir=folder, data=folder, timeout=7.0, **job)
    return judge(made, returncode, breach, 1.0)


@pytest.mark.parametrize(
    ("output", "score"),
    [
        ("Final Validation Performance: 0.5", 0.5),
        ("Final Validation Performance: 1\n", 1.0),
        ("Final Validation Performance: -3\n", -3.0),
        ("Final Validation Performance: 1e-05\n", 1e-05),
        ("Final Validation Performance: 0.5.\n", 0.5),
        ("  Final Validation Performance:0.5  \r\n", 0.5),
        ("Final Validation Performance: 0.1\nepoch 2\nFinal Validation Performance: 0.2\nbye\n", 0.2),
        (b"\xff\xfe broken \x80\nFinal Validation Performance: 0.5\n", 0.5),
        ("[LightGBM] [Info] x\nFinal Validation Performance: 0.5\nWarning: y\n", 0.5),
    ],
)
def test_the_score_is_the_number_on_the_last_line_of_the_form(
    tmp_path: Path, output: str | bytes, score: float
) -> None:
    assert judged(tmp_path, output).score == score


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Validation Performance: 0.5\n",
        "Final Validation Performance: nan\n",
        "Final Validation Performance: inf\n",
        "Final Validation Performance: -inf\n",
        "Final Validation Performance: None\n",
        "Final Validation Performance: {score}\n",
        "Final Validation Performance: \n",
        "print('Final Validation Performance: 0.5')\n",
    ],
)
def test_what_is_no_finite_number_is_no_score(tmp_path: Path, output: str) -> None:
    result = judged(tmp_path, output)
    assert (result.score, result.error) == (None, "no score")


def test_a_last_score_that_is_not_finite_does_not_bring_back_an_earlier_one(tmp_path: Path) -> None:
    output = "Final Validation Performance: 0.5\nFinal Validation Performance: nan\n"
    assert judged(tmp_path, output).score is None


def test_a_script_that_has_to_print_no_score_succeeds_without(tmp_path: Path) -> None:
    assert judged(tmp_path, "without x: 0.4\n", needs_score=False).ok


def test_a_script_that_failed_after_its_score_has_failed(tmp_path: Path) -> None:
    result = judged(tmp_path, "Final Validation Performance: 0.5\nTraceback (most recent call last):\nE: x\n", 1)
    assert (result.ok, result.error) == (False, "exception")


@pytest.mark.parametrize(("signal", "name"), [(9, "SIGKILL"), (11, "SIGSEGV"), (6, "SIGABRT"), (63, "63")])
def test_a_script_killed_by_a_signal_has_failed_and_says_by_which(tmp_path: Path, signal: int, name: str) -> None:
    result = judged(tmp_path, "Final Validation Performance: 0.5\n", -signal)
    assert (result.error, name in result.message) == ("killed", True)


def test_an_exit_code_without_a_traceback_is_named(tmp_path: Path) -> None:
    assert "exit code 3" in judged(tmp_path, "", 3).message


def test_the_message_of_an_exception_is_the_last_traceback(tmp_path: Path) -> None:
    first = "Traceback (most recent call last):\nKeyError: 'a'\n"
    last = "Traceback (most recent call last):\nValueError: b"
    assert judged(tmp_path, f"{first}\nhandled\n{last}\n", 1).message == last


def test_an_output_within_bounds_is_kept_whole(tmp_path: Path) -> None:
    assert judged(tmp_path, "a\n" * 4_000).output == "a\n" * 4_000


def test_of_a_long_output_head_and_tail_are_kept_and_the_gap_is_marked(tmp_path: Path) -> None:
    output = judged(tmp_path, "begin\n" + "x" * 50_000 + "\nend\n").output
    assert output.startswith("begin\n")
    assert output.endswith("\nend\n")
    assert "42011 bytes left out" in output
