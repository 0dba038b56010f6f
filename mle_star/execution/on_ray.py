"""Scripts as tasks of a Ray cluster: the same job and the same result, on whichever node has room.

Within a task a script is run by the very runner that runs it here (`on_node`), so that its isolation, its limits and
its timeout hold on each node. Ray's own cancelling leaves a script's processes behind, so the kill lives inside of the
task too. A node that is lost takes its scripts with it; Ray runs them again on another.

The data goes to each node once, by the digest of its content, or not at all where a path is shared.
"""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
import socket
import threading
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mle_star.execution.isolation.policy import LEVELS, Level
from mle_star.execution.limits import SHARE_OF_MEMORY
from mle_star.execution.machine import Machine
from mle_star.execution.on_node import Delivery, isolation_here, run_here
from mle_star.execution.parcel import Parcel, state_of
from mle_star.execution.runner import Job
from mle_star.execution.slots import Share, Slots
from mle_star.execution.watch import Breach, out_of_memory
from mle_star.models.data_models import ExecutionResult
from mle_star.models.errors import ConfigError, MLEStarError

NODE_TRIES = 4
"""Times that a script is started anew since its node was lost."""
CANCEL_SECONDS = 10.0
KNOCK_SECONDS = 10.0
PROBE_SECONDS = 120.0
"""Within which each node has to answer once: it may have to fetch our code first."""

_joining = threading.Lock()
_shipping = threading.Lock()
_shipped: dict[Path, tuple[str, Parcel]] = {}
"""By folder, the parcel of its last known state. Dropping the references has the cluster drop the parcel."""


