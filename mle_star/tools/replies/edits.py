"""A reply that is a patch: a unified diff or search-and-replace blocks, applied to the code that it was written for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mle_star.tools.replies.fences import Found
from mle_star.tools.replies.text import ReplyError

HUNK = re.compile(r"^@@.*$")
HEADER = re.compile(r"^(?:---|\+\+\+|diff |index |\*\*\* |\\ No newline)")
SEARCH = re.compile(
    r"^<{5,9} ?(?:SEARCH|ORIGINAL|HEAD|OLD)?[^\n]*\n(.*?)^={5,9}[ \t]*\n(.*?)^>{5,9}[^\n]*$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Edit:
    """Lines to find, and the lines that take their place."""

    old: tuple[str, ...]
    new: tuple[str, ...]


def find_edits(pieces: Sequence[Found], text: str) -> list[Edit]:
    """List the edits in a reply; none if it is not a patch."""
    blocks = SEARCH.findall(text)
    if blocks:
        return [Edit(tuple(old.rstrip("\n").split("\n")), tuple(new.rstrip("\n").split("\n"))) for old, new in blocks]
    edits: list[Edit] = []
    for piece in pieces:
        lines = piece.code.strip("\n").split("\n")
        if piece.tag in ("diff", "patch", "udiff") or (piece.is_python and _looks_like_a_patch(lines)):
            edits += _hunks(lines)
    return edits


def apply_edits(code: str, edits: Sequence[Edit]) -> str:
    """Make the edits, each where its old lines stand.

    Raises:
        ReplyError: Old lines are not in the code, or more than once.
    """
    lines = code.split("\n")
    bare = [line.rstrip() for line in lines]
    places: list[tuple[int, Edit]] = []
    for edit in edits:
        goal = [line.rstrip() for line in edit.old]
        starts = [i for i in range(len(bare) - len(goal) + 1) if bare[i : i + len(goal)] == goal]
        if not goal or not any(goal) or len(starts) != 1:
            found = "more than once" if len(starts) > 1 else "not"
            raise ReplyError(f"The lines that the patch replaces are {found} in the code; reply with the whole code.")
        places.append((starts[0], edit))
    places.sort(key=lambda place: place[0])
    for (start, edit), (following, _) in pairwise(places):
        if start + len(edit.old) > following:
            raise ReplyError("Two parts of the patch change the same lines; reply with the whole code.")
    for start, edit in reversed(places):
        lines[start : start + len(edit.old)] = list(edit.new)
    return "\n".join(lines)


def _looks_like_a_patch(lines: list[str]) -> bool:
    if any(HUNK.match(line) for line in lines) and any(line[:1] in "+-" for line in lines if line):
        return True
    filled = [line for line in lines if line.strip()]
    marked = [line for line in filled if line[0] in "+-"]
    kinds = {line[0] for line in marked}
    return kinds == {"+", "-"} and all(line[0] in "+- " for line in filled)


def _hunks(lines: list[str]) -> list[Edit]:
    """Read hunks: lines that go, that come, and that stay."""
    if not any(line[:1] in ("-", " ") for line in lines if line and not HEADER.match(line)):
        return []
    hunks: list[list[str]] = [[]]
    for line in lines:
        if HUNK.match(line):
            hunks.append([])
        elif not (HEADER.match(line) and not hunks[-1]):
            hunks[-1].append(line)
    edits = []
    for hunk in hunks:
        if not any(line[:1] in ("+", "-") for line in hunk):
            continue
        while hunk and not hunk[-1].strip():
            hunk.pop()
        old = tuple(line[1:] for line in hunk if line[:1] != "+")
        new = tuple(line[1:] for line in hunk if line[:1] != "-")
        edits.append(Edit(old, new))
    return edits
