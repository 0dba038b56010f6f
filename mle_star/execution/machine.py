"""What this machine has for scripts: cores, memory and GPUs, as far as this process may use them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

CONTROL_GROUP = Path("/sys/fs/cgroup")
NVIDIA = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Machine:
    """What there is to deal out."""

    cores: tuple[int, ...]
    memory: int
    """Bytes."""
    gpus: tuple[str, ...] = ()
    """As CUDA_VISIBLE_DEVICES names them."""


@cache
def this_machine() -> Machine:
    """Look at the machine; once, since it asks the system and may start a program."""
    return Machine(available_cores(), available_memory(), available_gpus())


def available_cores(control_group: Path = CONTROL_GROUP) -> tuple[int, ...]:
    """List the cores that this process may use: no more than a container is given time on (`docker run --cpus`).

    Threads beyond that would wait for each other while the container is stopped for the rest of each period. Which
    cores they are is told by the host's name, so that containers side by side don't all crowd the first ones.
    """
    found = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    count = min(len(found), _core_quota(control_group))
    first = crc32(platform.node().encode()) % len(found) if count < len(found) else 0
    return tuple(sorted([*found, *found][first : first + count]))


def _core_quota(control_group: Path) -> int:
    """How many cores' time a container is given, rounded up; a great number where there is no limit."""
    version_1 = (control_group / "cpu" / name for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    for files in ([control_group / "cpu.max"], version_1):
        with suppress(OSError, ValueError):  # there is none, or it says `max`
            quota, period = map(int, " ".join(file.read_text() for file in files).split())
            if quota > 0:
                return -(-quota // period)
    return sys.maxsize


def available_memory(control_group: Path = CONTROL_GROUP) -> int:
    """Give the bytes of memory that this process may use: the machine's, or fewer where a container is given fewer."""
    import psutil

    limits = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # there is none, or it says `max`
            limits.append(int((control_group / name).read_text()))
    return min(limits)


def available_gpus(driver: Path = NVIDIA) -> tuple[str, ...]:
    """List the NVIDIA GPUs that this process may use, without loading any of their libraries."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(name for part in chosen.split(",") if (name := part.strip()) not in ("", "-1", "NoDevFiles"))
    if driver.is_dir():
        texts = [path.read_text(errors="replace") for path in sorted(driver.glob("*/information"))]
        return tuple(found[1] for text in texts if (found := re.search(r"GPU UUID:\s*(\S+)", text)))
    try:
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
