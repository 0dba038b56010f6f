"""What became of a script: its score, or why there is none, in words that help whoever mends it."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

from mle_star.execution.limits import Limits
from mle_star.execution.watch import Breach, out_of_memory, size_in_words
from mle_star.models.data_models import ErrorKind

SCORE_LINE = re.compile(rb"^[ \t]*Final Validation Performance:[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE)
HEAD_BYTES, TAIL_BYTES, SCAN_BYTES = 2_000, 6_000, 1 << 20
LAST_WORDS: tuple[tuple[ErrorKind, re.Pattern[str]], ...] = (
    ("out of memory", re.compile(r"^(\w+\.)*\w*MemoryError\b|std::bad_alloc|CUDA out of memory", re.MULTILINE)),
    ("processes", re.compile(r"BlockingIOError: \[Errno 11\]|can't start new thread|pthread_create failed")),
    ("disk", re.compile(r"OSError: \[Errno (27|28|122)\]|No space left on device")),
)
"""How a script dies that ran into a limit which the kernel keeps."""


def failure(returncode: int, log: Path, limits: Limits, kernel_killed: bool) -> Breach | None:
    """Say why a process failed that was not stopped by us; None if it did not."""
    if returncode == 0:
        return None
    if returncode < 0:
        if returncode == -signal.SIGKILL and kernel_killed:
            return out_of_memory(limits)
        name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else str(-returncode)
        if name == "SIGXFSZ":
            return Breach("disk", _advice("disk", limits))
        return Breach("killed", f"The script was killed by {name}.")
    trace = traceback(log)
    last = "\n".join(trace.splitlines()[-3:])
    for error, pattern in LAST_WORDS:
        if pattern.search(last):
            return Breach(error, f"{_advice(error, limits)}\n\n{trace}")
    return Breach("exception", trace or f"The script ended with exit code {returncode}.")


def _advice(error: ErrorKind, limits: Limits) -> str:
    match error:
        case "out of memory":
            return out_of_memory(limits).message
        case "processes":
            return f"more than {limits.processes} processes and threads: start fewer workers (n_jobs)."
        case _:
            limit = size_in_words(limits.disk)
            return f"no room on the disk: {limit} in all, less in /tmp and /dev/shm; write less, and into ./working."


def last_score(log: Path, counted: int | None = None) -> float | None:
    """Read the score from the last line that has the form; None if there is none or it is not finite.

    Only the first `counted` bytes of the output are looked at, if given: what was printed before the main module ended.
    """
    with log.open("rb") as file:
        end = log.stat().st_size if counted is None else counted
        file.seek(max(0, end - SCAN_BYTES))
        found = SCORE_LINE.findall(file.read(end - file.tell()))
    try:
        score = float(found[-1].rstrip(b".,;").decode())
    except (IndexError, ValueError):
        return None
    return score if math.isfinite(score) else None


def excerpt(log: Path) -> str:
    """Head and tail of the output, with a mark where something was left out."""
    size = log.stat().st_size
    with log.open("rb") as file:
        if size <= HEAD_BYTES + TAIL_BYTES:
            return file.read().decode("utf-8", "replace")
        head = file.read(HEAD_BYTES).decode("utf-8", "replace")
        file.seek(size - TAIL_BYTES)
        tail = file.read().decode("utf-8", "replace")
    return f"{head}\n{left_out(size - HEAD_BYTES - TAIL_BYTES)}\n{tail}"


def left_out(size: int) -> str:
    """Mark a gap."""
    return f"[... {size} bytes left out ...]"


def shorten(log: Path, limit: int) -> None:
    """Keep the head and the tail of an output that grew past its limit; the rest is counted."""
    half = limit // 2
    size = log.stat().st_size
    if size <= limit:
        return
    with log.open("r+b") as file:
        file.seek(size - half)
        tail = file.read()
        file.truncate(half)
        file.seek(half)
        file.write(f"\n{left_out(size - 2 * half)}\n".encode() + tail)


def traceback(log: Path) -> str:
    """Return the last traceback of the output, bounded; or its end where there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    start = text.rfind("Traceback (most recent call last)")
    return text[start if start >= 0 else 0 :].strip()
