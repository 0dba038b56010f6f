"""Where in a reply code may stand: fences of any kind, tags, a heredoc, a string in JSON, or the reply as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mle_star.models.syntax import compiles
from mle_star.tools.replies.mending import without_prose

FENCE = re.compile(r"^(?P<before>.*?)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
TAG = re.compile(r"^\s*<(/?)([A-Za-z_][\w-]*)>\s*$")
HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n(.*?)^\s*\2\s*$", re.DOTALL | re.MULTILINE)
NOT_PYTHON = {
    "bash", "sh", "shell", "zsh", "console", "terminal", "powershell", "json", "jsonc", "yaml", "yml", "toml", "ini",
    "text", "txt", "plaintext", "output", "log", "markdown", "md", "csv", "html", "xml", "sql", "r", "cpp", "c", "java",
    "javascript", "js", "dockerfile", "makefile", "mermaid", "latex", "traceback",
}  # fmt: skip
WRITES_A_FILE = re.compile(r"^\s*(?:cat|tee|python3?)\b.*<<", re.MULTILINE)
PATCH = {"diff", "patch", "udiff"}
PLAIN_CODE = re.compile(
    r"[^A-Za-z]{0,12}(?:import \w|from [\w.]+ import |def \w+\(|class \w+|[\w.\[\]\"']+ = \S|print\(f?[\"'])"
)
MUCH_CODE = 3
"""Lines."""
MOST_ENDS = 12
"""How many closing fences are tried for one that opens, should the first be inside of a string of the code."""


@dataclass(frozen=True)
class Found:
    """A piece of a reply that may be code."""

    code: str
    tag: str = ""
    """What the fence says it is, in lower case."""
    fenced: bool = True

    @property
    def is_python(self) -> bool:
        """Whether nothing says that it is something else."""
        return self.tag not in NOT_PYTHON | PATCH


def find_code(text: str) -> list[Found]:
    """List what may be code in a cleaned reply; the reply as a whole only where there is no mark of any kind."""
    alone = without_prose(text)
    if alone.strip() and compiles(alone):  # no fence but those inside of its strings
        return [*map(Found, in_json(text))] or [Found(alone, fenced=False)]
    fenced = list(_fenced(text.split("\n")))
    found = [piece for piece in fenced if piece.code.strip()]
    if fenced and not found:  # a fence that holds nothing, or closes what was never opened
        text = "\n".join(line for line in text.split("\n") if not FENCE.fullmatch(line.strip()))
    if not found:
        found = list(_tagged(text.split("\n")))
    if not found:
        found = [Found(code, fenced=False) for code in in_json(text)]
    if any(piece.fenced for piece in found) and _code_outside(text, found):
        found.append(Found(text, fenced=False))  # the fences stand in a string of the code, or only half around it
    found = [inner for piece in found for inner in _unpacked(piece)]
    if not found:
        found = [Found(match[3]) for match in HEREDOC.finditer(text)]
    return found or [Found(text, fenced=False)]


def _fenced(lines: list[str]) -> Iterator[Found]:
    """Yield what stands between fences; one that never closes reaches to the end."""
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if opening is None or not _opens(opening):
            number += 1
            continue
        mark, info, before = opening["mark"], opening["info"].strip(), opening["before"]
        tag = re.match(r"[{.]*([\w+#-]*)", info)
        name = tag[1].lower() if tag else ""
        first = [_code_behind(info)] if _code_behind(info) else []
        ends = [end for end in range(number + 1, len(lines)) if _closes(lines[end], mark)]
        body = [*first, *lines[number + 1 : ends[0] if ends else len(lines)]]
        after = (ends[0] if ends else len(lines)) + 1
        if ends:
            body += _before_mark(lines[ends[0]], mark)
        for end in [*ends[1:MOST_ENDS], len(lines)] if not compiles(_plain(body, before)) else []:
            longer = [*first, *lines[number + 1 : end], *(_before_mark(lines[end], mark) if end < len(lines) else [])]
            if compiles(_plain(longer, before)):
                body, after = longer, end + 1
                break
        if not compiles(_plain(body, before)):
            for end in range(number + 1, after - 1):  # it was never closed, and another one opens
                if (another := FENCE.match(lines[end])) and another["info"].strip() and not another["before"].strip():
                    body, after = [*first, *lines[number + 1 : end]], end
                    break
        yield Found(_plain(body, before), name)
        number = after


def _code_outside(text: str, found: list[Found]) -> bool:
    """Tell whether there is code outside of what was found, too much of it to be a word about the code."""
    inside = {line.strip(" \t>") for piece in found for line in piece.code.split("\n")}
    outside = [line for line in text.split("\n") if line.strip(" \t>") not in inside]
    return sum(1 for line in outside if PLAIN_CODE.match(line)) >= MUCH_CODE


def _opens(fence: re.Match[str]) -> bool:
    """Tell a fence that opens from one in the middle of code: a quote or a comment sign before it is no prose."""
    before = fence["before"]
    if not before.strip() or re.fullmatch(r"\s*(?:(?:>\s*)+|[-*+]|\d+[.)])\s*", before):
        return True
    return before.rstrip()[-1] in ":.!?*)" and not re.search(r"[=#\"'`]", before)


def _closes(line: str, mark: str) -> bool:
    stripped = line.rstrip()
    if not stripped.endswith(mark[0] * len(mark)):
        return False
    before = stripped.rstrip(mark[0])
    return "`" not in before and not (before and before[-1] in "\"'")


def _before_mark(line: str, mark: str) -> list[str]:
    """The code on the line of a closing fence, in front of it."""
    before = line.rstrip().rstrip(mark[0])
    return [before] if before.strip(" \t>") else []


def _code_behind(info: str) -> str:
    """The code on the line of an opening fence, behind the tag: ```python import x."""
    code = r"(?:import|from) \w.*|(?:def|class|#|@)[ \t(]?.*|\w+[ \t]*=[ \t]*.+\(.*"
    found = re.match(rf"(?:python3?|py)?[ \t]*({code})$", info)
    return found[1] if found else ""


def _plain(lines: list[str], before: str) -> str:
    """Take off what a quotation or a list puts in front of each line."""
    if before.lstrip().startswith(">"):
        depth = before.count(">")
        lines = [re.sub(rf"^(?:\s*>){{1,{depth}}} ?", "", line) for line in lines]
    elif before and not before.strip():
        shift = len(before)
        if all(not line.strip() or line.startswith(before) for line in lines):
            lines = [line[shift:] for line in lines]
    return "\n".join(lines)


def _tagged(lines: list[str]) -> Iterator[Found]:
    """Yield what stands between tags that have lines of their own, as our prompts put scripts."""
    number = 0
    while number < len(lines):
        tag = TAG.match(lines[number])
        if tag and not tag[1]:
            ends = [end for end in range(number + 1, len(lines)) if re.match(rf"\s*</{tag[2]}>\s*$", lines[end])]
            inner = lines[number + 1 : ends[-1]] if ends else []
            if ends and not any(TAG.match(line) for line in inner):
                yield Found("\n".join(inner), tag[2].lower())
                number = ends[-1]
        number += 1


def _unpacked(piece: Found) -> list[Found]:
    """Look into a block that is not code itself, but holds code: JSON, a heredoc."""
    if piece.code.lstrip().startswith(("{", "[")):
        return [Found(code) for code in in_json(piece.code)] or [piece]
    if WRITES_A_FILE.search(piece.code):
        return [Found(match[3]) for match in HEREDOC.finditer(piece.code)] or [piece]
    return [piece]


def in_json(text: str) -> list[str]:
    """List the code in the strings of a JSON object, or in its lists of lines."""
    if not text.lstrip().startswith("{"):
        return []
    try:
        found = json.loads(text.strip(), strict=False)
    except (ValueError, RecursionError):
        return []
    return [unfenced(text) for text in _texts(found) if isinstance(text, str) and re.search(r"[\n(]", text)]


def _texts(value: Any) -> Iterator[str]:
    """The texts in an object, lists of lines joined."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        yield "\n".join(value)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)


def unfenced(text: str) -> str:
    """Return the inside of a text that is one fenced block as a whole; any other text as it is."""
    lines = text.strip("\n").split("\n")
    opening = FENCE.match(lines[0])
    if opening and not opening["before"].strip() and len(lines) > 1:
        inner = lines[1:]
        if _closes(inner[-1], opening["mark"]):
            inner = inner[:-1]
        return "\n".join(inner)
    return text
