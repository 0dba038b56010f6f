"""Scripts in containers, through the Docker API, which Podman has too: the same job and the same result.

Each script has a container of its own, which is removed in any case: no network, a root that can't be written, the
data read-only, no privileges, and the engine's limits on memory and processes. Time, output and disk are watched from
here. What a process that was killed left behind is swept away by the next one that starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mle_star.execution.isolation.detect import NOBODY, links_out_of
from mle_star.execution.isolation.policy import Level
from mle_star.execution.runner import GRACE, THREAD_VARIABLES, Job, judge, kernel_kills, report_of
from mle_star.execution.slots import Share, slots_here
from mle_star.execution.watch import Watch, out_of_memory, out_of_time, start_of
from mle_star.execution.workdir import clear
from mle_star.models.data_models import ExecutionResult
from mle_star.models.errors import ConfigError, MLEStarError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

WORKDIR, OURS = "/task", "/mle-star"
RUN, OWNER = "mle-star", "mle-star.owner"
"""Labels: the run that a container belongs to, and the process."""
PROBE = "import sys; assert sys.version_info >= (3, 9); print(sys.version.split()[0])"
HERE = Path(__file__).parent


class Ending(NamedTuple):
    """How a container ended."""

    code: int
    out_of_memory: bool


@dataclass(frozen=True)
class OnDocker:
    """Which engine, and which image."""

    image: str | None
    url: str | None = None
    """`tcp://...`, `unix://...`; None for what DOCKER_HOST says, or the usual socket."""
    parallel: int | None = None
    require: Level = "none"

    def check(self) -> str:
        """Run Python in a container once, and sweep away what earlier processes have left."""
        if not self.image:
            raise ConfigError("execution_backend: docker needs docker_image, an image with Python and the packages")
        import_docker()
        import docker

        try:
            client = self._client()
            _sweep(client)
            version = client.containers.run(
                self.image, ["python3", "-c", PROBE], remove=True, network_mode="none", read_only=True
            )
        except docker.errors.ImageNotFound:
            raise ConfigError(f"the container engine has no image {self.image}: build or pull it first") from None
        except docker.errors.ContainerError as error:
            raise ConfigError(f"Python 3.9 or later does not run in the image {self.image}: {_line(error)}") from None
        except (docker.errors.DockerException, OSError) as error:
            raise _no_engine(self.url, error) from None
        return f"containers of {self.image}, Python {version.decode().strip()}; isolation full: the container engine"

    def shares(self, width: int = 1) -> tuple[Share, ...]:
        """Divide this machine: the engine runs on it."""
        return slots_here().shares(self.parallel, width)

    def share(self, run: str, width: int = 1, *, urgent: bool = False) -> AbstractAsyncContextManager[Share]:
        """Wait in this process's queue."""
        return slots_here().share(run, self.parallel, width, urgent=urgent)

    async def run(self, job: Job) -> ExecutionResult:
        """Run a script in a container of its own.

        Raises:
            MLEStarError: The engine does not answer, or refuses.
        """
        import docker

        marker = secrets.token_hex(16)
        creating = asyncio.ensure_future(asyncio.to_thread(self._create, job, marker))
        try:
            container = await asyncio.shield(creating)
            return await _follow(job, container, marker.encode())
        except (docker.errors.DockerException, OSError) as error:
            raise MLEStarError(f"the container engine could not run {job.script.name}: {_line(error)}") from error
        finally:
            await asyncio.shield(_remove(creating))

    def _client(self) -> DockerClient:
        import docker

        return docker.DockerClient(base_url=self.url) if self.url else docker.from_env()

    def _create(self, job: Job, marker: str) -> Container:
        """Make the working folder and the container."""
        clear(job.workdir)
        for name in ("input", "working", "final"):
            (job.workdir / name).mkdir(parents=True)
        client = self._client()
        script = f"{OURS}/{job.script.name}"
        limits = job.limits
        return client.containers.create(
            self.image,
            ["python3", "-u", f"{OURS}/inside.py", script, marker, str(limits.disk), str(ceil(job.timeout + GRACE))],
            name=f"mle-star-{secrets.token_hex(8)}",
            labels={RUN: job.script.parent.parent.name, OWNER: _owner()},
            environment=_environment(job),
            working_dir=WORKDIR,
            user=_user(client, job.workdir),
            network_mode="bridge" if job.allow_network else "none",
            read_only=True,
            tmpfs={"/tmp": f"size={limits.memory},mode=1777"},  # noqa: S108 - the container's own
            shm_size=limits.memory,
            mounts=list(_mounts(job, script)),
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            pids_limit=limits.processes,
            cpuset_cpus=",".join(map(str, job.cores)) or None,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            device_requests=_gpus(job.gpus),
            log_config={"type": "none", "config": {}},  # the output comes to us: the engine need not keep it
        )


def import_docker() -> None:
    """Find out whether there is a client for the engine.

    Raises:
        ConfigError: There is none.
    """
    try:
        import docker  # noqa: F401
    except ImportError:
        raise ConfigError("the Docker client is not installed: pip install 'mle-star[docker]'") from None


