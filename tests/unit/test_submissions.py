"""The submission that a run keeps: the best valid one, whatever happens in between."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from mle_star.models.data_models import ExecutionResult, Solution
from mle_star.models.metric import Metric
from mle_star.tools.submissions import keep, kept

LOSS = Metric(name="log_loss", maximize=False)
SOLUTIONS = (
    Solution(script="a", score=0.5, step="p1.candidate1"),
    Solution(script="b", score=0.3, step="p2.t0.k1"),
    Solution(script="c", score=0.3, step="p1.t0.k0"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "final").mkdir()
    (tmp_path / "scripts").mkdir()
    return tmp_path


def submit(folder: Path, solution: Solution) -> None:
    """Hand in a valid submission made from a solution."""
    script = folder / "scripts" / f"{solution.script}.py"
    script.write_text(f"script {solution.script}")
    script.with_suffix(".csv").write_text(f"rows of {solution.script}")
    keep(folder / "final", LOSS, solution, ExecutionResult(script_path=str(script)))


def test_a_folder_without_a_submission_keeps_none(folder: Path) -> None:
    assert kept(folder / "final") is None


@pytest.mark.parametrize("order", permutations(range(3)))
def test_in_whatever_order_submissions_come_the_best_is_kept(folder: Path, order: tuple[int, ...]) -> None:
    for index in order:
        submit(folder, SOLUTIONS[index])
    record = kept(folder / "final")
    assert record is not None
    assert (record.step, record.score) == ("p1.t0.k0", 0.3)
    assert (folder / "final" / "submission.csv").read_text() == "rows of c"
    assert (folder / "final" / "solution.py").read_text() == "script c"


def test_a_submission_that_was_broken_off_before_its_record_is_taken_on_again(folder: Path) -> None:
    submit(folder, SOLUTIONS[0])
    (folder / "final" / "submission.csv").write_text("half of a bet")
    submit(folder, SOLUTIONS[1])
    assert (folder / "final" / "submission.csv").read_text() == "rows of b"


def test_a_record_without_its_file_does_not_count(folder: Path) -> None:
    submit(folder, SOLUTIONS[1])
    (folder / "final" / "submission.csv").unlink()
    assert kept(folder / "final") is None
    submit(folder, SOLUTIONS[0])
    assert kept(folder / "final") is not None
