"""Replace one code block of a script by another: the operation that targeted refinement stands on."""

from __future__ import annotations

import ast
import re

from mle_star.models.syntax import compiled, parse, same
from mle_star.tools.block_search import Span, exactly, lines_of, read_quote, search, trimmed
from mle_star.tools.keeping import outside, repeats
from mle_star.tools.replies import ReplyError
from mle_star.tools.replies.code import whole
from mle_star.tools.replies.mending import (
    one_kind_of_indentation,
    straight,
    unescaped_entities,
    unescaped_lines,
    without_marks,
    without_prompts,
)

STRING = re.compile(r'("""|\'\'\')|"(?:\\[\s\S]|[^"\\\n])*"|\'(?:\\[\s\S]|[^\'\\\n])*\'|#[^\n]*')

MENDS_OF_QUOTES = (without_marks, without_prompts, unescaped_entities, unescaped_lines, straight)


def find_block(script: str, block: str) -> Span:
    """Find the lines of `script` that a model quoted as `block`; returns [first, last) as line numbers from 0.

    Exactly one place matches word for word, or differs, in this order, in its indentation as a whole, in layout and
    comments, in a part left out between a beginning and an end, or in a few tokens. Whole lines only.

    Raises:
        ReplyError: The block is empty, is not in the script, or is in it more than once. Shows the script.
    """
    problem: ReplyError | None = None
    for quote in dict.fromkeys((block, *(mend(block) for mend in MENDS_OF_QUOTES))):
        try:
            return search(script, read_quote(quote))
        except ReplyError as error:
            problem = problem or error
    raise ReplyError(str(problem), numbered(script))


def quote_block(script: str, block: str) -> str:
    """Return the block as it stands in the script, with the lines around it that it takes to be there once.

    Raises:
        ReplyError: As `find_block`.
    """
    first, last = find_block(script, block)
    lines = lines_of(script)
    while len(exactly(script, "\n".join(lines[first:last]))) > 1 and (first > 0 or last < len(lines)):
        first, last = max(0, first - 1), min(len(lines), last + 1)
    return "\n".join(trimmed(lines[first:last]))


def stands_in(script: str, block: str) -> bool:
    """Tell whether a block stands in a script word for word."""
    return bool(exactly(script, block))


def substitute(script: str, block: str, replacement: str) -> str:
    """Replace the lines of `block` by `replacement`, indented as the old ones were: s_t with c_t replaced.

    No other line changes, and none changes its meaning. The content of strings stays as it was written.

    Raises:
        ReplyError: The block is not found once, the new one is empty, leaves parts out or changes nothing, or the
            script would not compile. Shows the script.
    """
    first, last = find_block(script, block)
    try:
        return _replaced(script, (first, last), replacement)
    except ReplyError as error:
        raise ReplyError(str(error), numbered(script)) from None


def _replaced(script: str, span: Span, replacement: str) -> str:
    lines = lines_of(script)
    old, new = lines[span[0] : span[1]], trimmed(lines_of(replacement))
    if not new:
        raise ReplyError("The new code block is empty.")
    if _bare(new) == _bare(old):
        raise ReplyError("The new code block is the same as the old one.")
    whole("\n".join(new))
    new = _indented(new, _margin(old))
    result = "\n".join([*lines[: span[0]], *new, *lines[span[1] :]]) + "\n"
    try:
        tree = compiled(result)
    except SyntaxError as error:
        spaced = one_kind_of_indentation(result)
        if spaced == result:
            at = (error.lineno or 0) - 1
            where = f" in line {at - span[0] + 1} of the block" if span[0] <= at < span[0] + len(new) else ""
            raise ReplyError(f"With the new block the script does not compile: {error.msg}{where}.") from None
        result, tree = _replaced_lines(lines, span, spaced), parse(spaced)
    earlier = _parsed(script)
    if earlier is not None:
        if same(earlier, tree):
            raise ReplyError("The new code block is the same as the old one, but for comments and layout.")
        if repeats(earlier, span, "\n".join(new)):
            raise ReplyError("The reply repeats lines from outside of the block; reply with the new block alone.")
        shift = len(lines_of(result)) - len(lines)
        if outside(earlier, span) != outside(tree, (span[0], span[1] + shift)):
            raise ReplyError("The new code block changes what the lines before or after it mean.")
    return result


def _replaced_lines(lines: list[str], span: Span, spaced: str) -> str:
    """Keep the new indentation in the block alone."""
    new = lines_of(spaced)
    kept = new[span[0] : len(new) - (len(lines) - span[1])]
    result = "\n".join([*lines[: span[0]], *kept, *lines[span[1] :]]) + "\n"
    try:
        compiled(result)
    except SyntaxError as error:
        raise ReplyError(f"With the new block the script does not compile: {error.msg}.") from None
    return result


def new_block(script: str, block: str, result: str) -> str:
    """Return the lines that stand in the place of `block` after a substitution."""
    first, last = find_block(script, block)
    lines = lines_of(result)
    return "\n".join(lines[first : len(lines) - (len(lines_of(script)) - last)])


def numbered(script: str) -> str:
    """Number a script's lines, as a model is shown them when its block was not found."""
    lines = lines_of(script)
    width = len(str(len(lines)))
    return "\n".join(f"{number:>{width}} | {line}".rstrip() for number, line in enumerate(lines, 1))


def _indented(new: list[str], margin: str) -> list[str]:
    """Give lines the margin, the ones that begin inside of a string left alone."""
    inside = _lines_in_strings(new)
    free = [line for number, line in enumerate(new) if line.strip() and number not in inside]
    old = min((_margin([line]) for line in free), key=len, default="")
    if not all(line.startswith(old) for line in free):
        return new
    if old == margin:
        return new
    return [
        line if number in inside or not line.strip() else margin + line.removeprefix(old)
        for number, line in enumerate(new)
    ]


def _lines_in_strings(lines: list[str]) -> set[int]:
    """The numbers of the lines that begin inside of a string of several lines."""
    text, at, inside = "\n".join(lines), 0, set()
    while match := STRING.search(text, at):
        at = match.end()
        if match[1]:
            end = re.compile(rf"(?:\\.|[^\\])*?{match[1]}", re.DOTALL).match(text, at)
            at = end.end() if end else len(text)
        inside |= set(range(text.count("\n", 0, match.start()) + 1, text.count("\n", 0, at) + 1))
    return inside


def _parsed(script: str) -> ast.Module | None:
    try:
        return parse(script)
    except SyntaxError:
        return None


def _bare(lines: list[str]) -> list[str]:
    margin = _margin(lines)
    return [line.removeprefix(margin).rstrip() for line in lines]


def _margin(lines: list[str]) -> str:
    """The white space that all lines begin with."""
    filled = [line for line in lines if line.strip()]
    return min((line[: len(line) - len(line.lstrip())] for line in filled), key=len, default="")
