"""What a script may count on: its share of the machine, by the phase that it is for, and what its author is told."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from mle_star.execution.machine import Machine
from mle_star.execution.runner import Job
from mle_star.execution.slots import Slots
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, TaskDescription
from mle_star.models.state import Draft
from mle_star.tools.environment import render_environment, script_limit
from mle_star.tools.run import Run
from tests.support import make_task_folder

GIGABYTE = 1 << 30
BESIDE_OTHERS = ("p1.candidate1", "p2.t0.k1", "p2.submission")
ALONE = ("ensemble.r0", "submission", "submission.1")


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(Machine(tuple(range(8)), 16 * GIGABYTE))
    monkeypatch.setattr("mle_star.execution.backend.slots_here", lambda: slots)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """What was to be run."""
    found: list[Job] = []

    async def run_script(job: Job) -> ExecutionResult:
        found.append(job)
        job.log.write_text("")
        return ExecutionResult(score=0.5, script_path=str(job.script), log_path=str(job.log))

    monkeypatch.setattr("mle_star.tools.scripts.run_script", run_script)
    return found


async def shares(folder: Path, jobs: list[Job], *steps: str, **settings: Any) -> list[tuple[int, int]]:
    """Run a script at each step; gives the cores that it had, and the gigabytes of memory that it might take."""
    run = Run("one", MLEStarConfig(out_dir=folder / "run", warm=False, cache=False, **settings))
    await run.open()
    await run.begin(TaskDescription.from_directory(make_task_folder(folder / "task")))
    for count, step in enumerate(steps):
        await run.execute(Draft(step=step, agent="coder", script=f"x = {count}\n"))
    return [(len(job.cores), round(job.limits.memory / 0.9 / GIGABYTE)) for job in jobs]


async def test_a_script_beside_others_has_one_share(tmp_path: Path, jobs: list[Job]) -> None:
    assert set(await shares(tmp_path, jobs, *BESIDE_OTHERS)) == {(2, 4)}


async def test_when_the_paths_are_done_a_script_has_what_all_of_them_had(tmp_path: Path, jobs: list[Job]) -> None:
    assert set(await shares(tmp_path, jobs, *ALONE)) == {(4, 8)}


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({"num_solutions": 1}, (2, 4)),
        ({"num_solutions": 3}, (8, 16)),
        ({"num_solutions": 4}, (8, 16)),
        ({"num_solutions": 6}, (8, 16)),
        ({"parallel_scripts": 1}, (8, 16)),
        ({"parallel_scripts": 2}, (8, 16)),
        ({"parallel_scripts": 8}, (2, 4)),
    ],
)
async def test_it_has_what_so_many_slots_have_at_least(
    tmp_path: Path, jobs: list[Job], settings: dict[str, int], share: tuple[int, int]
) -> None:
    assert await shares(tmp_path, jobs, "ensemble.r0", **settings) == [share]


@pytest.mark.parametrize(
    ("steps", "lines"),
    [(BESIDE_OTHERS, ["cores: 2", "memory: 4.0 GB"]), (ALONE, ["cores: 4", "memory: 8.0 GB"])],
)
def test_the_author_of_a_script_is_told_of_its_share(steps: tuple[str, ...], lines: list[str]) -> None:
    for step in steps:
        told = render_environment(MLEStarConfig(), step).splitlines()
        assert [line for line in told if line.startswith(("cores", "memory"))] == lines


@pytest.mark.parametrize(
    ("step", "limit", "timeout", "seconds"),
    [
        ("p1.candidate1", None, 600, 600),
        ("p1.candidate1", 1_000, 600, 200),
        ("p1.t0.k0", 1_000, 90, 90),
        ("p1.t0.k0", 30, 600, 10),
        ("p1.t0.k0", 8, 600, 8),
        ("p1.submission", 1_000, 600, 600),
        ("ensemble.r0", 1_000, 600, 600),
        ("submission", 1_000, 3_600, 1_000),
    ],
)
def test_a_script_of_the_search_has_a_part_of_the_runs_time(
    step: str, limit: float | None, timeout: float, seconds: float
) -> None:
    assert script_limit(MLEStarConfig(time_limit=limit, script_timeout=timeout), step) == seconds


async def test_a_script_that_takes_more_than_its_part_may_be_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    async def run_script(job: Job) -> ExecutionResult:
        given.append(job.timeout)
        return ExecutionResult(error="timeout", script_path=str(job.script), log_path=str(job.log))

    monkeypatch.setattr("mle_star.tools.scripts.run_script", run_script)
    run = Run("one", MLEStarConfig(out_dir=tmp_path / "run", warm=False, cache=False, time_limit=1_000))
    await run.open()
    await run.begin(TaskDescription.from_directory(make_task_folder(tmp_path / "task")))
    errors = []
    for elapsed, script in ((0, "x = 1\n"), (700, "x = 2\n")):
        run.clock.start(elapsed)
        result, _ = await run.execute(Draft(step="p1.candidate1", agent="coder", script=script))
        errors.append(result.error)
    assert (given[0], errors) == (200, ["timeout", "no time left"])


async def test_each_prompt_tells_of_the_share_of_its_own_step_and_a_submission_of_the_time_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("one", MLEStarConfig(out_dir=tmp_path / "run", time_limit=1_000))
    await run.open()
    await run.begin(TaskDescription.from_directory(make_task_folder(tmp_path / "task")))
    monkeypatch.setattr(run.clock, "left", lambda step: 50.0)
    steps = ("p1.merge1", "p1.submission", "ensemble.r0", "p1.merge1")
    told = [(await run.known_values(step))["environment"] for step in steps]
    assert told == [render_environment(run.config, step, 50 if step == "p1.submission" else math.inf) for step in steps]
    assert len(set(told)) == 3
    limits = [re.findall("time limit: (.*) seconds for", text) for text in told]
    assert limits == [["200"], ["50"], ["1000"], ["200"]]
