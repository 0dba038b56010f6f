"""Replace one code block of a script by another: the operation that targeted refinement stands on."""

from __future__ import annotations

import textwrap

from mle_star.models.syntax import parse
from mle_star.tools.replies import ReplyError


def find_block(script: str, block: str) -> tuple[int, int]:
    """Find the lines of `script` that a model quoted as `block`; returns [first, last) as line numbers from 0.

    The quote may differ in line endings, trailing space and its indentation as a whole; nothing else. Whole lines only.

    Raises:
        ReplyError: The block is empty, is not in the script, or is in it more than once.
    """
    wanted = _lines(block)
    if not wanted:
        raise ReplyError("The code block is empty.")
    lines = [line.rstrip() for line in script.splitlines()]
    for normalise in (_as_it_is, _dedented):
        goal = normalise(wanted)
        size = len(goal)
        starts = [i for i in range(len(lines) - size + 1) if normalise(lines[i : i + size]) == goal]
        if len(starts) == 1:
            return starts[0], starts[0] + size
        if starts:
            raise ReplyError(f"The code block stands in the script {len(starts)} times; quote more lines around it.")
    raise ReplyError("The code block is not in the script; copy it exactly, as whole consecutive lines.")


def quote_block(script: str, block: str) -> str:
    """Return the block as it stands in the script.

    Raises:
        ReplyError: As `find_block`.
    """
    first, last = find_block(script, block)
    return "\n".join(script.splitlines()[first:last])


def substitute(script: str, block: str, replacement: str) -> str:
    """Replace the lines of `block` by `replacement`, indented as the old ones were: s_t with c_t replaced.

    Raises:
        ReplyError: The block is not found once, the new one is empty or the same, or the script would not compile.
    """
    first, last = find_block(script, block)
    lines = script.splitlines()
    old, new = lines[first:last], _lines(replacement)
    if not new:
        raise ReplyError("The new code block is empty.")
    if _dedented(new) == _dedented([line.rstrip() for line in old]):
        raise ReplyError("The new code block is the same as the old one.")
    if _indent(new) != _indent(old):
        new = textwrap.indent("\n".join(_dedented(new)), _indent(old)).splitlines()
    result = "\n".join([*lines[:first], *new, *lines[last:]]) + "\n"
    try:
        parse(result)
    except (SyntaxError, ValueError) as error:
        raise ReplyError(f"With the new block the script does not compile: {error}.") from None
    return result


def _lines(block: str) -> list[str]:
    """Split into lines without trailing space, and without blank lines at both ends."""
    lines = [line.rstrip() for line in block.splitlines()]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _as_it_is(lines: list[str]) -> list[str]:
    return lines


def _dedented(lines: list[str]) -> list[str]:
    return textwrap.dedent("\n".join(lines)).splitlines()


def _indent(lines: list[str]) -> str:
    """The white space that all lines begin with."""
    filled = [line for line in lines if line.strip()]
    return min((line[: len(line) - len(line.lstrip())] for line in filled), key=len)