async def _follow(job: Job, container: Container, marker: bytes) -> ExecutionResult:
    """Start the container, and wait for its end or a limit."""
    kills = await asyncio.to_thread(kernel_kills)
    own_thread = ThreadPoolExecutor(1)  # it waits as long as the script runs
    started = time.monotonic()
    ended: asyncio.Future[Any] = asyncio.get_running_loop().run_in_executor(own_thread, _stream, container, job, marker)
    ended.add_done_callback(lambda end: end.cancelled() or end.exception())  # a cancelled run asks for it no more
    own_thread.shutdown(wait=False)
    await asyncio.to_thread(job.log.touch)
    watch = Watch(0, job.log, job.workdir, job.limits)  # memory and processes are the engine's to bound
    limit: asyncio.Future[Any] = asyncio.ensure_future(watch.breach())
    try:
        done, _ = await asyncio.wait([ended, limit], timeout=job.timeout, return_when=asyncio.FIRST_COMPLETED)
        breach = limit.result() if done == {limit} else None
    finally:
        limit.cancel()
    if not ended.done():
        breach = breach or out_of_time(job.timeout)
        await asyncio.to_thread(_kill, container)
    async with asyncio.timeout(GRACE):
        ending = await ended
    if breach is None and ending.out_of_memory and ending.code:
        breach = out_of_memory(job.limits)
    killed = ending.out_of_memory or await asyncio.to_thread(kernel_kills) > kills
    return await asyncio.to_thread(judge, job, ending.code, breach, time.monotonic() - started, killed)


def _stream(container: Container, job: Job, marker: bytes) -> Ending:
    """Start the container and write its output down until it ends; the marker is left out, its place is reported."""
    report_of(job).unlink(missing_ok=True)
    with job.log.open("wb", buffering=0) as log:
        output: Iterable[bytes] = container.attach(stream=True, stdout=True, stderr=True)
        container.start()
        waiting, size = b"", 0
        for chunk in output:
            waiting += chunk
            before, found, after = waiting.partition(marker)
            if found:
                size += log.write(before)
                report_of(job).write_text(json.dumps({"main_ended_at": size}), encoding="utf-8")
                marker, waiting = b"\xff" * 64, after  # only the first one counts
            done, waiting = _split(waiting, marker)
            size += log.write(done)
        log.write(waiting)
    code = int(container.wait(timeout=GRACE)["StatusCode"])
    container.reload()
    signalled = code - 128 if code - 128 in set(signal.Signals) else 0
    return Ending(-signalled if signalled else code, bool(container.attrs["State"].get("OOMKilled")))


def _split(text: bytes, marker: bytes) -> tuple[bytes, bytes]:
    """Keep back the end of a text if the marker may begin there."""
    for length in range(min(len(text), len(marker) - 1), 0, -1):
        if text.endswith(marker[:length]):
            return text[:-length], text[-length:]
    return text, b""


async def _remove(creating: asyncio.Future[Container]) -> None:
    """Remove a container, whatever became of it, and even if it is only just being made."""
    with suppress(Exception):  # if the engine is gone, so is what it ran
        container = await creating
        await asyncio.to_thread(container.remove, force=True, v=True)


def _kill(container: Container) -> None:
    import docker

    with suppress(docker.errors.APIError):  # it has just ended
        container.kill()


def _sweep(client: DockerClient) -> None:
    """Remove the containers of processes on this machine that are no more."""
    for container in client.containers.list(all=True, filters={"label": OWNER}):
        host, pid, started = container.labels[OWNER].rsplit(":", 2)
        if host == socket.gethostname() and start_of(int(pid)) != int(started):
            container.remove(force=True, v=True)


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{start_of(os.getpid())}"


def _user(client: DockerClient, workdir: Path) -> str:
    """Choose the user that a script runs as: never root; and let it write to its working folder."""
    if any("rootless" in option for option in client.info().get("SecurityOptions") or ()):
        return "0:0"  # there, that is the name of the user who runs the engine
    if os.geteuid():
        return f"{os.geteuid()}:{os.getegid()}"
    for path in (workdir, *(path for path in workdir.iterdir() if path.name != "input")):
        os.chown(path, NOBODY, NOBODY)
    return f"{NOBODY}:{NOBODY}"


def _environment(job: Job) -> dict[str, str]:
    threads = {name: str(len(job.cores)) for name in THREAD_VARIABLES} if job.cores else {}
    fixed = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"}
    return threads | fixed | {"HOME": WORKDIR, "TMPDIR": "/tmp"}  # noqa: S108


def _mounts(job: Job, script: str) -> Iterable[Any]:
    """Say what the script sees of this machine: its folder, the data, itself, and the two files that run it."""
    from docker.types import Mount

    data = job.data.resolve()
    read_only = {f"{WORKDIR}/input": data, script: job.script.absolute()}
    read_only |= {f"{OURS}/{name}": HERE / name for name in ("inside.py", "main.py")}
    read_only |= {target: Path(target) for target in links_out_of(data)}
    if (data / ".env").is_file():
        read_only[f"{WORKDIR}/input/.env"] = Path("/dev/null")
    empty = job.workdir.resolve() / "input"  # which the data covers
    hidden = {path.resolve() for path in job.hidden} - {data}
    read_only |= {
        f"{WORKDIR}/input/{path.relative_to(data)}": empty
        for path in hidden
        if path.is_relative_to(data) and path.is_dir()
    }
    yield Mount(WORKDIR, str(job.workdir.resolve()), "bind")
    for target, source in read_only.items():
        yield Mount(target, str(source), "bind", read_only=True)


def _gpus(gpus: tuple[str, ...]) -> list[Any] | None:
    from docker.types import DeviceRequest

    return [DeviceRequest(device_ids=list(gpus), capabilities=[["gpu"]])] if gpus else None


def _no_engine(url: str | None, error: Exception) -> ConfigError:
    where = url or os.environ.get("DOCKER_HOST") or "the usual socket"
    return ConfigError(
        f"no container engine answers at {where}: start Docker or Podman, or set docker_url ({_line(error)})"
    )


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
