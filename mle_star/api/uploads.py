"""Uploaded data: kept in folders of its own, unpacked with care, and looked at before anyone runs on it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from mle_star.api.problems import Problem
from mle_star.api.schemas import DatasetView, FileView
from mle_star.api.settings import ServerSettings
from mle_star.models.errors import MLEStarError
from mle_star.tools.files import write_atomically

TABLES = {".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson"}
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
SOUNDS = {".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff", ".m4a"}
WORDS = {".md", ".txt", ".yaml", ".yml"}
ACCEPTED = TABLES | IMAGES | SOUNDS | WORDS
DATASET_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
MOST_RATIO, UNSUSPECTED = 200, 16 << 20
"""Unpacked to packed bytes of one file, past which a zip is taken for a bomb; small files are left out of that."""
CHUNK = 1 << 20
SHOWN = 200


class Uploads:
    """The folder of uploaded data sets."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.root = settings.uploads_dir.absolute()
        self.partial = self.root / ".partial"

    def create(self, name: str) -> str:
        """Make an empty data set; gives its id."""
        slug = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")[:40] or "data"
        made = f"{slug}-{uuid4().hex[:8]}"
        (self.root / made / "data").mkdir(parents=True)
        write_atomically(self.root / made / "dataset.json", json.dumps({"name": name, "created": time.time()}))
        return made

    def folder(self, dataset: str) -> Path:
        """Find a data set's folder.

        Raises:
            Problem: There is none of that id.
        """
        if not DATASET_ID.fullmatch(dataset) or not (self.root / dataset / "dataset.json").is_file():
            raise Problem(404, f"there is no data set {dataset}")
        return self.root / dataset

    def data(self, dataset: str) -> Path:
        """Find a data set's files."""
        return self.folder(dataset) / "data"

    def add(self, dataset: str, name: str, content: Path) -> None:
        """Move a file that has come in whole into a data set; a zip is unpacked.

        Raises:
            Problem: Its name or its content can't be accepted; nothing of it is kept.
        """
        data = self.data(dataset)
        try:
            safe = safe_name(name)
            if safe.suffix.lower() == ".zip":
                self._unpack(content, data)
            else:
                content.replace(data / safe)
        finally:
            content.unlink(missing_ok=True)

    def save(self, source: BinaryIO) -> Path:
        """Copy what comes in to a file of its own, up to the limit.

        Raises:
            Problem: It is too large.
        """
        self.partial.mkdir(parents=True, exist_ok=True)
        target, size = self.partial / uuid4().hex, 0
        with target.open("wb") as file:
            while chunk := source.read(CHUNK):
                size += len(chunk)
                if size > self.settings.max_upload:
                    target.unlink()
                    raise Problem(413, f"a file may have {self.settings.max_upload:,} bytes at most")
                file.write(chunk)
        return target

    def _unpack(self, archive: Path, data: Path) -> None:
        place = data.parent / f".unpack-{uuid4().hex}"
        try:
            with zipfile.ZipFile(archive) as packed:
                entries = list(self._entries(packed))
                top = {path.parts[0] for _, path in entries}
                nested = len(top) == 1 and all(len(path.parts) > 1 for _, path in entries)
                left = self.settings.max_unpacked
                for entry, path in entries:
                    target = place.joinpath(*path.parts[1 if nested else 0 :])
                    target.parent.mkdir(parents=True, exist_ok=True)
                    left -= _extract(packed, entry, target, left)
            for made in sorted(place.rglob("*")):
                if made.is_file():
                    goal = data / made.relative_to(place)
                    goal.parent.mkdir(parents=True, exist_ok=True)
                    made.replace(goal)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise Problem(422, f"the zip can't be read: {str(error) or type(error).__name__}") from None
        except OSError as error:
            raise Problem(422, f"the zip can't be unpacked: {error.strerror}") from None
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _entries(self, packed: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
        entries = [entry for entry in packed.infolist() if not entry.is_dir()]
        if len(entries) > self.settings.max_files:
            raise Problem(422, f"the zip holds {len(entries):,} files, more than {self.settings.max_files:,}")
        if sum(entry.file_size for entry in entries) > self.settings.max_unpacked:
            raise Problem(422, f"the zip's content has more than {self.settings.max_unpacked:,} bytes")
        for entry in entries:
            name = entry.filename.replace("\\", "/")
            path = PurePosixPath(name)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\x00" in name:
                raise Problem(422, f"the zip would write outside of its folder: {name[:200]}")
            if kind not in (0, stat.S_IFREG):
                raise Problem(422, f"the zip holds something that is no file: {name[:200]}")
            if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
                continue  # what an operating system puts there for itself
            if path.suffix.lower() not in ACCEPTED:
                raise Problem(422, f"{name[:200]} is no table, image, sound or text")
            yield entry, path

    def view(self, dataset: str) -> DatasetView:
        """Describe a data set, with what is found in it."""
        folder = self.folder(dataset)
        about = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        files = sorted(path for path in (folder / "data").rglob("*") if path.is_file())
        return DatasetView(
            id=dataset, name=about["name"], created=about["created"], file_count=len(files),
            bytes=sum(path.stat().st_size for path in files),
            files=[_look_at(path, folder / "data") for path in files[:SHOWN]], problem=_problem(folder / "data"),
        )  # fmt: skip

    def all(self) -> list[DatasetView]:
        """Describe all data sets, newest first."""
        names = [
            path.parent.name for path in self.root.glob("*/dataset.json") if DATASET_ID.fullmatch(path.parent.name)
        ]
        return sorted(map(self.view, names), key=lambda view: -view.created)

    async def remove(self, dataset: str) -> None:
        """Delete a data set."""
        folder = await asyncio.to_thread(self.folder, dataset)
        await asyncio.to_thread(shutil.rmtree, folder)


def safe_name(name: str) -> Path:
    """Take a file's name, and nothing else, from what a client says it is.

    Raises:
        Problem: It has no usable name, or is of a kind that is no data.
    """
    plain = PurePosixPath(name.replace("\\", "/")).name
    if not plain or plain.startswith(".") or len(plain.encode("utf-8", "replace")) > 200 or not plain.isprintable():
        raise Problem(422, "the file has no usable name")
    if Path(plain).suffix.lower() not in ACCEPTED | {".zip"}:
        raise Problem(422, f"{plain} is no table (CSV, Parquet, JSON), image, sound, text or zip")
    return Path(plain)


def inside(path: str, roots: tuple[Path, ...]) -> Path:
    """Resolve a folder that a request names.

    Raises:
        Problem: It is in none of the roots, whether it exists or not.
    """
    resolved = Path(path).resolve()
    for root in roots:
        if resolved.is_relative_to(root.resolve()):
            return resolved
    raise Problem(404, "dataset_path is in none of the folders that this server may use")


def _extract(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack one file and count what really comes out of it."""
    size, most = 0, MOST_RATIO * entry.compress_size + UNSUSPECTED
    with packed.open(entry) as source, target.open("wb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > left or size > most:
                raise Problem(422, f"the zip's content is too large, or packed too well: {entry.filename[:200]}")
            file.write(chunk)
    return size


def _look_at(path: Path, data: Path) -> FileView:
    view = FileView(path=str(path.relative_to(data)), bytes=path.stat().st_size)
    if path.suffix.lower() == ".parquet":
        from pyarrow.lib import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            table = ParquetFile(path)
            return view.model_copy(update={"rows": table.metadata.num_rows, "columns": table.schema.names[:500]})
        except (ArrowException, OSError):
            return view
    if path.suffix.lower() in (".csv", ".tsv"):
        with path.open("rb") as file:
            head = file.readline(CHUNK).decode("utf-8", "replace").strip("\r\n\ufeff")
            rows = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))
        mark = max(",\t;|", key=head.count)
        return view.model_copy(update={"rows": rows, "columns": [name.strip('"') for name in head.split(mark)][:500]})
    return view


def _problem(data: Path) -> str:
    from mle_star.tools.task_folder import read_task_folder

    try:
        read_task_folder(data)
    except MLEStarError as error:
        return str(error).replace(f"{data.resolve()}", "the data set").replace(f"{data}", "the data set")
    return ""
