"""Texts as people write them: where words begin and end, what stands for a missing value, what tells the time."""

from __future__ import annotations

import re

UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
"""A letter of a language that puts no space between words: Thai, Japanese, Chinese."""

CLOCK = re.compile(r"(\d+:)?\d+:\d\d(\.\d+)?( ?[ap]\.?m\.?)?", re.IGNORECASE)
"""A time of day or a duration: `14:35`, `2:35 PM`, `1:02:03`."""

MISSING = ("", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
"""Cells that pandas takes for missing values: all but the blank one may also be names."""


def count_words(text: str) -> float:
    """Count words between spaces; where a language has no spaces, two letters are taken for a word."""
    others, letters = UNSPACED.subn(" ", text)
    return len(others.split()) + letters / 2
