"""Substitution, for any script and any block in it."""

from __future__ import annotations

import ast
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from mle_star.tools.blocks import find_block, substitute
from mle_star.tools.replies import ReplyError

STATEMENTS = [
    "x = 1",
    "y = x",
    "if x:",
    "    y = 2",
    "    z = 3",
    "else:",
    "    w = 4",
    "",
    "# note",
    "print(x)",
    "    pass",
]
NEW = st.one_of(
    st.lists(st.sampled_from([*STATEMENTS, "a = (", "b)", "    q = 5", "'''", "\t"]), max_size=4).map("\n".join),
    st.text(max_size=20),
)


@st.composite
def scripts(draw: st.DrawFn) -> list[str]:
    """Draw the lines of a script that compiles."""
    lines = draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=9))
    kept: list[str] = []
    for line in lines:  # keep what still compiles, so that few drawings are wasted
        if _compiles([*kept, line]) or _compiles([*kept, line, "    pass"]):
            kept.append(line)
    while kept and not _compiles(kept):
        kept.pop()
    return kept or ["x = 1"]


def _compiles(lines: list[str]) -> bool:
    with suppress(SyntaxError, ValueError):
        ast.parse("\n".join(lines) + "\n")
        return True
    return False


def part(lines: list[str], first: int, size: int) -> str:
    """Take some lines out."""
    first %= len(lines)
    return "\n".join(lines[first : first + size])


@settings(deadline=None, max_examples=60)
@given(scripts(), st.integers(0, 8), st.integers(1, 4), NEW)
def test_a_substitution_changes_the_lines_of_the_block_and_no_other(
    lines: list[str], first: int, size: int, new: str
) -> None:
    script, block = "\n".join(lines) + "\n", part(lines, first, size)
    try:
        changed = substitute(script, block, new)
    except ReplyError:
        return
    begin, end = find_block(script, block)
    result = changed.splitlines()
    assert result[:begin] == lines[:begin]
    assert result[len(result) - (len(lines) - end) :] == lines[end:]


@settings(deadline=None, max_examples=60)
@given(scripts(), st.integers(0, 8), st.integers(1, 4), NEW)
def test_a_substitution_leaves_a_script_that_compiles_or_is_refused(
    lines: list[str], first: int, size: int, new: str
) -> None:
    try:
        changed = substitute("\n".join(lines) + "\n", part(lines, first, size), new)
    except ReplyError:
        return
    ast.parse(changed)


@settings(deadline=None, max_examples=60)
@given(scripts(), st.integers(0, 8), st.integers(1, 4))
def test_the_block_that_is_found_says_what_was_quoted(lines: list[str], first: int, size: int) -> None:
    block = part(lines, first, size)
    try:
        begin, end = find_block("\n".join(lines), block)
    except ReplyError:
        return
    assert [line.strip() for line in lines[begin:end]] == [line.strip() for line in block.strip("\n").split("\n")]


@settings(deadline=None, max_examples=60)
@given(scripts(), st.text(max_size=40))
def test_any_quote_at_all_is_found_once_or_refused(lines: list[str], block: str) -> None:
    try:
        begin, end = find_block("\n".join(lines), block)
    except ReplyError:
        return
    assert 0 <= begin < end <= len(lines)
