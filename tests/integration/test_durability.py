"""A run survives what happens to its process: nothing that was completed is done again, and it comes to the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.checkpoint_growth import bytes_per_step
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, StepRecord, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.run import Run
from tests.integration.driver import SETTINGS, key, make_model, marking
from tests.support import make_task_folder

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
MINUTES = 4 * 60.0


def start(place: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Begin the run in `place`, or resume it."""
    command = [sys.executable, "-m", "tests.integration.driver", str(place)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)


def finish(place: Path, **environment: str) -> RunResult:
    """Begin the run or resume it, and wait for its end."""
    assert start(place, **environment).wait(MINUTES) == 0
    return RunResult.model_validate_json((place / "result.json").read_text())


def lines(file: Path) -> Counter[str]:
    """Count a file's lines."""
    return Counter(file.read_text().split()) if file.exists() else Counter()


def marks(place: Path) -> Counter[str]:
    """Count the calls and scripts that were completed, each time that they were."""
    return lines(place / "calls") + lines(place / "scripts")


def records(place: Path) -> Counter[str]:
    """Count the calls and scripts that the run knows to be completed."""
    found: Counter[str] = Counter()
    for file in (place / "run" / "replies").glob("*.json"):
        found[key(json.loads(file.read_text())["messages"])] += 1
    for file in (place / "run" / "scripts").glob("*.json"):
        if json.loads(file.read_text())["result"]["error"] is None:
            found[hashlib.sha256(file.with_suffix(".py").read_bytes()).hexdigest()] += 1
    return found


def steps(result: RunResult) -> list[StepRecord]:
    """List the history without what differs from one time to the next: the order of the paths, times, file names."""
    plain = [record.model_copy(update={"seconds": 0.0, "script_path": ""}) for record in result.history]
    return sorted(plain, key=lambda record: record.step)


def kill(process: subprocess.Popen[bytes], place: Path) -> None:
    """Kill a run's process with -9, and wait until its scripts are dead too."""
    process.kill()
    process.wait()
    deadline = time.monotonic() + MINUTES
    while time.monotonic() < deadline and any(
        str(place) in " ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])
    ):
        time.sleep(0.02)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """Run without a break."""
    place = tmp_path_factory.mktemp("unbroken")
    make_task_folder(place / "task")
    return place, finish(place)


@pytest.fixture(scope="module", params=[1, 2])
def broken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunResult, list[Any]]:
    """Run with breaks: killed with -9 at random moments, resumed until it ends; also with checkpoints read strictly.

    Returns the place, the result, and what was marked and recorded at each kill.
    """
    place = tmp_path_factory.mktemp("broken")
    make_task_folder(place / "task")
    chance, seen = random.Random(request.param), []
    strictly = {"LANGGRAPH_STRICT_MSGPACK": "true" if request.param == 2 else "false"}
    for _ in range(4):
        process, goal = start(place, **strictly), marks(place).total() + chance.randint(1, 20)
        while process.poll() is None and marks(place).total() < goal:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        kill(process, place)
        seen.append((marks(place), records(place)))
    return place, finish(place, **strictly), seen


def test_an_unbroken_run_completes_each_thing_once(unbroken: tuple[Path, RunResult]) -> None:
    place, result = unbroken
    assert result.status == "succeeded"
    assert marks(place) == records(place)


def test_a_run_that_was_killed_and_resumed_comes_to_the_same(unbroken: Any, broken: Any) -> None:
    _, expected = unbroken
    _, result, _ = broken
    assert result.final_solution is not None
    assert (result.status, result.final_score, result.final_solution) == (
        expected.status,
        expected.final_score,
        expected.final_solution,
    )


def test_a_run_that_was_killed_and_resumed_has_the_same_history(unbroken: Any, broken: Any) -> None:
    assert steps(broken[1]) == steps(unbroken[1])


def test_the_kills_came_in_the_middle_of_the_run(broken: Any) -> None:
    place, _, seen = broken
    assert all(marked.total() < marks(place).total() for marked, _ in seen)


def test_nothing_that_was_completed_before_a_kill_is_done_again(broken: Any) -> None:
    place, _, seen = broken
    marked_at_last, recorded_at_last = marks(place), records(place)
    for marked, recorded in seen:
        done = [one for one in recorded if marked[one] == recorded[one] == recorded_at_last[one]]
        assert {one: marked_at_last[one] for one in done} == {one: marked[one] for one in done}


def test_a_kill_costs_what_was_under_way_at_the_most(broken: Any) -> None:
    place, _, seen = broken
    at_once = SETTINGS["num_solutions"] * SETTINGS["num_retrieved_models"]
    assert (marks(place) - records(place)).total() <= at_once * len(seen)
    assert not records(place) - marks(place)


