"""The prompts and replies of a run on disk: JSON for the run, Markdown for people, by step; without secrets.

With `reply_cache`, replies also go into a file that runs share: the very same request, of the same step and seed, is
answered from it and costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from mle_star.models.errors import ConfigError
from mle_star.tools.accounting import usage_of
from mle_star.tools.files import write_atomically
from mle_star.tools.secrets import scrub_error

if TYPE_CHECKING:
    from langgraph.cache.sqlite import SqliteCache

Record = dict[str, Any]
FREE = {"calls": 0, "input_tokens": 0, "cached_tokens": 0, "output_tokens": 0, "cost": 0.0}
"""What a reply takes that another run has paid for."""
PATIENCE = 30
"""Seconds for which another process may keep the file that runs share."""


class ReplyFiles:
    """The replies that a run has had, each under the digest of its request."""

    def __init__(self, folder: Path, shared: Path | None, seed: int) -> None:
        self.folder = folder
        self._shared, self._seed = shared, seed
        self._files = {path.stem.rpartition("-")[2]: path for path in folder.glob("*.json")}

    async def remembered(self, digest: str, name: str, ask: Callable[[], Awaitable[Record]]) -> Record:
        """Return the reply to a request that was answered before, or ask and keep the reply."""
        if digest in self._files:
            text = await asyncio.to_thread(self._files[digest].read_text, encoding="utf-8")
            known: Record = json.loads(text)
            return known
        shared = await asyncio.to_thread(shared_cache, self._shared) if self._shared else None
        key = self._key(digest)
        found = await shared.aget([key]) if shared else {}
        record = json.loads(found[key]) | FREE if key in found else await ask()
        self._files[digest] = await asyncio.to_thread(self._write, digest, name, record)
        if shared and key not in found and record["reply"]:
            await shared.aset({key: (json.dumps(record), None)})
        return record

    def _key(self, digest: str) -> tuple[tuple[str, ...], str]:
        return ("replies", str(self._seed)), digest

    def _write(self, digest: str, name: str, record: Record) -> Path:
        path = self.folder / f"{name}-{digest}.json"
        path.with_suffix(".md").write_text(as_markdown(name, record), encoding="utf-8")
        write_atomically(path, json.dumps(record, indent=1, ensure_ascii=False))
        return path


@cache
def shared_cache(path: Path) -> SqliteCache[str]:
    """Open the file of replies that runs share, or make it.

    Raises:
        ConfigError: It can't be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"the file of replies {path} can't be used ({error}): name another with --reply-cache (reply_cache in the "
            "settings), or one that is not there yet"
        ) from None


def _is_taken(error: BaseException) -> bool:
    """Whether another connection has the file; SQLite itself does not wait where the journal's mode changes."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


@retry(
    retry=retry_if_exception(_is_taken),
    wait=wait_random_exponential(0.05, max=1),
    stop=stop_after_delay(PATIENCE),
    reraise=True,
)
def _open(path: Path) -> SqliteCache[str]:
    from langgraph.cache.sqlite import SqliteCache

    return SqliteCache(path=str(path))


def as_markdown(name: str, record: Mapping[str, Any]) -> str:
    """Write a request and its reply for a person."""
    use = usage_of(record).total
    cost = "" if use.cost is None else f", ${use.cost:.4f}"
    head = f"{use.agent}, {use.model}: {use.input_tokens:,} tokens read, {use.output_tokens:,} written{cost}"
    parts = [f"# {name}", head]
    for kind, text in record.get("messages", ()):
        parts.append(f"---\n\n**{'prompt' if kind == 'human' else 'earlier reply'}**\n\n{text}")
    parts.append(f"---\n\n**reply**\n\n{record['reply'] or '(none)'}")
    return scrub_error("\n\n".join(parts)) + "\n"
