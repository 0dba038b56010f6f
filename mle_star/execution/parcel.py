"""A folder of data as a parcel: chunks of one archive, known by the digest of their content.

The archive holds no times and no owners, so that the same files make the same digest on any machine.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK_BYTES = 64 << 20
UNUSED_SECONDS = 7 * 86_400
"""After so long without use a node's copy is swept away."""


@dataclass(frozen=True)
class Parcel:
    """What was packed: the digest, and what `put` made of each chunk."""

    digest: str
    chunks: list[Any]

    @classmethod
    def pack(cls, folder: Path, put: Callable[[bytes], Any]) -> Parcel:
        """Pack a folder; each chunk, of 64 MB at most, goes to `put` as it is full.

        Raises:
            OSError: A file can't be read.
        """
        out = _Chunks(put)
        with tarfile.open(fileobj=out, mode="w|", bufsize=1 << 20) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    entry = archive.gettarinfo(path.resolve(), arcname=str(path.relative_to(folder)))
                    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
                    entry.mode = 0o444
                    with path.open("rb") as file:
                        archive.addfile(entry, file)
        return cls(*out.finish())


def unpack(digest: str, chunks: Callable[[], Iterable[bytes]]) -> Path:
    """Return this machine's copy of a parcel; it is fetched and unpacked the first time.

    Processes that ask at the same time wait for the one that unpacks.
    """
    import fcntl

    store = Path(tempfile.gettempdir()) / f"mle-star-data-{os.getuid()}"
    store.mkdir(mode=0o700, exist_ok=True)
    copy = store / digest
    with (store / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.is_dir():
            _sweep(store)
            with tempfile.TemporaryDirectory(dir=store, prefix="unpacking-") as name:
                with tarfile.open(fileobj=_Joined(chunks()), mode="r|") as archive:
                    archive.extractall(Path(name) / "data", filter="data")
                (Path(name) / "data").mkdir(exist_ok=True)
                (Path(name) / "data").replace(copy)
        os.utime(copy)
    return copy


def _sweep(store: Path) -> None:
    """Remove the copies that nothing has used for a week."""
    for entry in store.iterdir():
        if time.time() - entry.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)


class _Chunks(io.RawIOBase):
    """A file that hands on what is written to it, chunk by chunk."""

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self._put, self._buffer, self._chunks = put, bytearray(), list[Any]()
        self._hash = hashlib.blake2b(digest_size=16)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            self._hand_on(CHUNK_BYTES)
        return len(data)

    def finish(self) -> tuple[str, list[Any]]:
        """Hand on the rest; returns the digest and all chunks."""
        if self._buffer:
            self._hand_on(len(self._buffer))
        return self._hash.hexdigest(), self._chunks

    def _hand_on(self, size: int) -> None:
        self._chunks.append(self._put(bytes(self._buffer[:size])))
        del self._buffer[:size]


class _Joined(io.RawIOBase):
    """A file that reads chunks one after another, each fetched when it is due."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._current = iter(chunks), memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted > 0:
            if not self._current:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._current = memoryview(chunk)
            part = self._current[:wanted]
            self._current = self._current[len(part) :]
            parts.append(bytes(part))
            wanted -= len(part)
        return b"".join(parts)
