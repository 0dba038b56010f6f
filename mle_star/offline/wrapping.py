"""Scripts side by side: a whole script as the body of a function, its names its own."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize

from mle_star.models.syntax import parse
from mle_star.offline.script import SCORE_LINE


def as_function(script: str, name: str, result: str) -> str:
    """Put a script into `def name():`, which returns `result` where the script printed its score."""
    body = SCORE_LINE.sub("", script).rstrip()
    lines = body.split("\n")
    inside = _inside_strings(body)
    indented = [line if number in inside or not line else f"    {line}" for number, line in enumerate(lines, start=1)]
    return f"def {name}():\n" + "\n".join(indented) + f"\n    return {result}"


def wrapped_merge(base: str, reference: str) -> str:
    """Two scripts that the library did not write: without knowing their models they cannot be averaged.

    The base stands as it is. A merge that scores the same is harmless, a guess at foreign code is not.
    """
    return base


def _inside_strings(text: str) -> set[int]:
    """Numbers of the lines that begin within a string of several lines: these must not be indented."""
    found: set[int] = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING and token.end[0] > token.start[0]:
                found.update(range(token.start[0] + 1, token.end[0] + 1))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return set()
    return found


def hoisted(script: str) -> tuple[list[str], str]:
    """The top-level imports of a script as lines, and the script without them."""
    try:
        tree = parse(script)
    except SyntaxError:
        return [], script
    lines = script.split("\n")
    imports: list[str] = []
    gone: set[int] = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node.end_lineno is not None:
            imports.append(textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])))
            gone.update(range(node.lineno, node.end_lineno + 1))
    rest = "\n".join(line for number, line in enumerate(lines, start=1) if number not in gone)
    return imports, re.sub(r"\n{4,}", "\n\n\n", rest)
