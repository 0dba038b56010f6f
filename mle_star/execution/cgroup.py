"""Control groups (cgroup v2): where we may make them, the kernel bounds what a script and all that it starts use.

Such a bound holds at every moment, and exactly: what processes share counts once, and a file that lies in memory counts
although no process holds it. Elsewhere the same limits are watched (`watch`).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

PREFIX = "mle-star-script-"
"""Begins the name of a script's group; the id of the process that made it follows."""
BOUNDS = ("memory.max", "memory.high", "cpu.max")
TRIES, PAUSE = 100, 0.02
"""A group can be removed once the kernel has taken down the last process in it; seconds."""


@cache
def delegated() -> Path | None:
    """Find the group in which scripts get groups of their own, by trying; None where there is none."""
    parent = nearest()
    return parent if parent and _works(parent) else None


def nearest(process: Path = Path("/proc/self")) -> Path | None:
    """Find the nearest group, from a process's own upwards, in which it may make others with bounded memory.

    A script leaves the groups that are passed on the way. It must not escape what somebody set for us there: where one
    of them is bounded, there is none.
    """
    for group in _upwards(process):
        if "memory" in _read(group / "cgroup.subtree_control").split() and _writable(group):
            return group
        if any(_bounded(group / name) for name in BOUNDS):
            return None
    return None


def make(parent: Path, memory: int, processes: int) -> Path:
    """Make a group for a script; what dead processes of ours left is removed first.

    Raises:
        OSError: The kernel refuses, because there are too many or the parent is gone.
    """
    for left in parent.glob(f"{PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(PREFIX).partition("-")[0]).exists():
            with suppress(OSError):  # somebody is still in it
                left.rmdir()
    group = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
    try:
        (group / "memory.max").write_text(str(memory))
        for name, most in (("memory.swap.max", 0), ("pids.max", processes)):
            if (group / name).exists():
                (group / name).write_text(str(most))
    except OSError:
        remove(group)
        raise
    return group


def happened(group: Path, event: str) -> bool:
    """Tell whether the kernel has had to keep a limit: `memory.events oom_kill`, `pids.events max`."""
    name, what = event.split()
    return any(line.split()[0] == what and line.split()[1] != "0" for line in _read(group / name).splitlines())


def remove(group: Path) -> None:
    """End all that is still in a group, and remove it; takes as long as processes take to end."""
    with suppress(OSError):  # Linux before 5.14 has no such file
        (group / "cgroup.kill").write_text("1")
    for _ in range(TRIES):
        with suppress(OSError):
            group.rmdir()
        if not group.exists():
            return
        time.sleep(PAUSE)


def _upwards(process: Path) -> Iterator[Path]:
    """List a process's group and those above it, as far as they are mounted."""
    own = next((line[3:] for line in _read(process / "cgroup").splitlines() if line.startswith("0::")), "")
    for line in _read(process / "mountinfo").splitlines():
        mount, _, kind = line.partition(" - ")
        root, top = mount.split()[3:5]
        if kind.startswith("cgroup2 ") and PurePosixPath(own).is_relative_to(root) and ".." not in own:
            below = PurePosixPath(own).relative_to(root)
            yield from (Path(top, path) for path in (below, *below.parents))
            return


def _bounded(file: Path) -> bool:
    return not (_read(file) or "max").startswith("max")


def _writable(group: Path) -> bool:
    return all(os.access(path, os.W_OK) for path in (group, group / "cgroup.procs"))


def _works(parent: Path) -> bool:
    """Make a group and move a process into it: files that look writable may still refuse."""
    try:
        group = make(parent, memory=1 << 30, processes=8)
    except OSError:
        return False
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as waiting:
            (group / "cgroup.procs").write_text(str(waiting.pid))
    except OSError:
        return False
    finally:
        remove(group)
    return True


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
