"""How many model calls a run can make at the most."""

from __future__ import annotations

import pytest

from mle_star.models.bounds import most_calls, most_questions
from mle_star.models.config import MLEStarConfig

LEAST = {
    "num_solutions": 1, "num_retrieved_models": 1, "outer_loop_iterations": 0, "inner_loop_iterations": 1,
    "ensemble_iterations": 0, "max_debug_retries": 0, "reply_retries": 0, "leakage_check": False,
}  # fmt: skip


def config(**settings: object) -> MLEStarConfig:
    return MLEStarConfig(_env_file=None, **(LEAST | settings))  # type: ignore[arg-type]


def test_the_smallest_run_asks_for_models_a_script_its_data_and_two_submissions() -> None:
    assert most_questions(config()) == 1 + 1 + 1 + 2 * 4


def test_a_leakage_check_takes_three_questions_for_every_script_that_scores() -> None:
    assert most_questions(config(leakage_check=True)) == most_questions(config()) + 2 * 3


def test_a_repair_is_checked_for_leakage_again() -> None:
    once = most_questions(config(leakage_check=True, max_debug_retries=1))
    assert once == most_questions(config(leakage_check=True)) + 2 * (1 + 3) + 2 * 1


@pytest.mark.parametrize(("retries", "calls"), [(0, 2), (1, 3), (4, 6)])
def test_a_question_is_asked_again_and_continued_once(retries: int, calls: int) -> None:
    assert most_calls(config(reply_retries=retries)) == calls * most_questions(config())


@pytest.mark.parametrize(
    "more",
    ["num_solutions", "num_retrieved_models", "outer_loop_iterations", "max_debug_retries", "reply_retries"],
)
def test_more_of_anything_takes_more_calls(more: str) -> None:
    assert most_calls(config(**{more: int(LEAST[more]) + 1})) > most_calls(config())
