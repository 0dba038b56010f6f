"""Run one script as a process and say what became of it. Nothing here knows of graphs, agents or metrics.

The script is contained as well as the machine allows (`isolation`), bounded in time, memory, processes, disk and output
(`watch`), and has a working folder with `input`, `working` and `final`, a clean environment without the user's keys and
a share of the cores. Its output goes to disk and not through our memory. docs/isolation.md says what is not covered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mle_star.execution import outcome
from mle_star.execution.isolation import descendants, detect
from mle_star.execution.isolation.policy import LEVEL_OF, Mechanism, Policy
from mle_star.execution.limits import Limits
from mle_star.execution.watch import Breach, Watch, start_of
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
    cores: tuple[int, ...] = ()
    needs_score: bool = True
    limits: Limits = DEFAULT_LIMITS
    allow_network: bool = False
    hidden: tuple[Path, ...] = ()
    """What the script may not see even if it lies in the data folder, such as the folder of the runs."""
    mechanism: Mechanism | None = None
    """How it is contained; left out: the strongest way that there is."""


async def run_script(job: Job) -> ExecutionResult:
    """Run a script to its end, its failure or a limit; kill what is left of it in any case.

    Raises:
        MLEStarError: The script could not be contained.
    """
    policy = await asyncio.to_thread(prepare, job)
    started = time.monotonic()
    oom_kills = await asyncio.to_thread(_oom_kills)
    breach: Breach | None = None
    with await asyncio.to_thread(job.log.open, "wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(detect.LAUNCHER), ",".join(map(str, job.cores)), policy.to_json(),
            cwd=job.workdir, env=_environment(job, policy), start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        watch = Watch(process.pid, job.log, job.workdir, job.limits)
        try:
            breach = await _until_the_end(process, watch, job)
        finally:
            await _end(process, watch)
    seconds = time.monotonic() - started
    oom_kills = await asyncio.to_thread(_oom_kills) - oom_kills
    return await asyncio.to_thread(_judge, job, process.returncode or 0, breach, seconds, oom_kills > 0)


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
        report=str(_report(job).absolute()),
        readable=readable,
        hidden=tuple(map(str, sorted(hidden))),
        allow_network=job.allow_network,
        uid=detect.unprivileged_user(mechanism, (*readable, str(workdir))),
        memory=job.limits.memory,
        disk=job.limits.disk,
        processes=job.limits.processes + SPARE_PROCESSES,
    )


def _report(job: Job) -> Path:
    return job.log.with_suffix(".report")


def _environment(job: Job, policy: Policy) -> dict[str, str]:
    """Build the script's environment from a list of what it may see: no key of the user's is on it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    threads = {name: str(max(1, len(job.cores))) for name in THREAD_VARIABLES} if job.cores else {}
    # Its own /tmp where it has one: the path of a Unix socket, which multiprocessing makes there, has to be short.
    own_tmp = LEVEL_OF[policy.mechanism] == "full"
    folder = {"HOME": policy.workdir, "TMPDIR": "/tmp" if own_tmp else f"{policy.workdir}/tmp"}  # noqa: S108
    fixed = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"}
    return kept | threads | folder | fixed


async def _until_the_end(process: Process, watch: Watch, job: Job) -> Breach | None:
    """Wait for the script's end, a limit or the timeout, whichever comes first; gives what it ran into."""
    ended = asyncio.ensure_future(process.wait())
    limit = asyncio.ensure_future(watch.breach())
    try:
        await asyncio.wait({ended, limit}, timeout=job.timeout, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return None
        if limit.done():
            return limit.result()
        return Breach("timeout", f"The script ran out of its {job.timeout:.0f} seconds and was stopped.")
    finally:
        for future in (ended, limit):
            future.cancel()


async def _end(process: Process, watch: Watch) -> None:
    """Have the supervisor end all that it supervises; see to it ourselves if it can't any more."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        descendants.send(process.pid, signal.SIGKILL)
        await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid, started in watch.seen.items():
        if start_of(pid) == started:
            descendants.send(pid, signal.SIGKILL)


def _oom_kills() -> int:
    """Count the processes that this machine's kernel has killed for want of memory."""
    with suppress(OSError), Path("/proc/vmstat").open() as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _judge(
    job: Job, returncode: int, breach: Breach | None, seconds: float, kernel_killed: bool = False
) -> ExecutionResult:
    report = detect.read_report(_report(job))
    _report(job).unlink(missing_ok=True)
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
