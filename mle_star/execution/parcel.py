"""A folder of data as a parcel: chunks of one archive, known by the digest of their content.

The archive holds no times and no owners, so that the same files make the same digest on any machine.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
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
    def pack(cls, folder: Path, put: Callable[[bytes], Any], without: Iterable[Path] = ()) -> Parcel:
        """Pack a folder; each chunk, of 64 MB at most, goes to `put` as it is full.

        Links are followed; a `.env` and what is in the folders `without` stays at home.

        Raises:
            OSError: A file can't be read.
        """
        out = _Chunks(put)
        with tarfile.open(fileobj=out, mode="w|", bufsize=1 << 20) as archive:
            for path in sorted(_files(folder, without)):
                entry = archive.gettarinfo(path.resolve(), arcname=str(path.relative_to(folder)))
                entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
                entry.mode, entry.type, entry.linkname = 0o444, tarfile.REGTYPE, ""  # not a hard link to one before
                entry.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(entry, file)
        return cls(*out.finish())


def state_of(folder: Path, without: Iterable[Path] = ()) -> str:
    """Digest what can be told of a folder without reading its files: names, sizes and times."""
    state = hashlib.blake2b(digest_size=16)
    for path in sorted(_files(folder, without)):
        facts = path.stat()
        state.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return state.hexdigest()


def _files(folder: Path, without: Iterable[Path]) -> Iterator[Path]:
    """List the files of a folder, those behind links included; a link into what it is in is not followed for ever."""
    left_out = {path.resolve() for path in without} - {folder.resolve()}
    for place, folders, files in os.walk(folder, followlinks=True):
        above = {Path(place).resolve(), *Path(place).resolve().parents}
        folders[:] = [name for name in folders if _within(Path(place, name), above, left_out)]
        yield from (path for name in files if name != ".env" and (path := Path(place, name)).is_file())


def _within(folder: Path, above: set[Path], left_out: set[Path]) -> bool:
    real = folder.resolve()
    return real not in left_out and real not in above


def unpack(digest: str, chunks: Callable[[], Iterable[bytes]]) -> Path:
    """Return this machine's copy of a parcel; it is fetched and unpacked the first time.

    Processes that ask at the same time wait for the one that unpacks.
    """
    import fcntl

    store = private_folder("mle-star-data")
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


def private_folder(name: str) -> Path:
    """Make a folder for temporary files that no other user of the machine can have put there.

    Raises:
        PermissionError: Another has.
    """
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o022:
        raise PermissionError(f"{folder} is not this user's own")
    return folder


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
