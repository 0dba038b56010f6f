"""What a person types at a review, and what is made of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from mle_star.models.review import Review, ReviewAnswer
from mle_star.terminal.reviewing import ask_person

SCRIPT = "import pandas\n\nx = 1\ny = 2\nprint(x)\n"
REVIEW = Review(
    id="a", step="p1.t0.review", summary="x matters\x1b[2J most", script=SCRIPT, code_block="x = 1", plan="Double x."
)
Typed = Callable[..., tuple[ReviewAnswer, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Answer with these lines; gives the answer and what was on the screen."""

    def do(*lines: str, **changes: Any) -> tuple[ReviewAnswer, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        screen = io.StringIO()
        review = REVIEW.model_copy(update=changes)
        answers = ask_person(Console(file=screen, width=100, no_color=True), (review,))
        return answers["a"], screen.getvalue()

    return do


def test_the_enter_key_goes_on_with_what_was_proposed(typed: Typed) -> None:
    answer, screen = typed("")
    assert answer == ReviewAnswer()
    for part in ("p1.t0.review", "x matters", "x = 1", "Double x."):
        assert part in screen


def test_a_plan_is_changed_and_sent_with_go(typed: Typed) -> None:
    assert typed("plan", "Treble [x].", "go")[0] == ReviewAnswer(action="edit", plan="Treble [x].")


def test_a_block_is_chosen_by_its_lines_in_the_script_that_is_shown(typed: Typed) -> None:
    answer, screen = typed("block", "3-4", "go")
    assert answer == ReviewAnswer(action="edit", code_block="x = 1\ny = 2")
    assert "5 | print(x)" in screen


def test_plan_and_block_are_changed_together(typed: Typed) -> None:
    answer, _ = typed("block", "4", "plan", "Use y.", "go")
    assert answer == ReviewAnswer(action="edit", plan="Use y.", code_block="y = 2")


@pytest.mark.parametrize("wrong", ["", "9", "0", "4-3", "x", "2", "3-9", "-1"])
def test_lines_that_are_not_there_are_asked_for_again(typed: Typed, wrong: str) -> None:
    answer, screen = typed("block", wrong, "3", "go")
    assert answer.code_block == "x = 1"
    assert "first and the last line" in screen


def test_an_instruction_has_words(typed: Typed) -> None:
    assert typed("instruct", "", " ", "Look at y.")[0] == ReviewAnswer(action="instruct", instruction="Look at y.")


def test_a_block_is_skipped(typed: Typed) -> None:
    assert typed("skip")[0] == ReviewAnswer(action="skip")


def test_another_word_is_asked_for_again(typed: Typed) -> None:
    answer, screen = typed("perhaps", "skip")
    assert answer.action == "skip"
    assert "Please select" in screen


def test_why_the_answer_before_was_refused_is_said(typed: Typed) -> None:
    assert "can't be used: not in the script" in typed("", refused="not in the script")[1]


@pytest.mark.parametrize("lines", [(), ("plan",), ("block",), ("instruct",)])
def test_the_end_of_the_input_leaves_the_answer_for_later(typed: Typed, lines: tuple[str, ...]) -> None:
    with pytest.raises(KeyboardInterrupt):
        typed(*lines)


def test_what_a_model_wrote_does_not_steer_the_terminal(typed: Typed) -> None:
    assert "\x1b[2J" not in typed("")[1]
