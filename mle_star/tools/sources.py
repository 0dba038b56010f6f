"""Which of a task's files a solution can learn from, and which of them a script names."""

from __future__ import annotations

import ast

from mle_star.models.profile import DataProfile
from mle_star.models.syntax import parse


def sources(profile: DataProfile) -> list[str]:
    """Every file, and folder of files, but the test's and the sample submission."""
    sample = profile.submission.sample_file if profile.submission else None
    known = (profile.test_file, *profile.more_test_files, sample)
    tests = profile.images.test_pattern.rpartition("/")[0] if profile.images else None
    paths = [file.path for file in profile.files]
    return [path for path in paths if path not in known and (not tests or _folder(path) != tests)]


def newly_named(profile: DataProfile, before: str, after: str) -> list[str]:
    """Those sources that a script names in its code, and an earlier one does not."""
    earlier, later = _texts(before), _texts(after)
    return [path for path in sources(profile) if _named(path, later) and not _named(path, earlier)]


def _folder(path: str) -> str:
    """A folder of many files is listed as `images/` or `images/*.png`."""
    return path.rpartition("/")[0] if path.endswith("/") or "*" in path else path


def _named(path: str, texts: set[str]) -> bool:
    name = _folder(path).rpartition("/")[2]
    return bool(name) and any(name in text for text in texts)


def _texts(script: str) -> set[str]:
    """The strings in a script's code; comments and docstrings name files without reading them."""
    try:
        nodes = list(ast.walk(parse(script)))
    except SyntaxError:
        return set()
    idle = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in idle]
    return {node.value for node in constants if isinstance(node.value, str)}
