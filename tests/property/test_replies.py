"""Whatever a model replies, it is understood or refused; nothing else happens."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mle_star.tools.replies import ReplyError, parse_json, parse_script

PIECES = st.sampled_from(
    [
        "```python\n",
        "```",
        "\n",
        "x = 1\n",
        "~~~\n",
        "<think>",
        "</think>",
        '{"a": ',
        '"b"}',
        "[",
        "]",
        "def f(:\n",
        "\r\n",
    ]
)
REPLIES = st.one_of(st.text(max_size=60), st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=12).map("".join))


class Shape(BaseModel):
    a: str


@settings(deadline=None, max_examples=60)
@given(REPLIES)
def test_a_reply_is_a_script_that_compiles_or_is_refused(reply: str) -> None:
    try:
        code = parse_script(reply)
    except ReplyError:
        return
    assert ast.parse(code).body


@settings(deadline=None, max_examples=60)
@given(REPLIES)
def test_a_reply_has_the_shape_asked_for_or_is_refused(reply: str) -> None:
    try:
        found = parse_json(reply, Shape)
    except ReplyError:
        return
    assert isinstance(found, Shape)
