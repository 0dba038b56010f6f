"""Scripts that run contained, for the tests of what they can and can't do."""

from __future__ import annotations

import asyncio
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from mle_star.execution.isolation.detect import trouble_with
from mle_star.execution.isolation.policy import Mechanism
from mle_star.execution.limits import Limits
from mle_star.execution.runner import Job, run_script
from mle_star.models.data_models import ExecutionResult

LONG = 120.0
"""Seconds that nothing here takes."""
MECHANISMS: tuple[Mechanism, ...] = ("namespaces", "bubblewrap", "landlock")
ROOMY = Limits(memory=2 << 30, disk=1 << 30, processes=400)
NOT_IN_PARTIAL = "the level `partial` does not cover this: docs/isolation.md"
works = cache(trouble_with)


def need(mechanism: Mechanism) -> Mechanism:
    """Skip the test where this machine lacks the mechanism."""
    if problem := works(mechanism):
        pytest.skip(f"{mechanism} does not work here: {problem}")
    return mechanism


async def run(
    folder: Path, script: str, mechanism: Mechanism | None, *, seconds: float = LONG, name: str = "001-coder",
    limits: Limits = ROOMY, data: Path | None = None, **more: Any,
) -> ExecutionResult:  # fmt: skip
    """Run a script on a small table."""
    for place in (folder, *folder.parents[:3]):  # pytest closes them; Landlock as root needs a way in
        if place.owner() == folder.owner() and place.name.startswith(("pytest", folder.name[:4])):
            place.chmod(0o755)
    data = data or folder / "data"
    data.mkdir(exist_ok=True)
    if not (data / "train.csv").exists():
        (data / "train.csv").write_text("a,b\n1,2\n")
    path = folder / "scripts" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(script))
    made = Job(
        script=path, log=path.with_suffix(".log"), workdir=folder / "work" / name, data=data, timeout=seconds,
        limits=limits, mechanism=mechanism, **more,
    )  # fmt: skip
    return await run_script(made)


def alive(token: str) -> bool:
    """Whether a process lives, anywhere on the machine, that bears the token in its command line."""
    return any(token in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


async def gone(token: str) -> bool:
    """Wait until no process bears the token; False if one stays."""
    for _ in range(200):
        if not alive(token):
            return True
        await asyncio.sleep(0.05)
    return False
