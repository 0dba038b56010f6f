"""Run one script as a process and say what became of it. Nothing here knows of graphs, agents or metrics.

What this covers: a process group of its own that is killed whole at the timeout and at the end, a working folder with
`input`, `working` and `final`, a clean environment without the user's keys, a share of the cores, output that goes to
disk and not through our memory. What it does not cover: a script can read the user's files, reach the network, and
daemonise out of its process group. It runs as the user does.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import signal
import site
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mle_star.execution.forkserver import ForkServer, ServerLostError, servers
from mle_star.execution.fresh import FreshProcess
from mle_star.models.data_models import ErrorKind, ExecutionResult

SCORE_LINE = re.compile(rb"^[ \t]*Final Validation Performance:[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE)
HEAD_BYTES, TAIL_BYTES, SCAN_BYTES = 2_000, 6_000, 1 << 20
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV",
                  "CUDA_VISIBLE_DEVICES", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS",
                    "LOKY_MAX_CPU_COUNT")  # fmt: skip


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
    gpus: tuple[str, ...] = ()
    """As CUDA_VISIBLE_DEVICES names them; empty: as it is for us."""
    memory: int | None = None
    """Bytes: its share of the machine's."""
    needs_score: bool = True
    warm: bool = True
    """Fork it from a process that has the libraries imported, where that is possible."""


def warm_up(cores: tuple[int, ...]) -> None:
    """Begin to get ready for scripts with so many cores; returns at once."""
    servers.get(_environment(cores))


async def run_script(job: Job) -> ExecutionResult:
    """Run a script to its end, its failure or its timeout; kill what is left of it in any case."""
    note = ""
    if job.warm and (server := servers.get(_environment(job.cores))):
        try:
            return await _run(job, server)
        except ServerLostError as error:
            note = f"{error}; this script ran in a process of its own instead"
            await asyncio.to_thread(server.close, str(error))
    result = await _run(job)
    return result.model_copy(update={"note": note}) if note else result


async def _run(job: Job, server: ForkServer | None = None) -> ExecutionResult:
    """Run a script on a server, or in a fresh process.

    Raises:
        ServerLostError: There was no server, or none any more.
    """
    log = await asyncio.to_thread(_prepare, job)
    try:
        process = await (server.spawn(_order(job), log) if server else FreshProcess.spawn(_order(job), log))
    finally:
        os.close(log)
    started = time.monotonic()
    timed_out = False
    try:
        try:
            async with asyncio.timeout(job.timeout):
                returncode = await process.wait()
        except TimeoutError:
            timed_out = True
            process.kill()
            returncode = await process.wait()
    finally:
        process.close()
    if server:
        servers.worked()
    seconds = time.monotonic() - started
    return await asyncio.to_thread(_judge, job, returncode, timed_out, seconds)


def _order(job: Job) -> dict[str, Any]:
    """Say what the process needs to know that becomes the script."""
    folders = {"HOME": str(job.workdir), "TMPDIR": str(job.workdir / "tmp")}
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(job.gpus)} if job.gpus else {}
    return {
        "script": str(job.script),
        "workdir": str(job.workdir),
        "environment": _environment(job.cores) | folders | gpus,
        "cores": job.cores,
    }


def _prepare(job: Job) -> int:
    """Make the working folder and the log; gives the log's descriptor."""
    shutil.rmtree(job.workdir, ignore_errors=True)
    for name in ("working", "final", "tmp"):
        (job.workdir / name).mkdir(parents=True)
    (job.workdir / "input").symlink_to(job.data.resolve(), target_is_directory=True)
    return os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _environment(cores: tuple[int, ...]) -> dict[str, str]:
    """Build what all scripts with so many cores are told, from a list of what they may see: no key is on it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    threads = {name: str(len(cores)) for name in THREAD_VARIABLES} if cores else {}
    packages = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
    fixed = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"}
    return kept | threads | packages | fixed


def _judge(job: Job, returncode: int, timed_out: bool, seconds: float) -> ExecutionResult:
    output = _excerpt(job.log)
    score = _last_score(job.log)
    error: ErrorKind | None = None
    message = ""
    if timed_out:
        error, message = "timeout", f"The script ran out of its {job.timeout:.0f} seconds and was stopped."
    elif returncode < 0:
        name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else str(-returncode)
        error, message = "killed", f"The script was killed by {name}; it may have run out of memory."
    elif returncode > 0:
        error, message = "exception", _traceback(job.log) or f"The script ended with exit code {returncode}."
    elif job.needs_score and score is None:
        error, message = "no score", "The script never printed `Final Validation Performance: <number>`."
    return ExecutionResult(
        score=score, error=error, message=message, output=output, seconds=round(seconds, 3),
        script_path=str(job.script), log_path=str(job.log),
    )  # fmt: skip


def _excerpt(log: Path) -> str:
    """Head and tail of the output, with a mark where something was left out."""
    size = log.stat().st_size
    with log.open("rb") as file:
        if size <= HEAD_BYTES + TAIL_BYTES:
            return file.read().decode("utf-8", "replace")
        head = file.read(HEAD_BYTES).decode("utf-8", "replace")
        file.seek(size - TAIL_BYTES)
        tail = file.read().decode("utf-8", "replace")
    return f"{head}\n[... {size - HEAD_BYTES - TAIL_BYTES} bytes left out ...]\n{tail}"


def _last_score(log: Path) -> float | None:
    """Read the score from the last line that has the form; None if there is none or it is not finite."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - SCAN_BYTES))
        found = SCORE_LINE.findall(file.read())
    try:
        score = float(found[-1].rstrip(b".,;").decode())
    except (IndexError, ValueError):
        return None
    return score if math.isfinite(score) else None


def _traceback(log: Path) -> str:
    """Return the last traceback of the output, bounded; or its end where there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    start = text.rfind("Traceback (most recent call last)")
    return text[start if start >= 0 else 0 :].strip()
