"""Watches what a script uses, from outside, and says when it is too much. Knows nothing of how it was started."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mle_star.execution import cgroup
from mle_star.execution.isolation import descendants
from mle_star.execution.isolation.view import IN_MEMORY
from mle_star.execution.limits import Limits
from mle_star.models.data_models import ErrorKind

PERIOD = 0.1
"""Seconds between two looks at memory and processes."""
SHARE_OF_TIME = 0.05
"""Of a processor's time, at most, that looking may take: a folder of many files is looked at less often."""
RESERVE = 256 << 20
"""Bytes of the disk that no script may touch."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Breach:
    """A limit that was hit."""

    error: ErrorKind
    message: str


@dataclass
class Watch:
    """One script, from the process that supervises it downwards."""

    supervisor: int
    log: Path
    workdir: Path
    limits: Limits
    group: Path | None = None
    """Its control group: then the kernel keeps the limit of memory, and is asked whether it had to."""
    peak: int = 0
    """Most memory seen, bytes; not where the kernel keeps the limit."""
    seen: dict[int, int] = field(default_factory=dict)
    """Processes by number, with the time of their start: what must be gone in the end."""

    async def breach(self) -> Breach:
        """Wait until a limit is hit; never returns if none is."""
        looks = (self._output, self._processes, self.kept if self.group else self._memory, self._disk)
        watching = [asyncio.create_task(self._watch(look)) for look in looks]
        try:
            done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in watching:
                task.cancel()

    async def _watch(self, look: Callable[[], Breach | None]) -> Breach:
        """Look for one thing again and again: a long look for another would give a fork bomb time."""

        def timed() -> tuple[Breach | None, float]:
            begun = time.thread_time()  # not the clock's: who slows us down is not to be looked at less often
            return look(), time.thread_time() - begun

        while True:
            found, taken = await asyncio.to_thread(timed)
            if found:
                return found
            await asyncio.sleep(max(PERIOD, taken / SHARE_OF_TIME))

    def _output(self) -> Breach | None:
        if self.log.stat().st_size <= self.limits.output:
            return None
        limit = size_in_words(self.limits.output)
        return Breach("output", f"The script printed more than {limit} and was stopped: print less.")

    def _processes(self) -> Breach | None:
        tree = processes_below(self.supervisor)
        count = len(tree)
        if count < self.limits.processes:
            self.seen |= {pid: started for pid in tree if (started := start_of(pid))}
            count = sum(map(threads_of, tree))
        return None if count < self.limits.processes else too_many_processes(count, self.limits)

    def kept(self) -> Breach | None:
        """Say which limit the kernel has kept in the script's control group."""
        if self.group and cgroup.happened(self.group, "memory.events oom_kill"):
            return out_of_memory(self.limits)
        if self.group and cgroup.happened(self.group, "pids.events max"):
            return too_many_processes(self.limits.processes, self.limits)
        return None

    def _memory(self) -> Breach | None:
        tree = processes_below(self.supervisor)
        used = sum(map(resident, tree))
        if tree:
            used += sum(in_memory(tree))
        if used > self.limits.memory:  # what processes share was counted more than once: now exactly
            # Without the first: it is no process of the script's but its init, and shows its share to nobody.
            own = tree[1:] if sys.platform == "linux" else tree
            used = sum(map(proportional, own)) + sum(in_memory(tree))
        self.peak = max(self.peak, used)
        return out_of_memory(self.limits) if used > self.limits.memory else None

    def _disk(self) -> Breach | None:
        used = folder_size(self.workdir) + deleted_but_open(
            processes_below(self.supervisor), os.stat(self.workdir).st_dev
        )
        if used > self.limits.disk:
            limit = size_in_words(self.limits.disk)
            return Breach("disk", f"The script filled {limit} of disk and was stopped: write less, or delete files.")
        place = os.statvfs(self.workdir)
        if place.f_bavail * place.f_frsize < RESERVE:
            return Breach("disk", f"The disk is full; {size_in_words(used)} of it is the script's: write less.")
        return None


def out_of_time(seconds: float) -> Breach:
    """Say it in words that help."""
    return Breach("timeout", f"The script ran out of its {seconds:.0f} seconds and was stopped: let it do less.")


