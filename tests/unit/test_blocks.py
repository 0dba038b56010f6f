"""Find a block that a model quoted, and put another in its place."""

from __future__ import annotations

import pytest

from mle_star.tools.blocks import find_block, quote_block, substitute
from mle_star.tools.replies import ReplyError

SCRIPT = """\
import math

def fit(rows):
    total = 0
    for row in rows:
        total += row

        total = math.sqrt(total)
    return total

print(fit([1]))
"""
LOOP = "    for row in rows:\n        total += row\n\n        total = math.sqrt(total)"


@pytest.mark.parametrize(
    "quoted",
    [
        LOOP,
        f"\n\n{LOOP}\n\n",
        LOOP.replace("\n", "\r\n"),
        LOOP.replace("row\n", "row   \n"),
        LOOP.replace("\n\n", "\n        \n"),
        "for row in rows:\n    total += row\n\n    total = math.sqrt(total)",
        "        for row in rows:\n            total += row\n\n            total = math.sqrt(total)",
    ],
    ids=["exact", "blank lines around", "CRLF", "trailing space", "space on blank lines", "dedented", "indented"],
)
def test_a_block_is_found_however_it_is_quoted(quoted: str) -> None:
    assert find_block(SCRIPT, quoted) == (4, 8)


def test_a_block_is_found_in_a_script_with_other_line_endings() -> None:
    assert find_block(SCRIPT.replace("\n", "\r\n"), LOOP) == (4, 8)


def test_a_quote_gives_the_lines_as_they_stand_in_the_script() -> None:
    assert quote_block(SCRIPT, "total = 0") == "    total = 0"


@pytest.mark.parametrize(
    "quoted",
    [
        "total += rows",
        "row in rows",
        "    for row in rows:\n        total = math.sqrt(total)",
        "    for row in rows:\n            total += row",
        "for row in rows: ...",
    ],
    ids=["other text", "part of a line", "a line left out", "other inner indentation", "shortened"],
)
def test_a_block_that_is_not_in_the_script_is_refused(quoted: str) -> None:
    with pytest.raises(ReplyError, match="not in the script"):
        find_block(SCRIPT, quoted)


def test_a_block_that_stands_in_the_script_twice_is_refused() -> None:
    with pytest.raises(ReplyError, match="2 times"):
        find_block("x = 1\ny = 2\nx = 1\n", "x = 1")


def test_the_indentation_tells_apart_two_places_with_the_same_words() -> None:
    assert find_block("x = 1\nif x:\n    x = 1\n", "    x = 1") == (2, 3)


@pytest.mark.parametrize("quoted", ["", "\n\n", "   "])
def test_an_empty_block_is_refused(quoted: str) -> None:
    with pytest.raises(ReplyError, match="empty"):
        find_block(SCRIPT, quoted)


def test_the_new_block_takes_the_old_ones_indentation() -> None:
    assert substitute(SCRIPT, "total = 0", "total = 1\nother = 2") == SCRIPT.replace(
        "    total = 0\n", "    total = 1\n    other = 2\n"
    )


def test_a_part_of_a_statement_can_be_replaced() -> None:
    script = "if a:\n    x = 1\nelse:\n    x = 2\n"
    assert substitute(script, "else:\n    x = 2", "else:\n    x = 3") == script.replace("x = 2", "x = 3")


@pytest.mark.parametrize("new", ["", "\n", "  \n\t"])
def test_an_empty_new_block_is_refused(new: str) -> None:
    with pytest.raises(ReplyError, match="new code block is empty"):
        substitute(SCRIPT, LOOP, new)


@pytest.mark.parametrize(
    "new", [LOOP, "for row in rows:\n    total += row\n\n    total = math.sqrt(total)", f"{LOOP}  "]
)
def test_a_new_block_that_changes_nothing_is_refused(new: str) -> None:
    with pytest.raises(ReplyError, match="same as the old"):
        substitute(SCRIPT, LOOP, new)


@pytest.mark.parametrize("new", ["total = (", "x = 1\n  y = 2", "else:\n    pass", "x = '\0'"])
def test_a_new_block_with_which_the_script_does_not_compile_is_refused(new: str) -> None:
    with pytest.raises(ReplyError, match="does not compile"):
        substitute(SCRIPT, LOOP, new)
