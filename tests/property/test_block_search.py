"""Blocks of scripts as they are written: however a block is quoted, no other place is taken for it."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mle_star.models.syntax import dumped, parse
from mle_star.tools.blocks import find_block, numbered, substitute
from mle_star.tools.replies import ReplyError

# fmt: off
PIECES = [
    "import pandas as pd",
    "frame = pd.read_csv('./input/train.csv')  # all rows",
    "frame['a'] = frame['a'].fillna(0)",
    "frame['b'] = frame['b'].fillna(0)",
    "frame = frame.sample(\n    n=100,\n    random_state=1,\n)",
    "# The features.\nfeatures = ['a', 'b']",
    'QUERY = """\n    SELECT a,\n\n        b\n    FROM t\n"""',
    "def load(path):\n    '''Read it.\n\n      indented\n    '''\n    rows = pd.read_csv(path)\n    return rows",
    "class Net:\n    width = 3\n\n    def run(self, x):\n"
    "        for i in range(3):\n            x = x + i\n        return x",
    "if len(frame) > 10:\n    frame = frame[:10]\nelse:\n    frame = frame.copy()",
    "for fold in range(5):\n    learn = frame[frame.index % 5 != fold]\n"
    "    hold = frame[frame.index % 5 == fold]\n    print(fold)",
    "with open('x') as file:\n    text = file.read()\n    print(text, \"it's\")",
    "model = make(depth=3, rate=0.1)",
    "model = make(depth=4, rate=0.1)",
    "try:\n    value = int('3')\nexcept ValueError as error:\n    value = 0\n    print(error)",
    "print(f'Final Validation Performance: {model.score(frame)}')",
]
# fmt: on
NEW = [
    "frame = frame.reset_index(drop=True)",
    'text = """\nfirst\n    second\n"""\nprint(text)',
    "for name in ('a', 'b'):\n    '''Not indented\nas a whole.'''\n    print(name)",
    "def helper(x):\n    # doubled\n    return x * 2\n\n\nframe = helper(frame)",
    "x = 1  # one\ny = [\n    2,\n]",
]


@st.composite
def scripts(draw: st.DrawFn) -> list[str]:
    """Draw the lines of a script of a few pieces."""
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=2, max_size=7, unique=True))
    return "\n\n".join(pieces).split("\n")


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[str], int, int]:
    """Draw a script and some whole statements of it: its lines, and [first, last)."""
    lines = draw(scripts())
    tree = ast.parse("\n".join(lines))
    bodies = [
        body
        for node in ast.walk(tree)
        for name in ("body", "orelse")
        if (body := getattr(node, name, [])) and isinstance(body, list) and isinstance(body[0], ast.stmt)
    ]
    body = draw(st.sampled_from(bodies))
    first = draw(st.integers(0, len(body) - 1))
    last = draw(st.integers(first, min(len(body) - 1, first + 3)))
    return lines, body[first].lineno - 1, body[last].end_lineno or 0


def two_spaces(text: str) -> str:
    return re.sub(r"^ +", lambda margin: margin[0][: len(margin[0]) // 2], text, flags=re.MULTILINE)


def without_comments(text: str) -> str:
    return "\n".join(re.sub(r"\s*# .*", "", line) for line in text.split("\n"))


QUOTES: dict[str, Callable[[str, int], str]] = {
    "as it is": lambda text, at: text,
    "dedented": lambda text, at: textwrap.dedent(text),
    "indented": lambda text, at: textwrap.indent(text, "    "),
    "only the first line dedented": lambda text, at: text.lstrip(" "),
    "fenced": lambda text, at: f"```python\n{text}\n```",
    "CRLF and trailing space": lambda text, at: text.replace("\n", "  \r\n"),
    "numbered": lambda text, at: "\n".join(f"{at + n:>4} | {line}" for n, line in enumerate(text.split("\n"), 1)),
    "two spaces": lambda text, at: two_spaces(text),
    "tabs": lambda text, at: text.replace("    ", "\t"),
    "no comments": lambda text, at: without_comments(text),
    "more comments": lambda text, at: text.replace("\n", "  # note\n", 1),
    "other quotes": lambda text, at: text.replace("'", '"'),
    "wider": lambda text, at: text.replace(" = ", "  =  "),
    "one letter less": lambda text, at: text[: len(text) // 2] + text[len(text) // 2 + 1 :],
    "one line less": lambda text, at: "\n".join(text.split("\n")[:-1]),
    "a line between left out": lambda text, at: "\n".join(text.split("\n")[::2]),
    "another number": lambda text, at: re.sub(r"\d", lambda digit: str(9 - int(digit[0])), text),
}


@settings(deadline=None, max_examples=400)
@given(blocks(), st.sampled_from(sorted(QUOTES)))
def test_a_quote_is_found_where_it_was_taken_from_or_nowhere(block: tuple[list[str], int, int], how: str) -> None:
    lines, first, last = block
    quote = QUOTES[how]("\n".join(lines[first:last]), first)
    try:
        begin, end = find_block("\n".join(lines), quote)
    except ReplyError:
        return
    found = "\n".join(lines[begin:end])
    if [line.strip() for line in found.split("\n")] == [line.strip() for line in quote.strip().split("\n")]:
        return  # what was left of the quote stands there word for word
    assert begin < last
    assert end > first


@settings(deadline=None, max_examples=200)
@given(blocks(), st.sampled_from(["as it is", "dedented", "fenced", "CRLF and trailing space", "numbered", "wider"]))
def test_a_block_that_stands_there_once_is_found(block: tuple[list[str], int, int], how: str) -> None:
    lines, first, last = block
    text = "\n".join(lines[first:last])
    statements = [dumped(node) for node in parse(textwrap.dedent(text)).body]
    everywhere = [dumped(node) for node in ast.walk(parse("\n".join(lines))) if isinstance(node, ast.stmt)]
    if "'''" in text or '"""' in text or everywhere.count(statements[0]) > 1:
        return  # to dedent a string is to change it
    begin, end = find_block("\n".join(lines), QUOTES[how](text, first))
    assert (begin, end) == (first, last)


