"""What files a data set has, and which of them is the training table, the test table and the sample submission."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mle_star.models.profile import FileProfile

TABLES = (".csv", ".parquet", ".tsv", ".jsonl", ".ndjson", ".json", ".pq", ".feather")
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")
LABELS = re.compile(r"label|target|answer|solution|^y_|_y$")
SEALED = dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "is packed: unpack it")
SEALED |= dict.fromkeys((".xlsx", ".xls", ".ods"), "is a spreadsheet: save it as CSV")
"""What holds data but cannot be read as it is, and what to do about it."""
IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
AUDIO = {".wav", ".mp3", ".flac", ".ogg", ".aif", ".aiff", ".m4a"}
DOCUMENTS = {".md", ".markdown", ".txt", ".rst", ".yaml", ".yml", ".pdf", ".html", ".py", ".ipynb"}
RUNS_OWN = {"run.json", "brief.json"}
"""What a run's folder holds from the beginning."""
DEPTH = 5
MANY = 12
"""More alike files than this are told as one folder."""
MOST_FILES = 60


class Roles(NamedTuple):
    """The tables that have a part to play; paths relative to the data set's folder."""

    train: str | None
    test: str | None
    sample: str | None
    labels: str | None = None
    """A second training table that holds only the target, such as train_labels.csv or y_train.csv."""
    more: tuple[str, ...] = ()
    """Where the training table is cut into several files, the others: train_2, or all of a folder `train`."""
    more_test: tuple[str, ...] = ()
    """The same for the test table."""


class Folder(NamedTuple):
    """One folder and the names of the files right inside it."""

    path: str
    files: tuple[str, ...]


def suffix_of(name: str) -> str:
    """Give the extension that tells the format: `.csv` for `train.csv.gz`."""
    dots = PurePosixPath(name.lower()).suffixes
    if len(dots) > 1 and dots[-1] in PACKED:
        return dots[-2]
    return dots[-1] if dots else ""


def is_table(name: str) -> bool:
    return suffix_of(name) in TABLES


def sealed(name: str) -> str | None:
    """Say what to do with a file that has to be opened by hand first; None for any other. `x.tar.gz` is a `.tar`."""
    advice = SEALED.get(suffix_of(name))
    return f"{name} {advice}" if advice else None


def walk(root: Path, depth: int = DEPTH) -> Iterator[Folder]:
    """Yield each folder with its files, sorted; `path` is relative and `` for the root.

    Hidden ones are left out, and so is what earlier runs left in the data set's folder.
    """
    for at, folders, files in os.walk(root, followlinks=True):
        relative = os.path.relpath(at, root)
        relative = "" if relative == "." else relative
        level = relative.count(os.sep) + 1 if relative else 0
        if relative and RUNS_OWN.issubset(files):
            folders.clear()
            continue
        folders[:] = sorted(n for n in folders if not n.startswith((".", "__"))) if level < depth else []
        yield Folder(relative.replace(os.sep, "/"), tuple(sorted(n for n in files if not n.startswith("."))))


def has_data(root: Path, depth: int = DEPTH) -> bool:
    """Tell whether there is any file besides documents."""
    return any(suffix_of(name) not in DOCUMENTS for folder in walk(root, depth) for name in folder.files)


def inventory(root: Path, folders: list[Folder]) -> tuple[FileProfile, ...]:
    """List the files; a folder of many alike files is one entry, and so are many alike files in the root."""
    found: list[FileProfile] = []
    told: list[str] = []
    for folder in folders:
        if any(folder.path == path or folder.path.startswith(f"{path}/") for path in told):
            continue
        inside = [f for f in folders if f.path == folder.path or f.path.startswith(f"{folder.path}/")]
        everything = [f"{f.path}/{name}" for f in inside for name in f.files]
        if folder.path and _alike(everything):
            told.append(folder.path)
            found.append(FileProfile(path=f"{folder.path}/", bytes=_bytes(root, everything), files=len(everything)))
            continue
        kinds = Counter(suffix_of(name) for name in folder.files)
        for kind in sorted(kind for kind, count in kinds.items() if count > MANY):
            names = [_join(folder.path, name) for name in folder.files if suffix_of(name) == kind]
            found.append(FileProfile(path=_join(folder.path, f"*{kind}"), bytes=_bytes(root, names), files=len(names)))
        for name in folder.files:
            if kinds[suffix_of(name)] <= MANY:
                path = _join(folder.path, name)
                found.append(FileProfile(path=path, bytes=_bytes(root, [path])))
    return tuple(found[:MOST_FILES])


def _alike(paths: list[str]) -> bool:
    if len(paths) <= MANY:
        return False
    kinds = Counter(suffix_of(path) for path in paths)
    return kinds.most_common(1)[0][1] >= 0.8 * len(paths)


