"""Undo what chat does to code: prose around it, numbered lines, prompts, typographic quotes, entities, mixed tabs.

Each mend is tried only on code that can't be used as it is, and what it makes counts only if that can be used.
"""

from __future__ import annotations

import html
import io
import json
import re
import tokenize
from collections.abc import Callable, Iterator
from itertools import pairwise

from mle_star.models.syntax import compiles, dumped, parse

Mend = Callable[[str], str]

NUMBER = re.compile(r"^\s*(?:L(?:ine )?)?(\d+)(?:\s*[|:│]|[.)](?=\s)|\t|(?= )|$)(.*)$")
PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: (.*))?$|^In \[\d*\]: ?(.*)$|^ *\.{3,}: ?(.*)$")
ODD = {
    "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"', "＂": '"', "‘": "'", "’": "'", "‚": "'",
    "‛": "'", "′": "'", "＇": "'", "´": "'", "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "×": "*", "≤": "<=",
    "≥": ">=", "≠": "!=", "…": "...", "（": "(", "）": ")", "，": ",", "：": ":", "；": ";", "［": "[", "］": "]",
    "｛": "{", "｝": "}", "＝": "=", "\u00a0": " ", "\u2002": " ", "\u2003": " ", "\u2009": " ", "\u202f": " ",
    "\u3000": " ", "\u2028": "\n", "\u200b": "", "\u00ad": "", "\ufeff": "", "\u200e": "", "\u200c": "",
}  # fmt: skip
CODE_WORD = re.compile(
    r"^\s*(?:import [\w.]+(?: as \w+)?(?:, [\w. ]+)*$|from \S+ import\b|def \w|class \w+[:(]|(?:el)?if .*:|else\s*:|"
    r"for .* in |while .*:|with .*:|try\s*:|except\b.*:|finally\s*:|return\b|raise\b|assert |del \w|pass$|break$|"
    r"continue$|async |@\w|#|\"\"\"|\'\'\'|print\()"
)
WORD = re.compile(r"[\"'(*_`]*[A-Za-z][A-Za-z'’-]*[\"')*_`]*[.,;:!?]*")
MARKDOWN = re.compile(
    r"[-*•] [^=(]*|[-*•] [A-Z*`].*|\d+[.)] .*|\*\*[^*]+\*\*.*|> .*|[-=_]{3,}|#{2,6} .{1,80}|# [A-Z][^=(]{1,60}:?$"
)


def variants(code: str) -> Iterator[str]:
    """Yield the code as it is, then mended in one way, then in all of them one after the other."""
    seen = {code}
    yield code
    chain = code
    for mend in MENDS:
        for base in (code, chain):
            changed = mend(base)
            if changed not in seen:
                seen.add(changed)
                yield changed
        chain = mend(chain)
    if chain not in seen:
        yield chain


def is_prose(line: str) -> bool:
    """Tell whether a line is words, or the Markdown around them, rather than code."""
    text = line.strip()
    if not text or MARKDOWN.fullmatch(text):
        return not text.startswith("# ")
    if CODE_WORD.match(line) or re.search(r"\w\[|\s[-+*/|&]?=\s", text) or re.fullmatch(r"[\w.]+\(.*\)", text):
        return False
    words = text.split()
    plain = sum(1 for word in words if WORD.fullmatch(word))
    sentence = re.match(r"[A-Z`*\"(]", text) is not None and text[-1] in ".!?:)*"
    if re.search(r"\w\(", text):
        return sentence and len(words) >= 5 and plain / len(words) >= 0.6
    if len(words) >= 3 and plain / len(words) >= 0.6:
        return True
    return sentence and re.fullmatch(r"[A-Z][\w'’-]*(?: [\w'’-]+)?[.!?:]+", text) is not None


