"""Keys stay where they are: what goes into a text that is shown or kept is rid of them first."""

from __future__ import annotations

import os
import re
from pathlib import Path

NAME = re.compile(
    r"(?:^|_)(?:API|KEYS?|TOKENS?|SECRETS?|PASS|PASSWORD|PASSWD|CREDENTIALS?|BEARER)(?:_|$)", re.IGNORECASE
)
"""Names of variables whose values are secrets."""
SHAPES = re.compile(
    r"\b(?:sk-[\w-]{8,}|AIza[\w-]{20,}|(?:AKIA|ASIA|ABSK)\w{12,}|(?:ghp|hf|gsk|xai)_\w{16,})|(?<=Bearer )[\w.~+/=-]{8,}"
)
"""What keys look like, wherever they come from."""
SHORTEST = 8
"""A value shorter than this is a word, not a key."""
MARK = "***"


def load_keys() -> None:
    """Take keys from `.env` into the environment; what is set there already is stronger."""
    from dotenv import load_dotenv

    load_dotenv(Path(".env"))


def scrub(text: str) -> str:
    """Take the values of the environment's keys out of a text."""
    values = {value for name, value in os.environ.items() if NAME.search(name) and len(value) >= SHORTEST}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MARK)
    return text


def scrub_error(text: str) -> str:
    """Take the keys out of what a server or a client said, and whatever looks like one."""
    return SHAPES.sub(MARK, scrub(text))
