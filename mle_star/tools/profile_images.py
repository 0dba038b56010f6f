"""Where the images (or sounds) are, and how a table's row finds its file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

from mle_star.models.profile import ImageProfile
from mle_star.tools.profile_files import AUDIO, IMAGES, Folder, suffix_of

if TYPE_CHECKING:
    import pandas as pd

FEW = 10
LOOKED_AT = 50


class Media(NamedTuple):
    """The folders that hold images or sounds."""

    kind: Literal["image", "audio"]
    train: tuple[str, ...]
    """Folders with training files; several when each is a class."""
    test: tuple[str, ...]
    suffix: str
    """The most usual extension, with its point."""

    @property
    def classes(self) -> dict[str, str]:
        """Folder to class, where each training folder is one; otherwise empty."""
        if len(self.train) < 2 or len({_parent(path) for path in self.train}) != 1:
            return {}
        return {path: PurePosixPath(path).name for path in self.train}


def find_media(folders: Sequence[Folder]) -> Media | None:
    """Give the folders with at least ten images or sounds; None when there are none."""
    for kind, suffixes in (("image", IMAGES), ("audio", AUDIO)):
        counts = {f.path: sum(suffix_of(n) in suffixes for n in f.files) for f in folders}
        if sum(counts.values()) < FEW:
            continue
        holding = [path for path, count in counts.items() if count]
        usual = Counter(suffix_of(n) for f in folders for n in f.files if suffix_of(n) in suffixes).most_common(1)[0][0]
        names = {n for f in folders for n in f.files if n.lower().endswith(usual)}
        spelled = Counter(PurePosixPath(n).suffix for n in names).most_common(1)[0][0]
        test = tuple(path for path in holding if re.search(r"(^|[/_-])test", path.lower()))
        train = tuple(path for path in holding if path not in test)
        named = tuple(path for path in train if re.search(r"(^|[/_-])train", path.lower()))
        if kind == "image":
            return Media("image", named or train, test, spelled)
        return Media("audio", named or train, test, spelled)
    return None


def class_counts(folders: Sequence[Folder], media: Media) -> dict[str, int]:
    """Count files per class: by sub-folder, or by the file name's first part as in `cat.17.jpg`."""
    files = {f.path: f.files for f in folders}
    if classes := media.classes:
        return {name: len(files[path]) for path, name in classes.items()}
    heads: Counter[str] = Counter()
    for path in media.train:
        for name in files[path]:
            head = re.match(r"([A-Za-z]+)[._-]\d+\.", name)
            if head is None:
                return {}
            heads[head[1]] += 1
    return dict(heads) if 2 <= len(heads) <= 100 and min(heads.values()) > 1 else {}


def test_files(folders: Sequence[Folder], media: Media) -> int:
    """Count the files of the test folders."""
    return sum(len(f.files) for f in folders if f.path in media.test)


def profile_images(
    root: Path, folders: Sequence[Folder], media: Media, train: pd.DataFrame | None, test: pd.DataFrame | None
) -> ImageProfile | None:
    """Find the column that names the files and the pattern that makes a path of it, and look at a few images."""
    files = {f.path: f.files for f in folders}
    column, train_pattern = None, _any_pattern(media.train, media)
    test_pattern = _any_pattern(media.test, media)
    if train is not None and (linked := _link(train, files, media.train, media.suffix)):
        column, train_pattern = linked
        test_pattern = train_pattern
        source = test if test is not None and column in test.columns else None
        if source is not None and (there := _link(source[[column]], files, media.test or media.train, media.suffix)):
            test_pattern = there[1]
        elif media.test:
            test_pattern = f"{media.test[0]}/{PurePosixPath(train_pattern).name}".lstrip("/")
    paths = [
        f"{path}/{name}".lstrip("/")
        for path in media.train
        for name in files[path][: LOOKED_AT // len(media.train) + 1]
    ]
    sizes, modes = _look(root, paths[:LOOKED_AT])
    if not sizes:
        return None
    return ImageProfile(
        column=column,
        train_pattern=train_pattern,
        test_pattern=test_pattern,
        width=sizes[0][0],
        height=sizes[0][1],
        mode=modes[0],
        same_size=len(set(sizes)) == 1,
    )


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _any_pattern(paths: Sequence[str], media: Media) -> str:
    if not paths:
        return ""
    if len(paths) > 1:
        return f"{_parent(paths[0])}/*/{{}}{media.suffix}".lstrip("/")
    return f"{paths[0]}/{{}}{media.suffix}".lstrip("/")


def _link(
    table: pd.DataFrame, files: dict[str, tuple[str, ...]], where: Sequence[str], suffix: str
) -> tuple[str, str] | None:
    """The first column whose values are names of files that exist, and the pattern that makes paths of them."""
    import pandas as pd

    everything = {f"{path}/{name}".lstrip("/") for path, names in files.items() for name in names}
    for column in table.columns:
        if pd.api.types.is_float_dtype(table[column].dtype):
            continue
        values = [str(v) for v in table[column].dropna().iloc[:20]]
        if not values:
            continue
        starts = [
            "",
            *(f"{path}/" for path in where if path),
            *(f"{_parent(path)}/" for path in where if "/" in path),
        ]
        for start in starts:
            for end in ("", suffix):
                if all(f"{start}{v}{end}".removeprefix("./") in everything for v in values):
                    return str(column), f"{start}{{}}{end}"
    return None


def _look(root: Path, paths: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    from PIL import Image, UnidentifiedImageError

    sizes: list[tuple[int, int]] = []
    modes: list[str] = []
    for path in paths:
        try:
            with Image.open(root / path) as image:
                sizes.append(image.size)
                modes.append(image.mode)
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
            continue
    return sizes, modes