def without_prose(code: str) -> str:
    """Take off the words before and after the code; what stands in the middle of it stays."""
    lines = code.split("\n")
    if lines and lines[0].strip().lower() in ("python", "python3", "py", "python code"):
        lines = lines[1:]
    first, last = 0, len(lines)
    while first < last and is_prose(lines[first]):
        first += 1
    while last > first and (is_prose(lines[last - 1]) or re.fullmatch(r"[A-Z][a-z]+", lines[last - 1])):
        last -= 1
    return "\n".join(lines[first:last])


def without_labels(code: str) -> str:
    """Take off a file's name above the code and the end of a heredoc below it: both would run as expressions."""
    lines = code.strip("\n").split("\n")
    if re.fullmatch(r"\s*(?:File: ?)?[\w./-]+\.py:?\s*", lines[0]):
        lines = lines[1:]
    if lines and re.fullmatch(r"(?:EOF|EOT|PY|END|PYTHON)\s*", lines[-1]):
        lines = lines[:-1]
    return "\n".join(lines)


def without_numbers(code: str) -> str:
    """Take off line numbers, where every line has one and they rise one by one."""
    lines = code.split("\n")
    found = [(NUMBER.match(line), line) for line in lines]
    if any(match is None and line.strip() for match, line in found):
        return code
    matches = [match for match, _ in found if match]
    numbers = [int(match[1]) for match in matches]
    if len(numbers) < 2 or any(not 0 < after - before <= 3 for before, after in pairwise(numbers)):
        return code
    spaced = all(not match[2] or match[2].startswith(" ") for match in matches)
    return "\n".join(match[2][1:] if match and spaced else match[2] if match else "" for match, _ in found)


def without_prompts(code: str) -> str:
    """Keep what was typed in an interpreter's session, and drop what it printed."""
    lines = code.split("\n")
    found = [PROMPT.match(line) for line in lines]
    if not any(found):
        return code
    return "\n".join(next((part for part in match.groups() if part is not None), "") for match in found if match)


def without_shell(code: str) -> str:
    """Drop a notebook's lines for the shell: `!pip install`, `%matplotlib inline`, and a `pip install` of its own."""
    kept = [
        line for line in code.split("\n") if not re.match(r"\s*(?:[!%]{1,2}[a-z]|\$ |(?:pip3?|conda) install )", line)
    ]
    return "\n".join(kept)


def without_marks(code: str) -> str:
    """Drop fences and tags that are left at both ends, the `>` of a quotation, the `+` of a patch that is all new."""
    code = re.sub(r"\A\s*(?:<\w+(?: [^>\n]*)?>)+|(?:</\w+>)+\s*\Z", "", code)
    lines = code.split("\n")
    edge = re.compile(
        r"\s*(?:(?:`{3,}|~{3,})[\w ]*|</?[A-Za-z_][\w-]*>|\*\*\w*\*\*|---|:{3,} *\w*|\[/?code\b[^\]]*\]|"
        r"(?:BEGIN|END)(?: \w+)?|\#\+(?:BEGIN|END)_\w+.*|\w+: [|>]-?)\s*$",
        re.IGNORECASE,
    )
    while lines and (not lines[0].strip() or edge.match(lines[0])):
        lines.pop(0)
    while lines and (not lines[-1].strip() or edge.match(lines[-1])):
        lines.pop()
    if any(line.startswith(("@@", "+++ ")) for line in lines):
        lines = [line for line in lines if not re.match(r"@@|\+\+\+ |--- |diff |index |new file", line)]
    filled = [line for line in lines if line.strip()]
    for sign in (">", "+"):
        if filled and all(line.startswith(sign) for line in filled):
            spaced = all(line[1:2] in ("", " ") for line in filled)
            lines = [line[2 if spaced else 1 :] for line in lines]
    return "\n".join(lines)


def straight(code: str) -> str:
    """Replace typographic characters, in the lines that Python complains of."""
    return _until_it_parses(code, lambda line: re.sub("[" + "".join(ODD) + "]", _straight, line)) or _all_straight(code)


def _straight(match: re.Match[str]) -> str:
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    if match[0] == "’" and before.isalpha() and after.isalpha():
        return match[0]  # an apostrophe
    return ODD[match[0]]


