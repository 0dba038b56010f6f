"""Two parts of a reply that was cut off become one."""

from __future__ import annotations

import pytest

from mle_star.tools.replies import ReplyError
from mle_star.tools.replies.continuation import is_finished, joined

CODE = "```python\nimport pandas as pd\n\nrows = pd.read_csv('./input/train.csv')\nprint(rows.describe())\n```"
CUT = CODE.index("input") + 2
FIRST, REST = CODE[:CUT], CODE[CUT:]


@pytest.mark.parametrize(
    "second",
    [
        REST,
        REST.replace("\n", "\r\n"),
        f"```python\n{REST}",
        f"Here is the rest:\n\n```python\n{REST}",
        f"```\n{REST}",
        FIRST[-30:] + REST,
        FIRST.rpartition("\n")[2] + REST,
        f"```python\n{FIRST.rpartition(chr(10))[2]}{REST}",
        f"\n{FIRST.rpartition(chr(10))[2]}{REST}",
    ],
)
def test_the_parts_are_joined_without_what_was_said_twice(second: str) -> None:
    assert joined(FIRST, second) == CODE


def test_words_in_place_of_the_rest_of_the_code_are_refused() -> None:
    with pytest.raises(ReplyError, match="not continued"):
        joined(FIRST, "I am sorry, what do you mean by that?")


def test_words_go_on_as_words() -> None:
    assert joined("Use more trees and ", "a lower rate.") == "Use more trees and a lower rate."


@pytest.mark.parametrize(
    ("reply", "finished"),
    [
        (CODE, True),
        (f"{CODE}\nThis scr", True),
        (FIRST, False),
        ("A plan in wor", False),
        ('{"a": "b', False),
        ("", False),
    ],
)
def test_a_reply_is_finished_when_its_code_is(reply: str, finished: bool) -> None:
    assert is_finished(reply) == finished
