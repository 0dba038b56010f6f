"""Find in a script the lines that a model quoted: word for word, or by a ladder of ways in which quotes differ."""

from __future__ import annotations

import ast
import difflib
import io
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mle_star.models.syntax import dumped, parse
from mle_star.tools.replies import ReplyError
from mle_star.tools.replies.fences import unfenced
from mle_star.tools.replies.mending import NUMBER, without_numbers

ALIKE = 0.9
"""Least share of equal tokens in a quote that is not exact."""
MARGIN = 0.1
"""By how much the next best place has to be less alike."""
LEAST_TOKENS, MOST_TOKENS = 12, 4_000
"""Of a quote that is compared by its tokens: with fewer, too much would be alike; with more, it would take too long."""

Span = tuple[int, int]
"""[first, last) as line numbers from 0."""


@dataclass(frozen=True)
class Block:
    """A quote, ready to be looked for."""

    lines: list[str]
    at: int | None = None
    """The line that it says it begins at."""


def lines_of(text: str) -> list[str]:
    """Split into lines as Python does: a form feed or a line separator inside of a string ends none."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def read_quote(block: str) -> Block:
    """Take fences and line numbers off a quote.

    Raises:
        ReplyError: Nothing is left.
    """
    text = unfenced(block.replace("\r\n", "\n").replace("\r", "\n"))
    text = re.sub(r"\A\s*`([^`\n]+)`\s*\Z", r"\1", text)
    plain = re.sub(r"\A\s*\d+ *[|│] ?([^\n]*)\s*\Z", r"\1", text)  # a single line
    plain = without_numbers(text) if plain == text else plain
    number = NUMBER.match(text.strip("\n")) if plain != text else None
    lines = trimmed([line.rstrip() for line in plain.split("\n")])
    if not lines:
        raise ReplyError("The code block is empty.")
    return Block(lines, int(number[1]) - 1 if number else None)


def trimmed(lines: list[str]) -> list[str]:
    """Drop blank lines at both ends."""
    first, last = 0, len(lines)
    while first < last and not lines[first].strip():
        first += 1
    while last > first and not lines[last - 1].strip():
        last -= 1
    return lines[first:last]


def search(script: str, block: Block) -> Span:
    """Find the lines of a quote.

    Raises:
        ReplyError: They are not in the script, or more than once.
    """
    lines = [line.rstrip() for line in lines_of(script)]
    for rung in (_as_it_is, _indented_otherwise, _by_statements, _with_a_gap, _alike):
        found = rung(script, lines, block.lines)
        if len(found) > 1 and block.at is not None:
            found = [span for span in found if span[0] == block.at]
        if len(found) == 1:
            return found[0]
        if found:
            places = ", ".join(str(first + 1) for first, _ in found[:6])
            raise ReplyError(
                f"The code block stands in the script {len(found)} times (lines {places}); quote more lines around it."
            )
    raise ReplyError("The code block is not in the script; copy it exactly, as whole consecutive lines.")


def exactly(script: str, block: str) -> list[Span]:
    """List the places where a block stands word for word, its indentation as a whole aside."""
    lines, wanted = [line.rstrip() for line in lines_of(script)], [line.rstrip() for line in lines_of(block)]
    wanted = trimmed(wanted)
    return (_as_it_is(script, lines, wanted) or _indented_otherwise(script, lines, wanted)) if wanted else []


# The rungs of the ladder


def _as_it_is(script: str, lines: list[str], wanted: list[str]) -> list[Span]:
    return _windows(lines, wanted, lambda window: window)


def _indented_otherwise(script: str, lines: list[str], wanted: list[str]) -> list[Span]:
    return _windows(lines, wanted, _dedented)


def _by_statements(script: str, lines: list[str], wanted: list[str]) -> list[Span]:
    """The same statements, in another layout or with other comments."""
    goal = [dumped(node) for node in _statements_of(wanted)]
    if not goal or all(isinstance(node, ast.Pass) for node in _statements_of(wanted)):
        return []
    return [
        _with_comments(lines, span, wanted)
        for body in _bodies(script)
        for start in range(len(body) - len(goal) + 1)
        if [dumped(node) for node in body[start : start + len(goal)]] == goal
        and (span := _whole_lines(script, body[start : start + len(goal)])) is not None
    ]


def _with_a_gap(script: str, lines: list[str], wanted: list[str]) -> list[Span]:
    """Its beginning and its end, with dots in between for what was left out."""
    gaps = [i for i, line in enumerate(wanted) if re.fullmatch(r"\s*(?:#\s*)?(?:\.{3}|…)[^\w]*(?:\(.*\))?\s*", line)]
    if len(gaps) != 1:
        return []
    head, tail = trimmed(wanted[: gaps[0]]), trimmed(wanted[gaps[0] + 1 :])
    if not head or not tail:
        return []
    for normalise in (lambda window: window, _dedented):
        heads, tails = _windows(lines, head, normalise), _windows(lines, tail, normalise)
        if len(heads) == 1 and len(tails) == 1 and heads[0][1] <= tails[0][0]:
            span = (heads[0][0], tails[0][1])
            whole = [
                body[first : last + 1]
                for body in _bodies(script)
                for first in range(len(body))
                for last in range(first, len(body))
                if first_line(body[first]) == span[0] and body[last].end_lineno == span[1]
            ]
            return [span] if whole else []
    return []


def _alike(script: str, lines: list[str], wanted: list[str]) -> list[Span]:
    """Whole statements that are so much alike that no other place can be meant."""
    goal = _tokens("\n".join(wanted))
    if not LEAST_TOKENS <= len(goal) <= MOST_TOKENS:
        return []
    rated: list[tuple[float, Span]] = []
    for body in _bodies(script):
        sizes = [len(_tokens("\n".join(lines[first_line(node) : node.end_lineno]))) for node in body]
        for first in range(len(body)):
            for last in range(first, len(body)):
                size = sum(sizes[first : last + 1])
                if size > len(goal) * 1.25:
                    break
                if size < len(goal) * 0.8 or (span := _whole_lines(script, body[first : last + 1])) is None:
                    continue
                here = _tokens("\n".join(lines[span[0] : span[1]]))
                rated.append((difflib.SequenceMatcher(None, goal, here, autojunk=False).ratio(), span))
    rated.sort(key=lambda one: -one[0])
    if not rated or rated[0][0] < ALIKE:
        return []
    best, span = rated[0]
    others = [ratio for ratio, (first, last) in rated if last <= span[0] or first >= span[1]]
    return [span] if not others or best - others[0] >= MARGIN else []


# What they are made of


def _windows(lines: list[str], wanted: list[str], normalise: Callable[[list[str]], list[str]]) -> list[Span]:
    goal, size = normalise(wanted), len(wanted)
    return [(i, i + size) for i in range(len(lines) - size + 1) if normalise(lines[i : i + size]) == goal]


def _dedented(lines: list[str]) -> list[str]:
    return textwrap.dedent("\n".join(lines)).split("\n")


def _statements_of(lines: list[str]) -> list[ast.stmt]:
    """The statements of a quote; of a quote whose first line alone lost its indentation, too."""
    for text in ("\n".join(_dedented(lines)), "\n".join([lines[0].lstrip(), *_dedented(lines[1:])])):
        try:
            return parse(text).body
        except SyntaxError:
            continue
    return []


def _bodies(script: str) -> list[list[ast.stmt]]:
    """Every list of statements that follow one another: the script's, its functions', its branches'."""
    try:
        tree = parse(script)
    except SyntaxError:
        return []
    return [
        part
        for node in ast.walk(tree)
        for name in ("body", "orelse", "finalbody")
        if isinstance(part := getattr(node, name, None), list) and part and isinstance(part[0], ast.stmt)
    ]


