"""How a CSV file is written: its separator, encoding and decimal mark, and the remarks above its header."""

from __future__ import annotations

import codecs
import csv
import re
from typing import NamedTuple

HEAD = 1 << 16
"""Bytes of a file that are looked at."""


class Dialect(NamedTuple):
    """How a CSV is written."""

    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    remarks: int = 0
    """Lines of remarks, each beginning with `#` or `%`, before the header."""


def sniff(head: bytes, *, tab: bool) -> Dialect:
    """Tell how a CSV is written from its first bytes; `tab` where its name says what separates it."""
    encoding = _encoding(head)
    lines = head.decode(encoding, errors="replace").splitlines()
    if len(lines) > 1 and len(head) == HEAD:
        lines = lines[:-1]
    remarks = _remarks(lines)
    lines = [line for line in lines[remarks : remarks + 40] if line.strip()]
    if not lines:
        return Dialect(encoding=encoding)
    separator = "\t" if tab and "\t" in lines[0] else _separator(lines)
    decimal = "."
    if separator == ";":
        values = [value.strip() for row in csv.reader(lines[1:], delimiter=";") for value in row]
        commas, points = (sum(bool(re.fullmatch(rf"-?\d+{mark}\d+", v)) for v in values) for mark in (",", r"\."))
        decimal = "," if commas > points else "."  # a time such as 10.30 may stand beside
    return Dialect(separator, encoding, decimal, remarks)


def _remarks(lines: list[str]) -> int:
    """How many lines of remarks stand before the header, which may itself begin with a `#`."""
    first = next((number for number, line in enumerate(lines) if line.strip() and line[0] not in "#%"), 0)
    if not any(line.strip() for line in lines[:first]):
        return 0
    separator = _separator(lines[first:])
    is_header = lines[first - 1].count(separator) == lines[first].count(separator) > 0
    return first - 1 if is_header else first


def _encoding(head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _separator(lines: list[str]) -> str:
    """The one that splits the header in most columns, and the first rows in as many."""

    def width(separator: str) -> tuple[int, int]:
        rows = [len(row) for row in csv.reader(lines[:20], delimiter=separator)]
        return (sum(size == rows[0] for size in rows) * (rows[0] > 1), rows[0])

    best = max((",", ";", "\t", "|"), key=width)
    return best if width(best)[1] > 1 else ","
