"""Writing files so that a crash leaves nothing half done."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old text or the new one and nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def append_line(path: Path, line: str) -> None:
    """Append one line in one write."""
    with path.open("ab") as file:
        file.write(line.encode() + b"\n")


def last_line(path: Path) -> str:
    """Return the last whole line of a file; empty if there is none. A line cut off by a crash is removed."""
    if not path.is_file():
        return ""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    return whole.rstrip(b"\n").rpartition(b"\n")[2].decode()
