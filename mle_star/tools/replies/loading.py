"""Load what was meant as JSON: strictly, as a Python literal, without comments, by its fields, by a repair library."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from mle_star.models.syntax import parse
from mle_star.tools.replies.fences import unfenced

OPENERS = {"{": "}", "[": "]"}
STRINGS_AND_COMMENTS = re.compile(
    r'"(?:\\.|[^"\\])*"|(?<![A-Za-z0-9_])\'(?:\\.|[^\'\\])*\'|//[^\n]*|/\*.*?\*/|#[^\n]*|,(?=\s*[}\]])', re.DOTALL
)
NAMES = {"true": True, "false": False, "null": None, "undefined": None, "NaN": None}
MOST_SPANS = 8
LOST = 0.03
"""A repair that loses a larger share of the letters and digits has lost a part of a value."""


def spans(text: str) -> Iterator[str]:
    """Yield the parts of a text that may be JSON, outermost first and in order."""
    decoder = json.JSONDecoder(strict=False)
    at, given = 0, 0
    while given < MOST_SPANS and (opening := re.compile(r'[{\[]|(?<!\w)"(?=\s*[{\[]|\s*\\n\s*[{\[])').search(text, at)):
        start = opening.start()
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = _literal_end(text, start) or _closing(text, start)
        else:
            given += 1
            yield text[start:end]
            at = end
            continue
        span = text[start:end]
        if text[start] != '"' and re.match(r"[{\[]\s*(?:[\"'{\[“‘`#/]|\w+\s*\"?:|$)", span):
            given += 1
            yield span
            at = end
        else:
            at = start + 1


def _literal_end(text: str, start: int) -> int | None:
    """Find the end of the longest Python literal that begins at `start`; None if there is none."""
    if text[start] not in OPENERS:
        return None
    ends = [match.end() for match in re.finditer(re.escape(OPENERS[text[start]]), text[start:])][-MOST_SPANS:]
    return next((start + end for end in reversed(ends) if _literal(text[start : start + end]) is not None), None)


def _closing(text: str, start: int) -> int:
    """Find the end of what opens at `start`: the bracket that closes it, else the last of its kind, else the text's."""
    depth, at = 0, start
    closer = OPENERS.get(text[start], "}")
    for token in re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\]]', re.DOTALL).finditer(text, start):
        if token[0] in OPENERS:
            depth += 1
        elif token[0] in "}]":
            depth -= 1
            if depth == 0:
                at = token.end()
                break
    rest = text[at:] if at > start else ""
    if at > start and not re.match(r"\s*[,\"'\w]*[^{\n]*\"\s*[:}\]]", rest):
        return at
    rest = text[start:].rstrip().removesuffix("```").rstrip()
    if rest[-1] in "\"'":  # only the brackets are missing
        return start + len(rest)
    last = text.rfind(closer)
    return last + 1 if last > start else len(text)


def load(span: str, names: Sequence[str]) -> Any:
    """Load one span; None if no way of reading it can be trusted."""
    for text in dict.fromkeys((span, without_comments(span), *_straightened(span))):
        for read in (_strict, _literal):
            value = read(text)
            if value is not None:
                return value
    value = by_fields(span, names)
    return value if value is not None else _repaired(without_comments(span))


