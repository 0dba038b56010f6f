"""Scripts in control groups: the kernel itself stops what takes too much. Skipped where we may make no group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mle_star.execution.cgroup import PREFIX, delegated, nearest
from mle_star.execution.isolation.policy import Mechanism
from mle_star.execution.limits import Limits
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult
from mle_star.terminal.doctor import check_isolation

from .contained import need, run

MEGABYTE = 1 << 20
SMALL = Limits(memory=300 * MEGABYTE, processes=100)
SCORE = "\nprint('Final Validation Performance: 0.5')"
HOG = """
import mmap, os, time
def hog(megabytes):
    memory = mmap.mmap(-1, megabytes << 20)
    for place in range(0, len(memory), 4096):
        memory[place] = 1
"""


@pytest.fixture
def parent() -> Path:
    """Give the group that scripts have theirs in."""
    if found := delegated():
        return found
    why = f"{nearest()} refuses" if nearest() else "none from ours upwards is ours to divide, with memory bounded"
    pytest.skip(f"no control group (cgroup v2) can be had here: {why}")


@pytest.fixture(params=["namespaces", "bubblewrap", "landlock", "none"])
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Give one way of containing a script after another."""
    mechanism: Mechanism = request.param
    return mechanism if mechanism == "none" else need(mechanism)


@pytest.fixture
async def script(tmp_path: Path, parent: Path, mechanism: Mechanism) -> AsyncIterator[Any]:
    """Give the way to run a script; its group has to be gone soon after it."""

    async def script(text: str, warm: bool = False) -> ExecutionResult:
        return await run(tmp_path, text, mechanism, limits=SMALL, warm=warm)

    yield script
    for _ in range(200):
        if not list(parent.glob(f"{PREFIX}*")):
            return
        await asyncio.sleep(0.05)
    pytest.fail("a group was left")


@pytest.mark.parametrize("warm", [False, True])
async def test_a_script_within_its_limits_runs(script: Any, warm: bool) -> None:
    result = await script(HOG + "hog(150)" + SCORE, warm=warm)
    assert (result.score, result.error) == (0.5, None), result


async def test_a_script_is_in_a_group_of_its_own_with_its_limits(script: Any, parent: Path) -> None:
    running = asyncio.ensure_future(script("import time\ntime.sleep(3)" + SCORE))
    while not (found := list(parent.glob(f"{PREFIX}*"))) or len((found[0] / "cgroup.procs").read_text().split()) < 3:
        assert not running.done(), running.result()
        await asyncio.sleep(0.02)
    assert (found[0] / "memory.max").read_text() == f"{SMALL.memory}\n"
    assert (await running).score == 0.5


@pytest.mark.parametrize("warm", [False, True])
async def test_a_memory_hog_is_stopped_in_the_words_that_are_used_elsewhere(script: Any, warm: bool) -> None:
    result = await script(HOG + "print('begun', flush=True)\nhog(400)" + SCORE, warm=warm)
    assert (result.error, result.output) == ("out of memory", "begun\n")
    assert result.message.startswith("out of memory at 300 MB: use fewer rows")


async def test_a_tree_of_hogs_that_are_small_each_is_stopped(script: Any) -> None:
    result = await script(HOG + "for _ in range(4):\n    if os.fork() == 0:\n        hog(120)\n        time.sleep(60)\n"
                          "time.sleep(60)")  # fmt: skip
    assert result.error == "out of memory"
    assert result.message.startswith("out of memory at 300 MB")


async def test_a_script_that_fails_because_its_worker_was_killed_ran_out_of_memory(script: Any) -> None:
    result = await script(HOG + "child = os.fork()\nif child == 0:\n    hog(400)\n"
                          "_, status = os.waitpid(child, 0)\nraise RuntimeError('a worker was lost')")  # fmt: skip
    assert result.error == "out of memory"


async def test_memory_that_processes_share_counts_once(script: Any) -> None:
    result = await script(HOG + "memory = bytearray(b'x') * (150 << 20)\nchildren = []\nfor _ in range(3):\n"
                          "    children.append(os.fork())\n    if children[-1] == 0:\n        time.sleep(1)\n"
                          "        os._exit(0)\nfor child in children:\n    os.waitpid(child, 0)" + SCORE)  # fmt: skip
    assert result.score == 0.5, result


async def test_memory_without_a_process_counts_too(script: Any) -> None:
    result = await script("import os, time\nfile = os.memfd_create('hidden')\nfor _ in range(100):\n"
                          "    os.write(file, b'x' * (5 << 20))\ntime.sleep(60)")  # fmt: skip
    assert result.error == "out of memory"


async def test_more_processes_than_allowed_are_refused_and_reported_however_short_they_live(script: Any) -> None:
    result = await script("""
import os, signal
children = []
try:
    while True:
        children.append(os.fork())
        if children[-1] == 0:
            signal.pause()
except BlockingIOError:
    for child in children:
        os.kill(child, signal.SIGKILL)
raise RuntimeError("given up")
""")
    assert result.error == "processes"
    assert "of at most 100" in result.message


async def test_a_script_can_not_change_its_limits(script: Any, mechanism: Mechanism) -> None:
    if mechanism == "none":
        pytest.skip("the level `none` does not cover this: docs/isolation.md")
    result = await script(f"""
import glob, os
groups = glob.glob("/sys/fs/cgroup/**/{PREFIX}*", recursive=True)
for group in [*groups, "/sys/fs/cgroup"]:
    for name in ("memory.max", "pids.max", "cgroup.procs"):
        try:
            with open(f"{{group}}/{{name}}", "w") as file:
                file.write("0" if name == "cgroup.procs" else "max")
            print("DONE", group, name)
        except OSError as error:
            print("failed", error.errno)
    try:
        os.mkdir(f"{{group}}/more")
        print("DONE", group)
    except OSError:
        pass
if os.system("mount -t cgroup2 cgroup2 working 2>/dev/null") == 0:
    print("DONE mount")
""" + SCORE)  # fmt: skip
    assert "failed" in result.output
    assert "DONE" not in result.output
    assert result.score == 0.5


async def test_a_daemon_does_not_keep_the_group(script: Any) -> None:
    result = await script("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)" + SCORE)
    assert result.score == 0.5, result


def test_the_doctor_says_whether_there_are_groups() -> None:
    kept = "memory is limited by control groups" if delegated() else "memory is watched"
    assert check_isolation(MLEStarConfig()).found.endswith(kept)