def test_scripts_keep_their_numbers_to_themselves(broken: Any) -> None:
    numbers = [path.name.partition("-")[0] for path in (broken[0] / "run" / "scripts").glob("*.py")]
    assert len(numbers) == len(set(numbers))


# In this process


class Place:
    """A run in this process, with real scripts."""

    def __init__(self, folder: Path) -> None:
        make_task_folder(folder / "task")
        self.folder = folder
        self.model = make_model(folder / "calls")

    def orchestrator(self) -> MLEStarOrchestrator:
        return MLEStarOrchestrator(MLEStarConfig(out_dir=self.folder / "run", **SETTINGS))

    async def run_until(self, moment: Any) -> RunResult:
        """Run, and pause when `moment` has come, given all events so far."""
        orchestrator, events = self.orchestrator(), []
        async for event in orchestrator.stream(TaskDescription.from_directory(self.folder / "task")):
            events.append(event)
            if moment(events):
                orchestrator.pause()
        assert orchestrator.result is not None
        return orchestrator.result


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    monkeypatch.setattr("mle_star.tools.chat.make_model", lambda config: made.model)
    monkeypatch.setattr("mle_star.tools.scripts.run_script", marking(tmp_path / "scripts"))
    return made


def both_paths_refine(events: list[Any]) -> bool:
    """Whether there was a candidate of a refinement on either path."""
    return {1, 2} <= {event.path for event in events if event.phase == "refinement" and event.agent == "coder"}


async def test_a_run_that_is_paused_while_both_paths_refine_comes_to_the_same(place: Place, unbroken: Any) -> None:
    paused = await place.run_until(both_paths_refine)
    assert paused.status == "paused"
    result = await place.orchestrator().resume(place.folder / "run")
    expected = unbroken[1]
    assert (result.final_score, result.final_solution) == (expected.final_score, expected.final_solution)
    assert steps(result) == steps(expected)


async def test_a_run_that_was_paused_repeats_nothing(place: Place) -> None:
    await place.run_until(both_paths_refine)
    await place.orchestrator().resume(place.folder / "run")
    assert marks(place.folder) == records(place.folder)


async def test_a_paused_run_starts_nothing_more(place: Place) -> None:
    await place.run_until(both_paths_refine)
    before = marks(place.folder)
    await asyncio.sleep(0.5)
    assert marks(place.folder) == before


async def test_a_run_can_be_paused_again_and_again(place: Place, unbroken: Any) -> None:
    result = await place.run_until(lambda events: len(events) == 5)
    pauses = 1
    while result.status == "paused":
        orchestrator = place.orchestrator()
        began = len((place.folder / "run" / "events.jsonl").read_text().splitlines())
        async for event in orchestrator.stream_resume(place.folder / "run"):
            if event.seq > began + 25 * pauses:
                orchestrator.pause()
        assert orchestrator.result is not None
        result, pauses = orchestrator.result, pauses + 1
    assert pauses > 2
    assert (result.final_score, steps(result)) == (unbroken[1].final_score, steps(unbroken[1]))


async def test_resuming_a_run_that_ended_gives_its_result_without_any_work(
    unbroken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, expected = unbroken

    def no_model(config: MLEStarConfig) -> Any:
        raise AssertionError("there is nothing to ask a model for")

    monkeypatch.setattr("mle_star.tools.chat.make_model", no_model)
    before = marks(folder)
    assert await MLEStarOrchestrator().resume(folder / "run") == expected
    assert marks(folder) == before


async def test_a_run_whose_model_went_away_goes_on_when_it_is_back(
    place: Place, unbroken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(seconds: float) -> None:
        return

    def away(prompt: str) -> str:
        raise ConnectionError("connection refused")

    monkeypatch.setattr("langgraph.pregel._retry.asyncio", _Without(asyncio, sleep=at_once))
    replies = dict(place.model.replies)
    place.model.replies["summarizer"] = away
    with pytest.raises(Exception, match="connection refused"):
        await place.orchestrator().run(TaskDescription.from_directory(place.folder / "task"))
    place.model.replies.update(replies)
    result = await place.orchestrator().resume(place.folder / "run")
    assert (result.final_score, steps(result)) == (unbroken[1].final_score, steps(unbroken[1]))


class _Without:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


async def test_the_process_remembers_nothing_of_a_run_that_ended(place: Place) -> None:
    result = await place.run_until(lambda events: len(events) == 3)
    assert Run.forget(result.run_id) is None


@pytest.mark.slow
def test_the_checkpoint_file_grows_in_step_with_the_work() -> None:
    few, many = bytes_per_step(4), bytes_per_step(12)
    assert many < 1.25 * few