def _strict(text: str) -> Any:
    try:
        found = json.loads(text, strict=False)
        if isinstance(found, str) and found.lstrip()[:1] in OPENERS:  # encoded twice
            found = json.loads(found, strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _literal(text: str) -> Any:
    """Read a Python literal, JSON's names for its constants and texts put together by `+` included."""
    try:
        tree = _Folded().visit(parse(text.strip()))
        if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
            return None
        found = ast.literal_eval(tree.body[0].value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return list(found) if isinstance(found, tuple) else found if isinstance(found, dict | list) else None


class _Folded(ast.NodeTransformer):
    """Turns JSON's names into Python's constants, and sums of texts into one text."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(NAMES[node.id]) if node.id in NAMES else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right = (getattr(side, "value", None) for side in (node.left, node.right))
        if isinstance(node.op, ast.Add) and isinstance(left, str) and isinstance(right, str):
            return ast.Constant(left + right)
        return node


def without_comments(text: str) -> str:
    """Drop comments and trailing commas, outside of strings."""
    return STRINGS_AND_COMMENTS.sub(lambda m: m[0] if m[0][0] in "\"'" else "", text)


def _straightened(text: str) -> list[str]:
    return [re.sub("[“”„]", '"', re.sub("[‘’](?![a-z])|(?<![a-z])[‘’]", "'", text))] if re.search("[“”]", text) else []


def by_fields(span: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Cut an object at the names of its fields: its texts may hold quotes and backslashes that were not escaped.

    None where a field's name occurs twice, so that it is not clear where to cut.
    """
    text = span.strip()
    if not text.startswith("{"):
        return None
    words = "|".join(re.escape(name).replace("_", "[_ -]?") for name in names)
    keys = list(
        re.finditer(rf"(?:[{{,]\s*|(?<=[\"'\]\d])\s+(?=[\"']))([\"'“]?)({words})[\"'”]?\s*:\s*", text, re.IGNORECASE)
    )
    if not keys or len({_bare(key[2]) for key in keys}) != len(keys) or text[: keys[0].start()].strip("{ \n"):
        return None
    found: dict[str, Any] = {}
    known = {_bare(name): name for name in names}
    for number, key in enumerate(keys):
        last = number == len(keys) - 1
        raw = text[key.end() : len(text) if last else keys[number + 1].start()].strip()
        if last:
            raw = re.sub(r",?\s*\}\s*\Z", "", raw)
        value = _value(raw.rstrip().removesuffix(",").rstrip() if last else raw.rstrip(), last)
        if value is None or (isinstance(value[0], str) and re.search(rf"[\"']({words})[\"']\s*:", value[0])):
            return None
        found[known[_bare(key[2])]] = value[0]
    return found


def _value(raw: str, last: bool) -> tuple[Any] | None:
    """Read what stands behind a field's name; None if it does not end."""
    for quote in ('"""', "'''", "```", '"', "'", "`", "“"):
        if raw.startswith(quote):
            closing = {"“": "”"}.get(quote, quote)
            if len(raw) < 2 * len(quote) or not raw.endswith(closing):
                return None
            inner = raw[len(quote) : -len(closing)]
            if quote == "```":
                inner = re.sub(r"\A[\w+-]*\n", "", inner)
            return (_unescaped(inner, literal=quote in ('"""', "'''", "```", "`")),)
    if raw in ("true", "false", "null", "True", "False", "None"):
        return ({"true": True, "false": False}.get(raw.lower()),)
    value = _strict(raw)
    return None if value is None else (value,)


def _unescaped(text: str, *, literal: bool) -> str:
    """Undo JSON's escapes, as far as they are ones."""
    if literal and "\n" in text:
        return text.strip("\n")
    quoted = re.sub(r'\\\\|\\"|\\(?=[bfnrtu/])|\\|"', lambda m: m[0] if m[0] in ("\\\\", '\\"') else
                    ("\\" if m.string[m.end() : m.end() + 1] in tuple("bfnrtu/") else "\\\\") if m[0] == "\\"
                    else '\\"', text)  # fmt: skip
    try:
        return str(json.loads(f'"{quoted}"', strict=False))
    except ValueError:
        return text


def _repaired(text: str) -> Any:
    """Repair by the library, if the text ends where JSON can end and nothing of it was lost."""
    from json_repair import repair_json

    if not re.search(r"[}\]\"'\d]\s*\Z|(?:true|false|null|True|False|None)\s*\Z", text):
        return None
    try:
        found = repair_json(text, return_objects=True)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict | list) or not found or _odd_keys(found):
        return None
    before, after = _letters(text), _letters(json.dumps(found, ensure_ascii=False))
    return found if after >= before * (1 - LOST) - 2 else None


def _odd_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return any(not re.fullmatch(r"[\w .-]{1,60}", str(key)) or _odd_keys(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_odd_keys, value))


def _letters(text: str) -> int:
    return len(re.findall(r"[^\W_]", re.sub(r"\\[nrtbfu]", "", text)))


def by_tags(text: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Read fields in tags of their names."""
    found = {}
    for name in names:
        if match := re.search(rf"<{name}>[ \t]*\n?(.*?)\n?[ \t]*</{name}>", text, re.DOTALL | re.IGNORECASE):
            found[name] = unfenced(match[1])
    return found or None


def by_yaml(text: str, names: Sequence[str]) -> dict[str, Any] | list[Any] | None:
    """Read YAML, in a form in which values are told from prose."""
    import yaml

    if not re.match(r"\s*(?:- )?[\w ]+:", text):
        return None
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    members = found if isinstance(found, list) else [found]
    plain = {_bare(name) for name in names}
    good = bool(members) and all(
        isinstance(member, dict) and any(_bare(k) in plain for k in member) for member in members
    )
    return found if good else None


def by_labels(text: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Read fields under headings of their names: `**Code block:**`, `## Plan`, `Plan: ...`."""
    words = "|".join(re.escape(name).replace("_", "[_ -]") for name in names)
    label = re.compile(rf"^[ \t#*>\d.)-]*({words})[ \t]*(?:\*\*)?[ \t]*(?::(?:\*\*)?|$)[ \t]*", re.I | re.M)
    labels = [match for match in label.finditer(text) if match]
    known = {_bare(name): name for name in names}
    found: dict[str, Any] = {}
    for number, match in enumerate(labels):
        name = known[_bare(match[1])]
        if name in found:
            return None
        end = labels[number + 1].start() if number + 1 < len(labels) else len(text)
        raw = text[match.end() : end].strip("\n").rstrip()
        fenced = re.match(r"\s*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]*\1", raw, re.DOTALL | re.MULTILINE)
        plain = textwrap.dedent(raw).strip("\n").strip()
        marked = re.fullmatch(r"`([^`\n]+)`", plain)
        found[name] = fenced[2].rstrip("\n") if fenced else marked[1] if marked else plain
    return found if found and all(found.values()) else None


def _bare(key: Any) -> str:
    return re.sub(r"[\W_]", "", str(key)).lower()
