"""Which isolation this machine gives, found by trying: once for each process."""

from __future__ import annotations

import json
import os
import shutil
import site
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mle_star.execution.isolation.policy import LEVEL_OF, LEVELS, Level, Mechanism, Policy

LAUNCHER = Path(__file__).parents[1] / "launch.py"
NOBODY = 65_534
STRONGEST_FIRST: tuple[Mechanism, ...] = ("namespaces", "bubblewrap", "landlock")
PROBE = "open('working/probe', 'w').write('written')"
WORDS: dict[Mechanism, str] = {
    "namespaces": "own namespaces",
    "bubblewrap": "bubblewrap",
    "landlock": "Landlock and seccomp",
    "none": "a process group and a clean environment only",
}
MOST_LINKS = 10_000
"""Entries of the data folder that are looked at for links that lead out of it."""


class Isolation(NamedTuple):
    """What is in force, and why nothing stronger is."""

    mechanism: Mechanism
    problems: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        """How much it keeps away."""
        return LEVEL_OF[self.mechanism]

    def reaches(self, level: Level) -> bool:
        """Whether it is at least as strong as `level`."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    def __str__(self) -> str:
        """Name it in a line."""
        return f"isolation {self.level}: {WORDS[self.mechanism]}"


@cache
def strongest() -> Isolation:
    """Find the strongest mechanism that works here. Blocks for a fraction of a second, the first time."""
    problems: list[str] = []
    for mechanism in STRONGEST_FIRST:
        problem = trouble_with(mechanism)
        if not problem:
            return Isolation(mechanism, tuple(problems))
        problems.append(f"{WORDS[mechanism]}: {problem}")
    return Isolation("none", tuple(problems))


def trouble_with(mechanism: Mechanism) -> str:
    """Try a mechanism on a small script; gives what went wrong, or nothing."""
    if sys.platform != "linux" and mechanism != "none":
        return f"not on {sys.platform}"
    if mechanism == "bubblewrap" and shutil.which("bwrap") is None:
        return "not installed"
    with tempfile.TemporaryDirectory(prefix="mle-star-") as name:
        folder = Path(name).resolve()
        script = folder / "probe.py"
        script.write_text(PROBE, encoding="utf-8")
        (folder / "work" / "working").mkdir(parents=True)
        folder.chmod(0o755)
        readable = (str(script), *python_paths())
        policy = Policy(
            mechanism=mechanism, script=str(script), workdir=str(folder / "work"), report=str(folder / "report"),
            readable=readable, uid=unprivileged_user(mechanism, readable),
        )  # fmt: skip
        try:
            order = json.dumps({"cores": (), "policy": asdict(policy)})
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(LAUNCHER), order],
                cwd=folder / "work", env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        report = read_report(Path(policy.report))
        if problem := report.get("refused"):
            return str(problem)
        if done.returncode or not (folder / "work" / "working" / "probe").is_file():
            return (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return ""


def read_report(path: Path) -> dict[str, object]:
    """Read what the supervisor wrote; empty if it did not come to that."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def unprivileged_user(mechanism: Mechanism, needed: Iterable[str]) -> int | None:
    """Give the user that scripts run as when we are root; None to stay who we are.

    Landlock alone opens no way for that user to what lies in a closed folder, such as /root: then it stays root,
    without root's privileges.
    """
    if mechanism == "none" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    if mechanism == "landlock" and not all(map(_open_to_others, needed)):
        return None
    return NOBODY


def _open_to_others(path: str) -> bool:
    """Whether a user who owns none of it can read a path."""
    place = Path(path)
    return bool(place.stat().st_mode & stat.S_IROTH) and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in place.parents
    )


@cache
def python_paths() -> tuple[str, ...]:
    """List where Python, its packages and what they load lie: all that a script needs besides the system."""
    found = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, str(LAUNCHER.parent)]
    found += [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    found += [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path.startswith("/")]
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    home = str(Path.home())
    found += [os.path.realpath(path) for path in found]
    return tuple(sorted({path for path in found if os.path.isdir(path) and not f"{home}/".startswith(f"{path}/")}))


def links_out_of(folder: Path) -> Iterator[str]:
    """Follow the links in a data folder and its own folders; yields where they lead, if outside."""
    left = MOST_LINKS
    for place, _, _ in os.walk(folder):
        with os.scandir(place) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    return
                if entry.is_symlink():
                    target = os.path.realpath(entry.path)
                    if os.path.exists(target) and not f"{target}/".startswith(f"{folder}/"):
                        yield target
