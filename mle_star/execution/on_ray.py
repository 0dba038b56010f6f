"""Run scripts as tasks of a Ray cluster: the same job and the same result, on whichever node has room.

Within a task a script is run by the very runner that runs it here, so that its isolation, its limits and its timeout
hold on each node. Ray's own cancelling leaves a script's processes behind, so the kill lives inside of the task too:
the runner ends the script at its timeout, and the kernel ends it when its worker dies. A node that is lost takes its
scripts with it; Ray runs them again on another.

The data goes to each node once, by the digest of its content, or not at all where a path is shared.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from mle_star.execution.parcel import Parcel, unpack
from mle_star.execution.runner import Job, run_script
from mle_star.models.data_models import ExecutionResult
from mle_star.models.errors import ConfigError, MLEStarError

NODE_TRIES = 4
"""Times that a script is started anew since its node was lost."""
CANCEL_SECONDS = 10.0
LOG_BYTES = 64 << 20
"""Of a script's output that is brought back: what is between its head and its tail is left on the node."""


_JOINING = threading.Lock()


@dataclass(frozen=True)
class Cluster:
    """Which cluster, and what each script asks of it."""

    address: str | None = None
    """`ray://host:port`, `host:port`; None for the one that this machine belongs to."""
    cpus: int = 1
    gpus: float = 0.0
    memory: float | None = None
    """GB that a node must have free."""
    shared_data: bool = False
    """Whether the data's path is the same on every node, so that nothing is shipped."""


@dataclass(frozen=True)
class Delivery:
    """What a task brings back."""

    result: ExecutionResult
    log: bytes
    files: dict[str, bytes]
    """What the script left in `final/`, by its path there."""
    node: str


async def run_on_ray(job: Job, cluster: Cluster, deadline: float = float("inf")) -> ExecutionResult:
    """Run a script on a node of the cluster; its log and what it left in `final/` come back to the job's own places.

    `deadline` is in seconds of the wall clock: a script that had to wait for a node has so much less time.

    Raises:
        MLEStarError: The cluster is gone, or lost node after node; the run can be resumed.
    """
    import ray

    await asyncio.to_thread(connect, cluster.address)
    script = await asyncio.to_thread(job.script.read_bytes)
    data = None if cluster.shared_data else await _shipped(job.data)
    chunks = data.chunks if data else []
    task = _task(cluster).remote(job, script, data.digest if data else "", chunks, cluster.cpus, deadline)
    try:
        delivery: Delivery = await task
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.to_thread(_cancel, task))
        raise
    except ray.exceptions.OutOfMemoryError:
        message = "The script used more memory than its node has: use fewer rows or a smaller model."
        return ExecutionResult(error="killed", message=message, script_path=str(job.script), log_path=str(job.log))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise MLEStarError(
            f"the Ray cluster could not run {job.script.name}: {reason}; resume when it is up"
        ) from error
    return await asyncio.to_thread(_unload, job, delivery)


def connect(address: str | None) -> None:
    """Join the cluster, once for the process.

    Raises:
        ConfigError: There is none at the address, or Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed: pip install 'mle-star[ray]'") from None
    package = str(Path(__file__).parents[1])
    try:
        with _JOINING:
            if not ray.is_initialized():
                ray.init(
                    address=address or "auto", namespace="mle-star", log_to_driver=False, logging_level="ERROR",
                    runtime_env={"py_modules": [package], "excludes": ["**/__pycache__"]},
                )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "on this machine"
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"no Ray cluster answers {where}: start one with `ray start --head` ({reason})") from None


def _task(cluster: Cluster) -> Any:
    import ray

    options: dict[str, Any] = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus, "max_retries": NODE_TRIES}
    if cluster.memory:
        options["memory"] = int(cluster.memory * 2**30)
    return ray.remote(**options)(_run_on_node)


@cache
def _parcels() -> dict[Path, asyncio.Future[Parcel]]:
    return {}


async def _shipped(folder: Path) -> Parcel:
    """Put the data into the cluster's object store, once for the process; nodes fetch it when they lack it."""
    import ray

    parcels = _parcels()
    if folder not in parcels:
        parcels[folder] = asyncio.ensure_future(asyncio.to_thread(Parcel.pack, folder, ray.put))
    try:
        return await asyncio.shield(parcels[folder])
    except OSError:
        parcels.pop(folder, None)
        raise


def _cancel(task: Any) -> None:
    """End a task: politely, so that the runner kills the script's processes; then with the worker."""
    import ray

    ray.cancel(task)
    done, _ = ray.wait([task], timeout=CANCEL_SECONDS)
    if not done:
        ray.cancel(task, force=True)


def _unload(job: Job, delivery: Delivery) -> ExecutionResult:
    """Put what came back where a script that ran here would have left it."""
    job.log.write_bytes(delivery.log)
    final = job.workdir / "final"
    shutil.rmtree(job.workdir, ignore_errors=True)
    final.mkdir(parents=True)
    for name, content in delivery.files.items():
        path = final / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return delivery.result.model_copy(update={"script_path": str(job.script), "log_path": str(job.log)})


# What follows runs on a node.


def _run_on_node(job: Job, script: bytes, digest: str, chunks: list[Any], cpus: int, deadline: float) -> Delivery:
    """Run the script as it would be run at home, in a folder that is gone afterwards."""
    import ray

    timeout = min(job.timeout, deadline - time.time())
    node = ray.get_runtime_context().get_node_id()
    if timeout <= 0:
        result = ExecutionResult(error="no time left", message="The time for this phase of the run is over.")
        return Delivery(result, b"", {}, node)
    data = unpack(digest, lambda: map(ray.get, chunks)) if digest else job.data
    with tempfile.TemporaryDirectory(prefix="mle-star-") as name, _cores(cpus) as cores:
        folder = Path(name)
        local = replace(
            job, script=folder / job.script.name, log=folder / job.log.name, workdir=folder / "work", data=data,
            timeout=timeout, cores=cores,
        )  # fmt: skip
        local.script.write_bytes(script)
        result = asyncio.run(run_script(local))
        return Delivery(result, _bounded(local.log), dict(_left_behind(local.workdir / "final")), node)


@contextmanager
def _cores(count: int) -> Iterator[tuple[int, ...]]:
    """Hold cores that no other script on this node is pinned to: Ray counts processors, but does not deal them out."""
    import fcntl

    folder = Path(tempfile.gettempdir()) / f"mle-star-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    held, cores = [], []
    try:
        for core in sorted(os.sched_getaffinity(0)):
            if len(cores) == count:
                break
            lock = (folder / str(core)).open("w")
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


def _bounded(log: Path) -> bytes:
    """The whole log, or the head and the tail of a very long one."""
    size = log.stat().st_size
    with log.open("rb") as file:
        if size <= LOG_BYTES:
            return file.read()
        head = file.read(LOG_BYTES // 2)
        file.seek(size - LOG_BYTES // 2)
        return head + b"\n[... left out ...]\n" + file.read()


def _left_behind(final: Path) -> Iterator[tuple[str, bytes]]:
    """Read the regular files that a script left; a link is not followed."""
    for path in sorted(final.rglob("*")) if final.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(final)), path.read_bytes()
