"""What was found on the web, kept on disk by query: a run that asks again within the month pays nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from mle_star.tools.files import write_atomically

MONTH = 30 * 86_400.0
"""Seconds that an answer is good for: what is recent changes."""


class DiskCache:
    """JSON values by name, a file each."""

    def __init__(self, folder: Path, max_age: float = MONTH) -> None:
        self._folder, self._max_age = folder, max_age

    async def get(self, name: str) -> Any:
        """Return the value; None where there is none that is good yet."""
        return await asyncio.to_thread(self._get, name)

    async def put(self, name: str, value: Any) -> None:
        """Keep a value. A disk that is full or read-only costs the next run a query, and this one nothing."""
        await asyncio.to_thread(self._put, name, value)

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"

    def _get(self, name: str) -> Any:
        try:
            path = self._path(name)
            if time.time() - path.stat().st_mtime > self._max_age:
                return None
            return json.loads(path.read_text(encoding="utf-8"))["value"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _put(self, name: str, value: Any) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(name), json.dumps({"name": name, "value": value}, ensure_ascii=False))
        except OSError:
            return
