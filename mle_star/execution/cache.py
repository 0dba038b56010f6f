"""What scripts came to, kept for later runs in the user's cache folder: nothing runs twice.

Only successes are kept: what failed may have failed by chance, or for want of time. An entry is a folder, put in its
place whole, so that several processes may share the cache; when it grows too large, what was used least lately goes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from mle_star.models.data_models import ExecutionResult

LARGEST = 64 << 20
"""Bytes of one entry's files."""
ROOM = 2 << 30
"""Bytes of all entries."""
RESULT, LOG = "result.json", "script.log"


def user_cache() -> Path | None:
    """Give the folder of the user's that is for this; None if the user has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mle-star" / "scripts"
    except RuntimeError:
        return None


def fingerprint(data: Path, names: Iterable[str]) -> str:
    """Digest the state of a task's files and folders, named relative to `data`: their names, sizes and times."""
    state = hashlib.sha256(str(data.resolve()).encode())
    for name in sorted(names):
        top = data / name
        for folder, folders, files in os.walk(top) if top.is_dir() else [(str(data), [], [name])]:
            folders.sort()
            for file in sorted(files):
                path = os.path.join(folder, file)  # noqa: PTH118 - there may be very many
                with suppress(OSError):
                    facts = os.stat(path)  # noqa: PTH116
                    state.update(f"{os.path.relpath(path, data)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return state.hexdigest()


class ScriptCache:
    """The entries in one folder, by key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> tuple[ExecutionResult, Path] | None:
        """Give the result that is kept under a key, and the folder with its files."""
        entry = self._entry(key)
        try:
            result = ExecutionResult.model_validate_json((entry / RESULT).read_bytes())
            os.utime(entry)
        except (OSError, ValidationError):
            return None
        return result, entry

    def put(self, key: str, result: ExecutionResult, **files: Path) -> None:
        """Keep a result with files, by the names that they get; best effort: a full disk is no reason to fail."""
        entry = self._entry(key)
        files = {LOG: Path(result.log_path), **files}
        with suppress(OSError):
            if entry.exists() or sum(path.stat().st_size for path in files.values()) > LARGEST:
                return
            entry.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
            try:
                for name, path in files.items():
                    shutil.copyfile(path, made / name)
                (made / RESULT).write_text(result.model_dump_json(exclude={"script_path", "log_path", "note"}))
                made.rename(entry)
            finally:
                shutil.rmtree(made, ignore_errors=True)

    def tidy(self, room: int = ROOM) -> None:
        """Remove what was used least lately, until the entries take no more than `room` bytes."""
        with suppress(OSError):
            entries = [path for path in self.folder.glob("*/*") if path.is_dir()]
            entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for entry in entries:
                room -= sum(path.stat().st_size for path in entry.iterdir())
                if room < 0:
                    shutil.rmtree(entry, ignore_errors=True)

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / key