def out_of_memory(limits: Limits) -> Breach:
    """Likewise."""
    limit = size_in_words(limits.memory)
    return Breach("out of memory", f"out of memory at {limit}: use fewer rows, smaller types or a smaller model.")


def too_many_processes(count: int, limits: Limits) -> Breach:
    """Likewise."""
    return Breach(
        "processes",
        f"The script had {count} processes and threads, of at most {limits.processes}, and was stopped: "
        "start fewer workers (n_jobs).",
    )


def size_in_words(size: float) -> str:
    """Write a number of bytes for a person."""
    for unit, bytes_of in (("GB", 1 << 30), ("MB", 1 << 20)):
        if size >= bytes_of:
            return f"{size / bytes_of:.3g} {unit}"
    return f"{size:.0f} bytes"


def processes_below(pid: int) -> list[int]:
    """List a process's descendants."""
    if sys.platform == "linux":
        return descendants.of(pid)
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def start_of(pid: int) -> int:
    """Give the time of a process's start, in the kernel's ticks: with its number, it names the process for good."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0


def threads_of(pid: int) -> int:
    """Count a process's threads."""
    if sys.platform != "linux":
        return 1
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[17]) if len(fields) > 17 else 0


def resident(pid: int) -> int:
    """Give a process's resident memory, bytes: what it shares with others included."""
    if sys.platform == "linux":
        fields = _read(f"/proc/{pid}/statm").split()
        return int(fields[1]) * PAGE if fields else 0
    import psutil

    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def proportional(pid: int) -> int:
    """Give a process's share of memory, bytes: what n processes share counts as an n-th; shared files left out."""
    lines = (line.split() for line in _read(f"/proc/{pid}/smaps_rollup").splitlines() if line.startswith(b"Pss"))
    sizes = {line[0]: int(line[1]) * 1024 for line in lines}
    if not sizes:
        return resident(pid)
    shared = sizes.get(b"Pss_Shmem:", 0)
    return sizes.get(b"Pss:", 0) - shared + (_nameless(pid) if shared else 0)


def _nameless(pid: int) -> int:
    """Give a process's share of what processes share by no file that could be found: shared mappings, System V's."""
    size, counts = 0, False
    for line in _read(f"/proc/{pid}/smaps").splitlines():
        if line.startswith(b"Pss:"):
            size += counts * int(line.split()[1]) * 1024
        elif b"-" in line.split(None, 1)[0]:
            counts = b" /dev/zero (deleted)" in line or b" /SYSV" in line
    return size


def in_memory(tree: Iterable[int]) -> Iterable[int]:
    """Give the sizes of the file systems in memory that the processes have to themselves, bytes."""
    counted: set[int] = set()
    for pid in tree:
        for path in IN_MEMORY:
            with suppress(OSError):
                place = os.stat(f"/proc/{pid}/root{path}")
                if place.st_dev in counted or place.st_dev == _device(path):
                    continue
                counted.add(place.st_dev)
                facts = os.statvfs(f"/proc/{pid}/root{path}")
                yield (facts.f_blocks - facts.f_bfree) * facts.f_frsize
    yield from (size for path, _, size in _deleted(tree) if path.startswith("/memfd:"))


def _device(path: str) -> int:
    with suppress(OSError):
        return os.stat(path).st_dev
    return -1


def folder_size(folder: Path) -> int:
    """Add up what a folder takes on disk, bytes; follows no link."""
    size = 0
    waiting = [str(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return size


def deleted_but_open(tree: Iterable[int], device: int) -> int:
    """Add up the files on a device that have no name any more but are open, bytes."""
    return sum(size for _, where, size in _deleted(tree) if where == device)


def _deleted(tree: Iterable[int]) -> Iterable[tuple[str, int, int]]:
    counted: set[tuple[int, int]] = set()
    for pid in tree:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    path = os.readlink(f"/proc/{pid}/fd/{name}")
                    if path.endswith(" (deleted)"):
                        facts = os.stat(f"/proc/{pid}/fd/{name}")
                        file = (facts.st_dev, facts.st_ino)
                        if stat.S_ISREG(facts.st_mode) and file not in counted:
                            counted.add(file)
                            yield path, facts.st_dev, facts.st_blocks * 512


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
