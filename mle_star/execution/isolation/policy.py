"""What one script may see and use: made by us, read by the process that becomes the script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["none", "partial", "full"]
Mechanism = Literal["none", "landlock", "bubblewrap", "namespaces"]
LEVELS: tuple[Level, ...] = ("none", "partial", "full")
"""Weakest first."""
LEVEL_OF: dict[Mechanism, Level] = {
    "none": "none",
    "landlock": "partial",
    "bubblewrap": "full",
    "namespaces": "full",
}


@dataclass(frozen=True)
class Policy:
    """Plain values only, and absolute paths: it travels as JSON."""

    mechanism: Mechanism
    script: str
    workdir: str
    """The only folder that the script may write to."""
    report: str
    """File that the supervisor writes its report to; not for the script to see."""
    readable: tuple[str, ...]
    """What it may read besides the system's own files: the data, itself, Python and its packages."""
    hidden: tuple[str, ...] = ()
    """What it may not see although it lies within `readable`: other runs, a `.env`."""
    allow_network: bool = False
    uid: int | None = None
    """When we are root: the unprivileged user and group that the script runs as."""
    memory: int = 4 << 30
    """Bytes. Here it sizes the file systems that lie in memory, and a generous bound of the address space."""
    disk: int = 10 << 30
    """Bytes. Here it bounds a single file; the folder as a whole is watched from outside."""
    processes: int = 1024
    """Processes and threads at once."""
    cgroup: str | None = None
    """The control group that the kernel keeps memory and processes in; None where they are watched only."""
