"""What a table's columns call for: numbers that are written as text, words, codes, dates of any kind."""

from __future__ import annotations

import re

from mle_star.models.profile import ColumnProfile
from mle_star.models.writing import CLOCK
from mle_star.offline.recipe import Facts

NUMBERS_DTYPE = re.compile(r"u?int|float", re.IGNORECASE)
MONTH = re.compile(r"^[A-Za-z]{3,9}\W+\d{4}$")
WRITTEN_NUMBER = re.compile(r"\W*\d[\d\s.,]*\W*(k|mn?|bn?)?\W*", re.IGNORECASE)

WIDEST, WIDEST_WORDS = 24, 32
"""Columns that trees are given for one of a table, at the most, and for its words, beside one for each class."""


def found_in(facts: Facts) -> set[str]:
    """What there is in the data of what parts are marked with, such as `# where words`."""
    columns = [column for column in facts.profile.columns if column.name not in facts.targets]
    dates = [column for column in columns if column.kind == "date"]
    words = sum(map(has_words, columns))
    found = {
        "written": may_write_numbers(facts),
        "clocks": has_clocks(facts),
        "groups": has_groups(facts),
        "texts": any(column.kind == "text" for column in columns),
        "words": words > 0,
        "gaps": sum(column.name != facts.profile.split.column for column in dates) > 1,
        "months": any(MONTH.search(example) for column in dates for example in column.examples),
        "stamps": any(NUMBERS_DTYPE.match(column.dtype) for column in dates),
        "wide": WIDEST * facts.columns + words * (WIDEST_WORDS + facts.class_count) > 1_000,
    }
    return {name for name, is_there in found.items() if is_there}


def has_groups(facts: Facts) -> bool:
    """Whether the test has groups of its own, named by a column or a part of it."""
    split = facts.profile.split
    return split.kind == "group" and split.column is not None and not split.days


def has_clocks(facts: Facts) -> bool:
    """Whether some column holds times of day or durations, such as `14:35`."""
    columns = [column for column in facts.profile.columns if column.kind == "numeric"]
    return any(CLOCK.fullmatch(example) for column in columns for example in column.examples)


def is_number(column: ColumnProfile) -> bool:
    """Whether a column is numbers, 0 and 1 among them."""
    return column.kind == "numeric" or (column.kind == "boolean" and NUMBERS_DTYPE.match(column.dtype) is not None)


def may_write_numbers(facts: Facts) -> bool:
    """Whether some column may hold numbers that are written as text, such as `$1,234`."""
    if facts.profile.more_columns is not None or not facts.profile.columns:
        return True
    texts = [column for column in facts.profile.columns if not NUMBERS_DTYPE.match(column.dtype)]
    return any(c.kind == "numeric" or all(map(WRITTEN_NUMBER.fullmatch, c.examples)) for c in texts if c.kind != "date")


def has_words(column: ColumnProfile) -> bool:
    """Whether a column's strings have several words, or parts such as `phones > used`, of which each says something."""
    several = sum(len(re.findall(r"[^\W_]+", example)) > 1 for example in column.examples) > len(column.examples) / 4
    return column.kind == "text" or (is_string(column) and several)


def code_columns(facts: Facts) -> list[str]:
    """Columns of which every value is unlike, but all of one form, such as `AB-1234-XL`: their parts may recur."""
    split = facts.profile.split
    if split.kind != "random":
        return []  # the numbers in them may count time, or the groups that the test set does not share
    lost = {*facts.targets, *facts.id_columns, *split.untrusted}
    return [
        column.name
        for column in facts.profile.columns
        if column.kind == "id" and column.minimum is None and column.name not in lost and _of_one_form(column.examples)
    ]


def _of_one_form(examples: tuple[str, ...]) -> bool:
    """Whether strings have letters, numbers and marks at the same places: hashes and names have not."""
    forms = {re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "A", text)) for text in examples}
    return len(examples) > 1 and len(forms) == 1 and re.search("A.*9|9.*A|9.*9", forms.pop()) is not None


def is_string(column: ColumnProfile) -> bool:
    """Whether a column's strings are worth reading: texts, and categories of many values."""
    if column.kind == "text":
        return True
    return column.kind == "category" and not NUMBERS_DTYPE.match(column.dtype) and (column.unique or 0) > 30
