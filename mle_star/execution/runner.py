"""Run one script as a process and say what became of it. Nothing here knows of graphs, agents or metrics.

The script is contained as well as the machine allows (`isolation`), bounded in time, memory, processes, disk and output
(`watch`), and has a working folder with `input`, `working` and `final`, a clean environment without the user's keys and
a share of the cores. Its output goes to disk and not through our memory. docs/isolation.md says what is not covered.

It is forked from a server that has the libraries imported (`forkserver`), or started by itself (`fresh`): the script
can't tell which, but by its speed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import site
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mle_star.execution import cgroup, outcome
from mle_star.execution.forkserver import ForkServer, ServerLostError, WarmProcess, servers
from mle_star.execution.fresh import FreshProcess
from mle_star.execution.isolation import descendants, detect
from mle_star.execution.isolation.policy import LEVEL_OF, Mechanism, Policy
from mle_star.execution.limits import Limits
from mle_star.execution.watch import Breach, Watch, out_of_time, start_of
from mle_star.execution.workdir import clear
from mle_star.models.data_models import ExecutionResult
from mle_star.models.errors import MLEStarError

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV",
                  "CUDA_VISIBLE_DEVICES", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS",
                    "LOKY_MAX_CPU_COUNT")  # fmt: skip
GRACE = 10.0
"""Seconds that a supervisor has to end what it supervises; then we do."""
SPARE_PROCESSES = 8
"""The kernel's limit is that much higher, so that the watch sees the limit reached; supervisor and init count in it."""
SPARE_IN_GROUP = 4
"""Likewise for a control group: fewer, since it tells that it has refused a process, and the other limit does not."""
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Job:
    """One script to run."""

    script: Path
    log: Path
    """Gets all that the script prints, standard error included."""
    workdir: Path
    """Made new; `input` in it leads to the data."""
    data: Path
    timeout: float
    """Seconds."""
    deadline: float = float("inf")
    """Seconds of the wall clock: where it has to wait for a machine, it has so much less time."""
    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    """As CUDA_VISIBLE_DEVICES names them; empty: as it is for us."""
    needs_score: bool = True
    limits: Limits = DEFAULT_LIMITS
    allow_network: bool = False
    hidden: tuple[Path, ...] = ()
    """What the script may not see even if it lies in the data folder, such as the folder of the runs."""
    mechanism: Mechanism | None = None
    """How it is contained; left out: the strongest way that there is."""
    warm: bool = True
    """Fork it from a process that has the libraries imported, where that is possible."""


def warm_up(cores: tuple[int, ...]) -> None:
    """Begin to get ready for scripts with so many cores; returns at once."""
    servers.get(_environment(cores))


async def run_script(job: Job) -> ExecutionResult:
    """Run a script to its end, its failure or a limit; kill what is left of it in any case.

    Raises:
        MLEStarError: The script could not be contained.
    """
    policy = await asyncio.to_thread(prepare, job)
    note = ""
    can_fork = job.warm and policy.mechanism != "bubblewrap"  # which starts the interpreter anew
    if can_fork and (server := servers.get(_environment(job.cores))):
        try:
            return await _run(job, policy, server)
        except ServerLostError as error:
            note = f"{error}; this script ran in a process of its own instead"
            await asyncio.to_thread(server.close, str(error))
            policy = await asyncio.to_thread(prepare, job)
    result = await _run(job, policy)
    return result.model_copy(update={"note": note}) if note else result


async def _run(job: Job, policy: Policy, server: ForkServer | None = None) -> ExecutionResult:
    """Run a script on a server, or in a fresh process; its control group goes with it.

    Raises:
        ServerLostError: There was no server, or none any more.
        MLEStarError: The script could not be contained.
    """
    try:
        return await _run_in_group(job, policy, server)
    finally:
        if policy.cgroup:  # nobody waits for it: a large process takes a while to end
            asyncio.get_running_loop().run_in_executor(None, cgroup.remove, Path(policy.cgroup))