def _bytes(root: Path, paths: list[str]) -> int:
    """Add up sizes; from the first thousand files where there are more."""
    sizes = [(root / path).stat().st_size for path in paths[:1000] if (root / path).exists()]
    return round(sum(sizes) * len(paths) / len(sizes)) if sizes else 0


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def find_roles(folders: list[Folder], columns: Callable[[str], Sequence[str]]) -> Roles:
    """Tell the tables apart by their names; a sole table that is neither test nor sample is the training table.

    Where several names would do, the training table is the one that has what the sample asks for, and the test table
    the one that is most like it; `columns(path)` gives a table's columns.
    """
    tables = [
        _join(f.path, name)
        for f in folders
        if f.path.count("/") < 2 and (not f.path or not re.search(r"answer|solution|private", f.path.lower()))
        for name in f.files
        if is_table(name) and _may_play(name, sum(map(is_table, f.files)))
    ]
    tables.sort(key=lambda path: (path.count("/"), TABLES.index(suffix_of(path)), len(path), path))
    sample = next((t for t in tables if _is_sample(_stem(t))), None)
    tables = [t for t in tables if not _is_sample(_stem(t))]
    labels = [t for t in tables if _part(t) == "train" and LABELS.search(_stem(t))]
    train = _best(tables, "train", sample, columns)
    test = _best([t for t in tables if t != train], "test", train, columns)
    rest = [t for t in tables if t not in (train, test) and not re.search(r"answer|solution|test", _stem(t))]
    if train is None and len(rest) == 1:
        train = rest[0]
    label = next((t for t in labels if t != train), None)
    parts = _series(train, [t for t in tables if t not in labels]) if train else []
    tests = _series(test, [t for t in tables if t not in parts]) if test else []
    tests = [t for t in tests if t == test or set(columns(t)) == set(columns(test or t))]
    train, test = parts[0] if parts else None, tests[0] if tests else None
    return Roles(train, test, sample, label, tuple(parts[1:]), tuple(tests[1:]))


def _may_play(name: str, beside: int) -> bool:
    """Tell whether a table may be more than one of many alike: among very many none is, whatever it is called."""
    stem = _stem(name)
    return beside <= MANY or (beside <= MOST_FILES and (_says(stem) is not None or _is_sample(stem)))


def _series(table: str, tables: list[str]) -> list[str]:
    """A table's files, in order: of the same name but for its numbers, or those of the folder `train` or `test`."""

    def series(path: str) -> tuple[str, str] | None:
        folder, stem = path.rpartition("/")[0], _stem(path)
        if folder and not _says(stem):
            return (folder, "") if _part(path) else None
        return (folder, re.sub(r"\d+", "", stem)) if re.search(r"\d", stem) and "fold" not in stem else None

    def in_order(path: str) -> list[tuple[int, str]]:
        return [(int(piece), "") if piece.isdigit() else (0, piece) for piece in re.split(r"(\d+)", path)]

    same = series(table)
    if same is None:
        return [table]
    return sorted((t for t in tables if series(t) == same and suffix_of(t) == suffix_of(table)), key=in_order)


def _stem(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", path.rsplit("/", 1)[-1].lower().split(".")[0]).strip("_")


def _is_sample(stem: str) -> bool:
    return "submission" in stem or (
        ("sample" in stem or "example" in stem) and re.search(r"sub|pred|sol|entr(y|ies)", stem) is not None
    )


def _part(path: str) -> str | None:
    """Tell whether a table's own name, or else its folder's, says train or test."""
    return _says(_stem(path)) or (_says(_stem(path.rsplit("/", 1)[0])) if "/" in path else None)


def _says(stem: str) -> str | None:
    words = stem.split("_")
    if any(re.match(r"train(ing|set|data)?\d*$", word) for word in words) or stem.startswith("train"):
        return "train"
    test = any(re.match(r"(test(ing|set|data)?|unlabell?ed|holdout)\d*$", word) for word in words)
    return "test" if test or stem.startswith("test") else None


def _best(tables: list[str], part: str, like: str | None, columns: Callable[[str], Sequence[str]]) -> str | None:
    """Prefer `train` itself to `train_features`, that to `train_2`, and any of them to `train_labels`.

    Of several that are no better than one another, but for a number, prefer the one most like the table `like`.
    """

    def rank(path: str) -> int:
        stem = _stem(path)
        if stem in (part, f"{part}ing", f"{part}_set", f"{part}ing_set", f"{part}_data"):
            return 0
        if LABELS.search(stem):
            return 3
        return 1 if re.search(r"feature|value|data|input", stem) else 2

    named = [t for t in tables if _part(t) == part]
    first = [t for t in named if rank(t) == min(map(rank, named))]
    if like is not None and len({re.sub(r"\d+", "", _stem(t)) for t in first}) > 1:
        wanted = set(columns(like))
        shared = {t: len(wanted.intersection(columns(t))) for t in first}
        first = [t for t in first if shared[t] == max(shared.values())]
    return min(first, key=lambda path: len(_stem(path)), default=None)
