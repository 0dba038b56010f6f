"""What a task does on a node of a Ray cluster: run the script as at home, and bring back what it left."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from mle_star.execution.isolation.detect import strongest
from mle_star.execution.isolation.policy import Level
from mle_star.execution.limits import SHARE_OF_DISK
from mle_star.execution.parcel import private_folder, unpack
from mle_star.execution.runner import Job, run_script
from mle_star.execution.workdir import artefact, clear
from mle_star.models.data_models import ExecutionResult
from mle_star.models.errors import MLEStarError

LEFT_BYTES = 1 << 30
"""Of what a script left in `final/` that is brought back, smallest files first."""


@dataclass(frozen=True)
class Delivery:
    """What a task brings back."""

    result: ExecutionResult
    log: bytes
    files: dict[str, bytes]
    """What the script left in `final/`, by its path there."""


def isolation_here() -> Level:
    """Say how scripts are isolated on this node."""
    return strongest().level


def run_here(job: Job, script: bytes, digest: str, chunks: list[Any], cpus: int, require: Level) -> Delivery:
    """Run the script in a folder that is gone afterwards.

    Raises:
        MLEStarError: It can't be isolated as demanded.
    """
    import ray

    if not strongest().reaches(require):
        raise MLEStarError(f"a node has less than isolation {require}: {strongest()}")
    timeout = min(job.timeout, job.deadline - time.time())
    if timeout <= 0:
        return Delivery(ExecutionResult(error="no time left", message="It waited too long for a node."), b"", {})
    data = unpack(digest, lambda: map(ray.get, chunks)) if digest else job.data
    name = tempfile.mkdtemp(prefix="mle-star-")
    try:
        with _cores(cpus) as cores:
            folder = Path(name).resolve()
            disk = int(min(job.limits.disk, shutil.disk_usage(folder).free * SHARE_OF_DISK))
            local = replace(
                job, script=folder / job.script.name, log=folder / job.log.name, workdir=folder / "work", data=data,
                timeout=timeout, cores=cores, gpus=(),  # Ray has chosen them, in our environment
                limits=replace(job.limits, disk=disk), hidden=tuple(path for path in job.hidden if path.exists()),
            )  # fmt: skip
            folder.chmod(0o755)  # the script may run as another user
            local.script.write_bytes(script)
            result = asyncio.run(run_script(local))
            if result.error == "timeout" and timeout < job.timeout:
                result = result.model_copy(update={"error": "no time left"})
            return Delivery(result, local.log.read_bytes(), dict(_left_behind(local.workdir)))
    finally:
        clear(Path(name))


@contextmanager
def _cores(count: int) -> Iterator[tuple[int, ...]]:
    """Hold cores that no other script on this machine is pinned to: Ray counts cores, but does not deal them out."""
    import fcntl

    folder = private_folder("mle-star-cores")
    held: list[IO[str]] = []
    cores: list[int] = []
    try:
        for core in sorted(os.sched_getaffinity(0)):
            if len(cores) == count:
                break
            lock: IO[str] = (folder / str(core)).open("w")
            held.append(lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            cores.append(core)
        yield tuple(cores)
    finally:
        for lock in held:
            lock.close()


def _left_behind(workdir: Path) -> Iterator[tuple[str, bytes]]:
    """Read the plain files that a script left in `final`; no link is followed, nor is `final` if it is one."""
    names = [
        os.path.relpath(os.path.join(folder, name), workdir)  # noqa: PTH118
        for folder, _, files in os.walk(workdir / "final")
        for name in files
    ]
    found = [path for name in names if (path := artefact(workdir, name))]
    room = LEFT_BYTES
    for path in sorted(found, key=lambda path: path.stat().st_size):
        room -= path.stat().st_size
        if room < 0:
            return
        yield str(path.relative_to(workdir / "final")), path.read_bytes()