def _all_straight(code: str) -> str:
    return re.sub("[" + "".join(ODD) + "]", _straight, code)


def _until_it_parses(code: str, mend_line: Callable[[str], str]) -> str | None:
    """Mend the lines named by the parser's complaint, until it has none of this kind; None if that does not help."""
    lines = code.split("\n")
    for _ in range(len(lines)):
        try:
            parse("\n".join(lines))
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            if "invalid" not in str(error.msg) or not 0 <= at < len(lines):
                return None
            changed = mend_line(lines[at])
            if changed == lines[at]:
                return None
            lines[at] = changed
        else:
            return "\n".join(lines)
    return None


def unescaped_entities(code: str) -> str:
    """Turn `&lt;` and its like back."""
    return html.unescape(code) if re.search(r"&(?:lt|gt|amp|quot|apos|#\d+|#x[0-9a-fA-F]+|nbsp);", code) else code


def unescaped_markdown(code: str) -> str:
    r"""Turn `\_` and `\*` back."""
    return re.sub(r"\\([_*])", r"\1", code)


def unescaped_quotes(code: str) -> str:
    r"""Turn `\\"` back, where every quote is written so."""
    return code.replace('\\"', '"') if not re.search(r'(?<!\\)"', code) else code


def unescaped_lines(code: str) -> str:
    r"""Turn `\n` back into the ends of lines, where the code came as one line."""
    text = code.strip()
    if text.count("\\n") < 2 or text.count("\n") > 2:
        return code
    try:
        found = json.loads(text if text.startswith('"') else f'"{text}"', strict=False)
    except ValueError:
        found = text.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\'", "'")
    return str(found)


def dedented(code: str) -> str:
    """Take off the indentation that all lines have in common; or that all but the first have."""
    lines = code.strip("\n").split("\n")
    filled = [line for line in lines if line.strip()]
    if not filled:
        return code
    for start in (0, 1):
        part = [line for line in lines[start:] if line.strip()]
        margin = min((_margin(line) for line in part), key=len, default="")
        if margin and all(line.startswith(margin) for line in part):
            shorter = [*lines[:start], *(line.removeprefix(margin) for line in lines[start:])]
            if start == 0 or compiles("\n".join(shorter)):
                return "\n".join(shorter)
    first = _margin(lines[0])
    if first and compiles(candidate := "\n".join(line.removeprefix(first) for line in lines)):
        return candidate
    return code


def one_kind_of_indentation(code: str) -> str:
    """Make tabs spaces where the two are mixed; only if every width that makes sense of them gives the same program."""
    if "\t" not in code:
        return code
    readings: dict[str, str] = {}
    for width in (4, 8, 2):
        lines = [_margin(line).expandtabs(width) + line[len(_margin(line)) :] for line in code.split("\n")]
        text = "\n".join(lines)
        if compiles(text):
            text = _strings_as_they_were(text, code)
            readings.setdefault(dumped(parse(text)), text)
    return next(iter(readings.values())) if len(readings) == 1 else code


def _strings_as_they_were(text: str, original: str) -> str:
    """Give the lines that begin inside of a string their white space back."""
    lines, olds = text.split("\n"), original.split("\n")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    for token in tokens:
        if token.type == tokenize.STRING or token.string.count("\n"):
            for number in range(token.start[0], min(token.end[0], len(olds))):
                lines[number] = olds[number]
    return "\n".join(lines)


def without_trailing_space(code: str) -> str:
    r"""Drop white space at the ends of lines: behind a `\` that goes on it is an error."""
    return re.sub(r"\\[ \t]+$", r"\\", code, flags=re.MULTILINE)


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


MENDS: tuple[Mend, ...] = (
    without_marks, without_numbers, without_prompts, without_prose, dedented, without_shell, without_trailing_space,
    unescaped_lines, unescaped_quotes, unescaped_entities, straight, unescaped_markdown, one_kind_of_indentation,
)  # fmt: skip
