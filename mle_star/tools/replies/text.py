"""A reply without what is not meant for us: a reasoning model's thoughts, control tokens, odd line endings."""

from __future__ import annotations

import re

THOUGHT_NAMES = "think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|inner_monologue|seed:think|mythink"
_NO_QUOTE, _NO_QUOTE_AFTER = r"(?<![\"'“‘])(?<!(?<!``)`)", r"(?![\"'”’\\]|`(?!``))"
"""A tag in quotes is a part of code, or of words about it."""
_OPEN = (
    rf"(?<!\w){_NO_QUOTE}<(?:{THOUGHT_NAMES})>{_NO_QUOTE_AFTER}|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
    r"|<\|channel\|>(?:analysis|commentary)\b[^<]*<\|message\|>"
)
_CLOSE = (
    rf"{_NO_QUOTE}</(?:{THOUGHT_NAMES})>{_NO_QUOTE_AFTER}|\[/THINK\]|◁/think▷|<\|end_of_thought\|>"
    r"|<\|end\|>(?=\s*(?:<\|start\|>|<\|channel\|>|\Z))"
)
TAGS = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})", re.IGNORECASE)
CONTROL = re.compile(
    r"<\|(?:im_end|im_start|eot_id|end_of_text|endoftext|return|end|eom_id|begin_of_solution|end_of_solution)\|>"
    r"(?:assistant\b)?|<\|start\|>(?:assistant\b)?|<\|channel\|>final\b[^<]*<\|message\|>|<\|message\|>"
    r"|<(?:end_of_turn|start_of_turn|eos|bos)>|^\s*<s>|</s>\s*\Z|[\ufeff\u200b\u2060]",
)


class ReplyError(ValueError):
    """A reply that can't be used; the text says why, in words for the model."""

    def __init__(self, reason: str, shown: str = "") -> None:
        super().__init__(reason)
        self.shown = shown
        """What the model needs to see to do better, such as the script with its lines numbered."""


def clean(reply: str) -> str:
    """Drop thoughts and control tokens, and make line endings plain.

    What follows a thought that never ends belongs to it; what comes before an end without a beginning, too.
    """
    text = reply.replace("\r\n", "\n").replace("\r", "\n")
    kept: list[str] = []
    depth, last = 0, 0
    for tag in TAGS.finditer(text):
        if tag["open"]:
            if depth == 0:
                kept.append(text[last : tag.start()])
            depth += 1
        elif depth:
            depth -= 1
        else:
            kept.clear()
        last = tag.end()
    if depth == 0:
        kept.append(text[last:])
    return CONTROL.sub("", "".join(kept))


def parse_text(reply: str) -> str:
    """Return a reply in plain words.

    Raises:
        ReplyError: It is empty.
    """
    text = clean(reply).strip()
    if not text:
        raise ReplyError("The reply was empty.")
    return text
