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
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mle_star.models.data_models import ErrorKind, ExecutionResult

SCORE_LINE = re.compile(rb"^[ \t]*Final Validation Performance:[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE)
LAUNCHER = Path(__file__).with_name("launch.py")
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
    needs_score: bool = True


async def run_script(job: Job) -> ExecutionResult:
    """Run a script to its end, its failure or its timeout; kill what is left of it in any case."""
    await asyncio.to_thread(_prepare, job)
    started = time.monotonic()
    timed_out = False
    with await asyncio.to_thread(job.log.open, "wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(LAUNCHER), ",".join(map(str, job.cores)), str(job.script),
            cwd=job.workdir, env=_environment(job), start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            await asyncio.wait_for(process.wait(), job.timeout)
        except TimeoutError:
            timed_out = True
        finally:
            _kill_group(process.pid)
            await process.wait()
    seconds = time.monotonic() - started
    return await asyncio.to_thread(_judge, job, process.returncode or 0, timed_out, seconds)


def _prepare(job: Job) -> None:
    shutil.rmtree(job.workdir, ignore_errors=True)
    for name in ("working", "final", "tmp"):
        (job.workdir / name).mkdir(parents=True)
    (job.workdir / "input").symlink_to(job.data.resolve(), target_is_directory=True)


def _environment(job: Job) -> dict[str, str]:
    """Build the script's environment from a list of what it may see: no key of the user's is on it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    threads = {name: str(max(1, len(job.cores))) for name in THREAD_VARIABLES} if job.cores else {}
    folder = {"HOME": str(job.workdir), "TMPDIR": str(job.workdir / "tmp")}
    fixed = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"}
    return kept | threads | folder | fixed


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


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