@settings(deadline=None, max_examples=300)
@given(blocks(), st.sampled_from(NEW), st.sampled_from([0, 2, 4, 8]))
def test_a_new_block_changes_its_lines_alone_and_keeps_its_strings(
    block: tuple[list[str], int, int], new: str, indentation: int
) -> None:
    lines, first, last = block
    script = "\n".join(lines) + "\n"
    margin = " " * indentation
    written = "\n".join(
        line if number in (1, 2, 3) and '"""' in new else margin + line if line else line
        for number, line in enumerate(new.split("\n"))
    )
    if "'''" in new and indentation:
        return
    try:
        result = substitute(script, "\n".join(lines[first:last]), written)
    except ReplyError:
        return
    after = result.rstrip("\n").split("\n")
    assert after[:first] == lines[:first]
    assert after[len(after) - (len(lines) - last) :] == lines[last:]
    assert constants(new) <= constants(result)


def constants(code: str) -> set[str]:
    """The texts in a piece of code."""
    return {
        node.value for node in ast.walk(parse(code)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@settings(deadline=None, max_examples=100)
@given(scripts(), st.text(max_size=30), st.text(max_size=30))
def test_any_two_texts_make_a_script_that_compiles_or_are_refused(lines: list[str], block: str, new: str) -> None:
    try:
        result = substitute("\n".join(lines), block, new)
    except ReplyError:
        return
    compile(result, "script", "exec")


@settings(deadline=None, max_examples=60)
@given(blocks())
def test_what_is_refused_is_refused_with_the_numbered_script(block: tuple[list[str], int, int]) -> None:
    lines, first, last = block
    script = "\n".join(lines)
    with pytest.raises(ReplyError) as refused:
        substitute(script, "\n".join(lines[first:last]), "x = (")
    assert refused.value.shown == numbered(script)
