"""Join a reply that was cut off at the most tokens with the reply that goes on with it."""

from __future__ import annotations

import re

from mle_star.tools.replies.fences import FENCE
from mle_star.tools.replies.mending import is_prose
from mle_star.tools.replies.text import ReplyError, clean

GO_ON = (
    "Your reply was cut off. Go on with exactly the next character after the last one, so that both parts put together "
    "are the whole reply. Repeat nothing, and write no introduction."
)
LEAST_OVERLAP, MOST_OVERLAP = 12, 4_000
"""Characters that have to be the same at the joint, and in how many they are looked for."""


def is_finished(reply: str) -> bool:
    """Tell whether a reply that was cut off is complete all the same: its code is, only words after it are missing."""
    marks = [match["mark"][0] for line in clean(reply).split("\n") if (match := FENCE.match(line))]
    return bool(marks) and len(marks) % 2 == 0


def joined(first: str, second: str) -> str:
    """Put the two parts together: without an introduction, a fence that opens again, or what was said twice.

    Raises:
        ReplyError: The second part is no continuation of the first, which ends in the middle of code.
    """
    first, second = first.replace("\r\n", "\n"), second.replace("\r\n", "\n")
    inside = _is_inside(first)
    again = re.match(r"\s*(?:[^\n`]{0,200}[:.!…]\s*\n+)?[ \t]*(?:`{3,}|~{3,})[ \t]*\w*[ \t]*\n", second)
    if inside and again:
        second = second[again.end() :]
    elif inside and "`" not in second and all(map(is_prose, second.split("\n"))):
        raise ReplyError("The reply was cut off, and not continued; be brief.")
    size = _overlap(first, second)
    if size:
        return first + second[size:]
    before, _, line = first.rpartition("\n")
    head = second.partition("\n")[0]
    if not line and inside and len(head.strip()) > 3 and head == before.rpartition("\n")[2]:
        return first + second[len(head) + 1 :]  # the last whole line again
    if line.strip() and (whole := _line_again(line, second)) is not None:
        return first[: len(first) - len(line)] + whole
    if line and inside and head.startswith(line if line.strip() else (" ", "\t")):
        raise ReplyError("The reply was cut off, and it is not clear where the rest goes on; be brief.")
    return first + second


def _is_inside(text: str) -> bool:
    """Tell whether a text ends inside of a fence."""
    return sum(1 for line in text.split("\n") if re.match(r"\s*(?:`{3,}|~{3,})", line)) % 2 == 1


def _overlap(first: str, second: str) -> int:
    """How many characters at the beginning of the second part repeat the end of the first."""
    for size in range(min(len(first), len(second), MOST_OVERLAP), LEAST_OVERLAP - 1, -1):
        if first.endswith(second[:size]):
            return size
    return 0


def _line_again(line: str, second: str) -> str | None:
    """The second part, if it begins with the line that was cut off, written again as a whole."""
    head = second.lstrip("\n").partition("\n")[0]
    if len(head) > len(line) and head.startswith(line) and len(line.strip()) > 3:
        return second.lstrip("\n")
    if len(head) > len(line.strip()) > 3 and head.strip().startswith(line.strip()):
        return line[: len(line) - len(line.lstrip())] + second.lstrip("\n").lstrip()
    return None
