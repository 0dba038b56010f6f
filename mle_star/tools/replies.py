"""Find the code or the JSON in what a model replied. What can't be used is refused with a reason it can act on."""

from __future__ import annotations

import ast
import re
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from mle_star.models.syntax import parse

T = TypeVar("T")

FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


class ReplyError(ValueError):
    """A reply that can't be used; the text says why, in words for the model."""


def parse_text(reply: str) -> str:
    """Return a reply in plain words.

    Raises:
        ReplyError: It is empty.
    """
    text = clean(reply).strip()
    if not text:
        raise ReplyError("The reply was empty.")
    return text


def parse_script(reply: str) -> str:
    """Return the script in a reply: of the fenced blocks that compile the longest, or the whole reply if it compiles.

    Raises:
        ReplyError: There is no Python code that compiles.
    """
    return _longest(_blocks(clean(reply)), _compile_error)


def parse_block(reply: str) -> str:
    """Return the part of a script in a reply; it may be indented as a whole, since it stands inside of something.

    Raises:
        ReplyError: There is no Python code that compiles.
    """
    return _longest(_blocks(clean(reply)), block_error)


def parse_json(reply: str, shape: type[T]) -> T:
    """Return the JSON in a reply as `shape`: a model or a list of models.

    Raises:
        ReplyError: No JSON in the reply has this shape.
    """
    from json_repair import repair_json

    adapter = TypeAdapter(shape)
    text = clean(reply)
    wants_list = not (isinstance(shape, type) and issubclass(shape, BaseModel))
    problem = "There was no JSON in the reply."
    for candidate in [*_fenced(text), text]:
        found = repair_json(candidate, return_objects=True)
        if isinstance(found, list) and not wants_list:
            found = next((item for item in found if isinstance(item, dict)), None)
        elif isinstance(found, dict) and wants_list:
            found = [found]
        if not found:
            continue
        try:
            return adapter.validate_python(found)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            problem = f"The JSON does not have the form asked for: {where}: {first['msg']}."
    raise ReplyError(problem)


def clean(reply: str) -> str:
    """Drop a reasoning model's thoughts and make line endings plain."""
    return THOUGHTS.sub("", reply).replace("\r\n", "\n").replace("\r", "\n")


def _fenced(text: str) -> list[str]:
    found = [body for _, body in FENCE.findall(text)]
    if not found and (cut := re.search(r"^[ \t]*```[^\n]*\n(.*)", text, re.DOTALL | re.MULTILINE)):
        found = [re.sub(r"`{3,}\s*$", "", cut[1])]  # the closing fence is missing, or not on a line of its own
    return found


def _blocks(text: str) -> list[str]:
    return _fenced(text) or [text]


def _longest(candidates: list[str], error_of: object) -> str:
    problems: list[str] = []
    good: list[str] = []
    for code in candidates:
        code = code.strip("\n").rstrip()
        if not code.strip():
            continue
        problem = error_of(code)  # type: ignore[operator]
        if problem is None:
            good.append(code)
        else:
            problems.append(problem)
    if good:
        return max(good, key=len) + "\n"
    raise ReplyError(problems[0] if problems else "There was no code in the reply.")


def _compile_error(code: str) -> str | None:
    """Say why `code` is no Python script; None when it is one."""
    try:
        tree = parse(code)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return f"The code does not compile: {getattr(error, 'msg', error)}{f' (line {line})' if line else ''}."
    if not tree.body:
        return "The code holds no statement."
    if all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Name | ast.Constant) for node in tree.body):
        return "There was no code in the reply."
    return None


def block_error(code: str) -> str | None:
    """Say why `code` can't be part of a script; None when it can. The script as a whole is compiled later."""
    return None if code.strip() else "The block is empty."
