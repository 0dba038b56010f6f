"""Events as they happen, to as many readers as there are.

A run's `events.jsonl` is the log, and the only one. While someone reads along, one task tails the file and keeps the
last lines in memory; a reader that falls behind reads the file instead. No reader holds up the run, or another reader.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

KEPT = 2_000
POLL = 0.5
"""Seconds between looks at the file of a run that another process drives."""
BATCH = 500


class Line(NamedTuple):
    """One line of the log."""

    seq: int
    text: str


class Channel:
    """The tail of one run's log."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.readers = 0
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._offset = 0
        self._news = asyncio.Event()
        self._poked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def poke(self) -> None:
        """Say that there is something new in the file."""
        self._poked.set()

    async def read(self, after: int) -> list[Line]:
        """Give the next lines after an event's number, at least one; waits for it."""
        while True:
            news = self._news
            if self._lines and after >= self._lines[-1].seq:
                await news.wait()
                continue
            if self._lines and after >= self._lines[0].seq - 1:
                return [line for line in self._lines if line.seq > after][:BATCH]
            if found := await asyncio.to_thread(read_lines, self.file, after, BATCH):
                return found
            await news.wait()

    def begin(self) -> None:
        """Begin to tail."""
        if self._task is None:
            self._task = asyncio.create_task(self._tail())

    async def end(self) -> None:
        """Stop tailing."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _tail(self) -> None:
        while True:
            self._poked.clear()
            with suppress(OSError):
                if lines := await asyncio.to_thread(self._more):
                    self._lines.extend(lines)
                    news, self._news = self._news, asyncio.Event()
                    news.set()
            with suppress(TimeoutError):  # not wait_for, which on Python 3.11 can lose `end`'s cancelling
                async with asyncio.timeout(POLL):
                    await self._poked.wait()

    def _more(self) -> list[Line]:
        if not self.file.is_file():
            return []
        with self.file.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [_line(line) for line in whole.splitlines()]


class Hub:
    """The channels of the runs that someone reads along with."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    @asynccontextmanager
    async def follow(self, run_id: str, folder: Path) -> AsyncIterator[Channel]:
        """Read along with a run."""
        channel = self._channels.setdefault(run_id, Channel(folder / "events.jsonl"))
        channel.readers += 1
        channel.begin()
        try:
            yield channel
        finally:
            channel.readers -= 1
            if not channel.readers:
                self._channels.pop(run_id, None)
                await channel.end()

    def poke(self, run_id: str) -> None:
        """Say that a run has told something."""
        if channel := self._channels.get(run_id):
            channel.poke()

    @property
    def readers(self) -> int:
        """How many read along now."""
        return sum(channel.readers for channel in self._channels.values())


def read_lines(file: Path, after: int, limit: int) -> list[Line]:
    """Read up to `limit` whole lines after an event's number."""
    found: list[Line] = []
    if not file.is_file():
        return found
    with file.open("rb") as lines:
        for raw in lines:
            if not raw.endswith(b"\n"):
                break
            line = _line(raw)
            if line.seq > after:
                found.append(line)
                if len(found) == limit:
                    break
    return found


def _line(raw: bytes) -> Line:
    text = raw.decode().rstrip("\n")
    return Line(int(json.loads(text)["seq"]), text)