async def _run_in_group(job: Job, policy: Policy, server: ForkServer | None) -> ExecutionResult:
    kills = await asyncio.to_thread(kernel_kills)
    log = await asyncio.to_thread(os.open, job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    order = _order(job, policy)
    try:
        process = await (server.spawn(order, log) if server else FreshProcess.spawn(order, log))
    finally:
        os.close(log)
    started = time.monotonic()
    watch = Watch(process.pid, job.log, job.workdir, job.limits, Path(policy.cgroup) if policy.cgroup else None)
    try:
        breach = await _until_the_end(process, watch, job)
    finally:
        returncode = await _end(process, watch)
    if server:
        servers.worked()
    seconds = time.monotonic() - started
    kills = await asyncio.to_thread(kernel_kills) - kills
    if policy.cgroup:  # it knows of its own kills; the machine's may be another script's
        kills = 0
        breach = breach or (await asyncio.to_thread(watch.kept) if returncode else None)
    return await asyncio.to_thread(judge, job, returncode, breach, seconds, kills > 0)


def prepare(job: Job) -> Policy:
    """Make the working folder, and write down what the script may see and use."""
    clear(job.workdir)
    for name in ("working", "final", "tmp"):
        (job.workdir / name).mkdir(parents=True)
    data, workdir = job.data.resolve(), job.workdir.resolve()
    (workdir / "input").symlink_to(data, target_is_directory=True)
    mechanism = job.mechanism or detect.strongest().mechanism
    script = str(job.script.absolute())
    readable = (str(data), *detect.links_out_of(data), script, *detect.python_paths())
    hidden = {path.resolve() for path in (*job.hidden, data / ".env")} - {data}
    return Policy(
        mechanism=mechanism,
        script=script,
        workdir=str(workdir),
        report=str(report_of(job).absolute()),
        readable=readable,
        hidden=tuple(map(str, sorted(hidden))),
        allow_network=job.allow_network,
        uid=detect.unprivileged_user(mechanism, (*readable, str(workdir))),
        memory=job.limits.memory,
        disk=job.limits.disk,
        processes=job.limits.processes + SPARE_PROCESSES,
        cgroup=_group_for(job.limits),
    )


def _group_for(limits: Limits) -> str | None:
    """Make a control group, where that is possible."""
    if parent := cgroup.delegated():
        with suppress(OSError):  # then it is watched
            return str(cgroup.make(parent, limits.memory, limits.processes + SPARE_IN_GROUP))
    return None


def report_of(job: Job) -> Path:
    """Say where what the script may not forge is written down: that its main module has ended, and when."""
    return job.log.with_suffix(".report")


def _order(job: Job, policy: Policy) -> dict[str, Any]:
    """Say what the process needs to know that becomes the script."""
    # Its own /tmp where it has one: the path of a Unix socket, which multiprocessing makes there, has to be short.
    own_tmp = LEVEL_OF[policy.mechanism] == "full"
    folders = {"HOME": policy.workdir, "TMPDIR": "/tmp" if own_tmp else f"{policy.workdir}/tmp"}  # noqa: S108
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(job.gpus)} if job.gpus else {}
    return {
        "policy": asdict(policy),
        "environment": _environment(job.cores) | folders | gpus,
        "cores": job.cores,
    }


def _environment(cores: tuple[int, ...]) -> dict[str, str]:
    """Build what all scripts with so many cores are told, from a list of what they may see: no key is on it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    threads = {name: str(len(cores)) for name in THREAD_VARIABLES} if cores else {}
    packages = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
    fixed = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"}
    return kept | threads | packages | fixed


async def _until_the_end(process: WarmProcess | FreshProcess, watch: Watch, job: Job) -> Breach | None:
    """Wait for the script's end, a limit or the timeout, whichever comes first; gives what it ran into.

    Raises:
        ServerLostError: The server that it was forked from is gone.
    """
    ended = asyncio.ensure_future(process.wait())
    limit = asyncio.ensure_future(watch.breach())
    try:
        await asyncio.wait({ended, limit}, timeout=job.timeout, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
            return None
        if limit.done():
            return limit.result()
        return out_of_time(job.timeout)
    finally:
        for future in (ended, limit):
            future.cancel()


async def _end(process: WarmProcess | FreshProcess, watch: Watch) -> int:
    """Have the supervisor end all that it supervises, see to it ourselves if it can't any more; gives how it ended."""
    returncode = -int(signal.SIGKILL)
    process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            returncode = await process.wait()
    except (TimeoutError, ServerLostError):
        await asyncio.to_thread(descendants.kill_below, process.pid)
        descendants.send(process.pid, signal.SIGKILL)
        with suppress(ServerLostError):
            returncode = await process.wait()
    process.close()
    for pid, started in list(watch.seen.items()):  # a last look may still be under way
        if start_of(pid) == started:
            descendants.send(pid, signal.SIGKILL)
    return returncode


def kernel_kills() -> int:
    """Count the processes that this machine's kernel has killed for want of memory."""
    with suppress(OSError), Path("/proc/vmstat").open() as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def judge(
    job: Job, returncode: int, breach: Breach | None, seconds: float, kernel_killed: bool = False
) -> ExecutionResult:
    """Make the result out of how the process ended, what it ran into, and what it printed.

    Raises:
        MLEStarError: The script could not be contained.
    """
    report = detect.read_report(report_of(job))
    report_of(job).unlink(missing_ok=True)
    if problem := report.get("refused"):
        raise MLEStarError(f"a script could not be isolated: {problem}; `mle-star doctor` says what works here")
    counted = report.get("main_ended_at")
    score = outcome.last_score(job.log, counted if isinstance(counted, int) else None)
    breach = breach or outcome.failure(returncode, job.log, job.limits, kernel_killed)
    if breach is None and job.needs_score and score is None:
        breach = Breach("no score", "The script never printed `Final Validation Performance: <number>`.")
    outcome.shorten(job.log, job.limits.output)
    return ExecutionResult(
        score=None if breach else score,
        error=breach.error if breach else None,
        message=breach.message if breach else "",
        output=outcome.excerpt(job.log),
        seconds=round(seconds, 3),
        script_path=str(job.script),
        log_path=str(job.log),
    )
