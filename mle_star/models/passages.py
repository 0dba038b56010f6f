"""Read a description, in Markdown or as it was pasted, sentence by sentence, and tell what stands under Evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

MARKED = re.compile(r"^\s{0,3}(?P<marks>#{1,6})\s+(?P<title>\S.*)$")
BOLD = re.compile(r"^\s{0,3}\*\*(?P<title>[^*]+)\*\*\s*:?\s*$")
UNDERLINED = re.compile(r"^\s{0,3}(?:(?P<first>=+)|-{2,})\s*$")
BARE = re.compile(r"(?i)^\s{0,3}(?:\*\*)?(?P<title>(?:evaluation|metric|scoring|judging|how it is judged)[^\n]{0,40})$")
JUDGING = re.compile(
    r"(?i)\b(?:evalua(?:tion|ted)|m[eé]tri(?:c|k|ca|que)s?|scor(?:ing|ed)|judg(?:ing|ed)|criteri(?:on|a)|bewertung|"
    r"(?:how|as) [\w ]{0,12}measured?)\b"
)
LINK = re.compile(r"!?\[(?P<text>[^\[\]\n]{0,300})\]\([^)\n]{0,1000}\)")
HEADER = re.compile(r"(?i)<h(?P<depth>[1-6])\b[^<>\n]*>")
BLOCK = re.compile(r"(?i)</?(?:h[1-6]|p|div|ul|ol|li|br|table|tr)\b[^<>\n]*>")
TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>")
WRAPPED = re.compile(
    r"(?m)^(?P<line>(?![#|])[^\n]{38,}[^\n.:;!?|\s])[ \t]*\n"
    r"(?=[ \t]*[\w(\[`*])(?![ \t]*(?:[-*+>]\s|\d+[.)]\s|\*\*[^*\n]+\*\*:?$))"
)
BOLD_DEPTH, BARE_DEPTH = 7, 8


class Sentence(NamedTuple):
    """A sentence, or a heading."""

    text: str
    section: bool
    """Whether it stands under a heading such as Evaluation, or is that heading."""


def plain_text(text: str) -> str:
    """Leave a link's words, without its address, and put Markdown's headings and lines in place of HTML's."""
    text = HEADER.sub(lambda tag: f"\n{'#' * int(tag['depth'])} ", text)
    return LINK.sub(lambda link: link["text"], TAG.sub("", BLOCK.sub("\n", text)))


def sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences in order; a line that was wrapped goes on in the next, a heading is a sentence.

    What stands under Evaluation ends at the next heading that is no deeper.
    """
    lines = WRAPPED.sub(lambda wrapped: f"{wrapped['line']} ", text).splitlines()
    depth = 0
    for line, below in pairwise([*lines, ""]):
        heading = _heading(line, below)
        if heading is None:
            words = "" if UNDERLINED.match(line) else line
        else:
            words, deep = heading
            if deep == BARE_DEPTH or JUDGING.search(words):
                depth = min(depth or deep, deep)
            elif deep <= max(depth, 2):
                depth = 0
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z*`])", words):
            yield Sentence(sentence, depth > 0)


def _heading(line: str, below: str) -> tuple[str, int] | None:
    """A heading's words and how deep it stands: with marks before it, a line below it, or bold on a line of its own.

    Evaluation is a heading as it stands.
    """
    if marked := MARKED.match(line):
        return marked["title"], len(marked["marks"])
    if line.strip() and len(line) <= 80 and (under := UNDERLINED.match(below)):
        return line, 1 if under["first"] else 2
    if bold := BOLD.match(line):
        return bold["title"], BOLD_DEPTH
    if bare := BARE.match(line):
        return bare["title"], BARE_DEPTH
    return None