def first_line(node: ast.stmt) -> int:
    """The number of a statement's first line from 0, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(part.lineno for part in decorators)]) - 1


def last_line(node: ast.stmt) -> int:
    """The number, from 0, of the line behind a statement's last."""
    return node.end_lineno or node.lineno


def _whole_lines(script: str, nodes: list[ast.stmt]) -> Span | None:
    """The lines of some statements; None if they share one with something else."""
    first, last = first_line(nodes[0]), last_line(nodes[-1])
    lines = lines_of(script)
    before = lines[first].encode()[: nodes[0].col_offset].decode("utf-8", "replace").strip(" \t@")
    after = lines[last - 1].encode()[nodes[-1].end_col_offset or 0 :].decode("utf-8", "replace").strip()
    if before or (after and not after.startswith("#")):
        return None
    return first, last


def _with_comments(lines: list[str], span: Span, wanted: list[str]) -> Span:
    """Take in the comments above, as far as the quote begins with the same."""
    first, quoted = span[0], [line.strip() for line in wanted]
    above = 0
    while above < len(quoted) and (not quoted[above] or quoted[above].startswith("#")):
        above += 1
    comments = {line for line in quoted[:above] if line}
    while first > 0 and lines[first - 1].strip() in comments:
        first -= 1
    return first, span[1]


def _tokens(code: str) -> list[str]:
    """The tokens that mean something, quotes of strings made alike; words where it can't be tokenised."""
    return list(_tokenised(code)) or re.findall(r"\w+|[^\w\s]", code)


def _tokenised(code: str) -> Iterator[str]:
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    try:
        found = list(tokenize.generate_tokens(io.StringIO(textwrap.dedent(code) + "\n").readline))
    except (tokenize.TokenError, SyntaxError):
        return
    for token in found:
        if token.type not in skipped:
            yield token.string.replace("'", '"') if token.type == tokenize.STRING else token.string