@dataclass(frozen=True)
class OnRay:
    """Which cluster, and what each script asks of it."""

    address: str | None = None
    """`ray://host:port`, `host:port`; None for the one that this machine belongs to."""
    cpus: int = 1
    gpus: float = 0.0
    memory: float | None = None
    """GB that a node must have free."""
    shared_data: bool = False
    """Whether the data's path is the same on every node, so that nothing is shipped."""
    parallel: int | None = None
    """Scripts at once; left out: as many as the cluster has room for."""
    require: Level = "none"

    def check(self) -> str:
        """Ask each node that could run a script how it would isolate it."""
        levels = _levels(self)
        weakest = min(levels, key=LEVELS.index)
        if LEVELS.index(weakest) < LEVELS.index(self.require):
            raise ConfigError(f"--require-isolation {self.require}: a node of the Ray cluster has {weakest} only")
        return f"Ray cluster of {len(levels)} node{'s' * (len(levels) > 1)}, isolation {weakest}"

    def shares(self, width: int = 1) -> tuple[Share, ...]:
        """Say what a script gets on its node: memory as asked for, or its part of the smallest node's.

        Scripts get the CPUs that the settings say, whatever their width: no node may have more of them free.
        """
        slots = _slots(self)
        return slots.shares(len(slots.machine.cores) // self.cpus)

    def share(self, run: str, width: int = 1, *, urgent: bool = False) -> AbstractAsyncContextManager[Share]:
        """Wait until few enough are under way; on which node there is room, Ray decides."""
        slots = _slots(self)
        return slots.share(run, len(slots.machine.cores) // self.cpus, urgent=urgent)

    async def run(self, job: Job) -> ExecutionResult:
        """Run a script on a node of the cluster.

        Raises:
            MLEStarError: The cluster is gone, or lost node after node; the run can be resumed.
        """
        import ray

        await asyncio.to_thread(connect, self.address)
        script = await asyncio.to_thread(job.script.read_bytes)
        parcel = None if self.shared_data else await asyncio.to_thread(_ship, job)
        digest, chunks = (parcel.digest, parcel.chunks) if parcel else ("", [])
        options: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_retries": NODE_TRIES}
        if self.memory:
            options["memory"] = int(self.memory * 2**30)
        task = ray.remote(**options)(run_here).remote(job, script, digest, chunks, self.cpus, self.require)
        try:
            delivery: Delivery = await task
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(_cancel, task))
            raise
        except ray.exceptions.OutOfMemoryError:
            await asyncio.to_thread(job.log.touch)
            return _failed(job, out_of_memory(job.limits))
        except ray.exceptions.RayError as error:
            cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise MLEStarError(f"the Ray cluster could not run {job.script.name}: {reason}") from error
        return await asyncio.to_thread(_unload, job, delivery)


def connect(address: str | None) -> None:
    """Join the cluster, once for the process; our code goes along.

    Raises:
        ConfigError: There is none at the address, or Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed: pip install 'mle-star[ray]'") from None
    package = str(Path(__file__).parents[1])
    try:
        with _joining:
            if not ray.is_initialized():
                _knock(address)
                ray.init(
                    address=address or "auto", namespace="mle-star", log_to_driver=False, logging_level=logging.ERROR,
                    runtime_env={"py_modules": [package], "excludes": ["**/__pycache__"]},
                )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "on this machine"
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"no Ray cluster answers {where}: start one with `ray start --head` ({reason})") from None


def _knock(address: str | None) -> None:
    """See whether anyone listens at an address; Ray would try for minutes.

    Raises:
        OSError: No one does.
    """
    place = urlsplit(address if address and "://" in address else f"//{address or ''}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=KNOCK_SECONDS).close()


def _nodes(backend: OnRay) -> list[tuple[str, int, float]]:
    """List the nodes that can run scripts: id, how many at once, and the bytes of memory for each.

    Raises:
        ConfigError: None can.
    """
    import ray

    connect(backend.address)
    found = []
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    for node in nodes:
        has = node["Resources"]
        memory = has.get("memory", math.inf)
        room = has.get("CPU", 0) // backend.cpus
        if backend.gpus:
            room = min(room, has.get("GPU", 0) // backend.gpus)
        if backend.memory:
            room = min(room, memory // (backend.memory * 2**30))
        if node["Alive"] and room >= 1:
            found.append((node["NodeID"], int(room), memory / room))
    if not found:
        gpus = f", {backend.gpus:g} GPUs" if backend.gpus else ""
        memory_asked = f", {backend.memory:g} GB" if backend.memory else ""
        raise ConfigError(
            f"no node of the Ray cluster has what a script asks for ({backend.cpus} CPUs{gpus}{memory_asked}): "
            "ask for less with script_cpus, script_gpus or memory_limit"
        )
    return found


@cache
def _levels(backend: OnRay) -> tuple[Level, ...]:
    """Ask each node for its level of isolation, once for the process; one that was lost by now has no say.

    Raises:
        ConfigError: None answers, or one can't run our code.
    """
    import ray
    from ray.exceptions import NodeDiedError, RayError, TaskUnschedulableError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = ray.remote(isolation_here)
    asked = [
        probe.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for node, *_ in _nodes(backend)
    ]
    told: list[Level] = []
    for answer in asked:
        try:
            told.append(ray.get(answer, timeout=PROBE_SECONDS))
        except (NodeDiedError, TaskUnschedulableError):
            continue
        except RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ConfigError(
                f"a node of the Ray cluster can't run scripts: {reason}; each needs this Python and mle-star installed"
            ) from None
    if not told:
        raise ConfigError("no node of the Ray cluster is left: see `ray status`")
    return tuple(told)


@cache
def _slots_of(backend: OnRay) -> Slots:
    nodes = _nodes(backend)
    count = backend.parallel or sum(room for _, room, _ in nodes)
    each = backend.memory * 2**30 / SHARE_OF_MEMORY if backend.memory else min(memory for *_, memory in nodes)
    gpus = range(count * math.ceil(backend.gpus))
    return Slots(Machine(tuple(range(count * backend.cpus)), int(count * each), tuple(map(str, gpus))))


def _slots(backend: OnRay) -> Slots:
    """Give the queue of all scripts that are to run there."""
    with _joining_slots:
        return _slots_of(backend)


_joining_slots = threading.Lock()


def _ship(job: Job) -> Parcel:
    """Put the data into the cluster's object store, once for each state that it has; nodes fetch what they lack."""
    import ray

    with _shipping:
        state = state_of(job.data, job.hidden)
        known, parcel = _shipped.get(job.data, ("", None))
        if parcel is None or known != state:
            parcel = Parcel.pack(job.data, ray.put, job.hidden)
            _shipped[job.data] = (state, parcel)
        return parcel


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
    shutil.rmtree(job.workdir, ignore_errors=True)
    final = job.workdir / "final"
    final.mkdir(parents=True)
    for name, content in delivery.files.items():
        path = final / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return delivery.result.model_copy(update={"script_path": str(job.script), "log_path": str(job.log)})


def _failed(job: Job, breach: Breach) -> ExecutionResult:
    return ExecutionResult(
        error=breach.error, message=breach.message, script_path=str(job.script), log_path=str(job.log)
    )
