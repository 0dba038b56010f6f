"""Choose the code in a reply: of what can be used, the longest piece; never two pieces put together."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from typing import TypeVar

from mle_star.models.syntax import compiled, dumped
from mle_star.tools.replies.edits import apply_edits, find_edits
from mle_star.tools.replies.fences import Found, find_code
from mle_star.tools.replies.mending import NUMBER, variants, without_labels, without_numbers, without_prose
from mle_star.tools.replies.text import ReplyError, clean

T = TypeVar("T")

LEFT_OUT = re.compile(
    r"^\s*(?:#|//)\s*(?:\.{2,}|…)?\s*[\[(<]?\s*(?:(?:the )?(?:rest|remainder|remaining|other|existing|previous|"
    r"unchanged|same)\b[^\n]{0,40}\b(?:code|script|unchanged|same|as before|as above|here|omitted|go(?:es)? here)\b|"
    r"(?:your|add|insert|existing) (?:\w+ )?code\b|(?:same|unchanged|as) (?:as )?(?:before|above)\b)"
    r"|^\s*(?:#|//)[^\n]*\b(?:omitted (?:for|here)|for brevity|remains? (?:the same|unchanged))\b"
    r"|^\.\.\.[ \t]*(?:#.*)?$|^[ \t]*#[ \t]*(?:\.\.\.|…)[^\n]*$|^\s*…\s*$",
    re.IGNORECASE | re.MULTILINE,
)
MUCH_LONGER = 2.5
"""A piece that does not compile is the reply's real code when it is so much longer than any that does."""


def parse_script(reply: str, earlier: str = "") -> str:
    """Return the script in a reply: of the pieces that compile the longest. A patch is applied to the `earlier` script.

    Raises:
        ReplyError: There is no Python code that compiles, or it leaves parts out.
    """
    code = parse_code(reply, script, earlier)
    _check_not_split(code, [piece.code for piece in find_code(clean(reply)) if piece.is_python])
    return code


def parse_code(reply: str, use: Callable[[str], T], earlier: str = "") -> T:
    """Return what `use` makes of the code in a reply: of the pieces that it takes the longest, mended if need be.

    `use` raises ReplyError for code that it does not take. `earlier` is what the code replaces: a piece that only
    repeats it is passed over for another, and a patch is applied to it.

    Raises:
        ReplyError: It takes none.
    """
    text = clean(reply)
    pieces = find_code(text)
    if earlier and (edits := find_edits(pieces, text)):
        return use(apply_edits(earlier, edits))
    python = [piece for piece in pieces if piece.is_python]
    old = _meaning(earlier) if earlier else None
    problem: ReplyError | None = None
    for group in (python, [piece for piece in pieces if not piece.is_python]):
        good: list[tuple[bool, int, T]] = []
        failed: list[str] = []
        for piece in group:
            try:
                code, value = _used(piece, use)
            except ReplyError as error:
                problem = problem or error
                if old is None or _meaning(piece.code) != old:
                    failed.append(piece.code)
            else:
                repeats = old is not None and _meaning(code) == old
                good.append((not repeats, len(code), value))
        longest_failed = max((len(code) for code in failed if "\n" in code.strip()), default=0)
        if good:
            _, length, value = max(good, key=lambda one: one[:2])
            if problem and longest_failed > max(200, MUCH_LONGER * length):
                raise problem
            return value
        if problem and longest_failed > 200:
            break
    raise problem or ReplyError("There was no code in the reply.")


def script(code: str) -> str:
    """Take whole scripts that compile.

    Raises:
        ReplyError: It does not compile, holds nothing that does anything, or leaves parts out.
    """
    code = without_labels(code).strip("\n").rstrip() + "\n"
    try:
        tree = compiled(code)
    except SyntaxError as error:
        line = f" (line {error.lineno}: `{_line(code, error.lineno)}`)" if error.lineno else ""
        raise ReplyError(f"The code does not compile: {error.msg}{line}.") from None
    if not any(map(_does_something, tree.body)):
        raise ReplyError("There was no code in the reply.")
    whole(code)
    return code


def whole(code: str) -> None:
    """Refuse code that says it leaves something out.

    Raises:
        ReplyError: It does.
    """
    if found := LEFT_OUT.search(code):
        raise ReplyError(f"The code leaves parts out (`{found[0].strip()}`); write all of it.")


def _used(piece: Found, use: Callable[[str], T]) -> tuple[str, T]:
    first: ReplyError | None = None
    for code in _readings(piece):
        if not code.strip():
            continue
        try:
            return code, use(code)
        except ReplyError as error:
            first = first or error
    raise first or ReplyError("There was no code in the reply.")


def _readings(piece: Found) -> list[str]:
    """The code in the order in which it is to be tried. Numbered lines may compile as they are, words may too."""
    code = without_labels(piece.code)
    first = []
    if NUMBER.match(code):
        first.append(without_numbers(code))
    if not piece.fenced:
        first.append(without_prose(code))
    return [*first, *variants(code)]


def _does_something(node: ast.stmt) -> bool:
    """Tell what a script is run for from imports, definitions, figures and words."""
    if isinstance(node, ast.Expr):
        return any(isinstance(part, ast.Call | ast.Await) for part in ast.walk(node.value))
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return not isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _check_not_split(code: str, pieces: list[str]) -> None:
    """Refuse a script that uses what only another piece of the reply defines: it is one of several cells.

    Raises:
        ReplyError: It does.
    """
    loaded, bound = _names(code)
    for piece in pieces:
        if (loaded - bound) & _names(piece)[1]:
            raise ReplyError("The script is split over several code blocks; write it as one.")


def _names(code: str) -> tuple[set[str], set[str]]:
    """The names that code reads, and those that it binds, its builtins included."""
    try:
        nodes = list(ast.walk(compiled(code)))
    except SyntaxError:
        return set(), set()
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = set(dir(builtins)) | {"__file__"}
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return loaded, bound


def _meaning(code: str) -> str:
    from textwrap import dedent

    try:
        return dumped(compiled(dedent(code)))
    except SyntaxError:
        return "\n".join(line.strip() for line in code.split("\n") if line.strip())


def _line(code: str, number: int) -> str:
    lines = code.split("\n")
    return lines[number - 1].strip()[:80] if 0 < number <= len(lines) else ""
