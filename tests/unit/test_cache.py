"""What a script came to in an earlier run is taken over by the next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mle_star.execution.cache import ScriptCache, fingerprint
from mle_star.execution.runner import Job
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, TaskDescription
from mle_star.models.state import Draft
from mle_star.tools.run import Run
from mle_star.tools.submissions import written_by
from tests.support import SUBMISSION, make_task_folder


class Scripts:
    """A runner that counts, and says what it is told to."""

    def __init__(self, **outcome: Any) -> None:
        self.ran: list[str] = []
        self.outcome: dict[str, Any] = {"score": 0.5, "seconds": 3.0} | outcome

    async def __call__(self, job: Job) -> ExecutionResult:
        self.ran.append(job.script.read_text())
        job.log.write_text("printed")
        if not job.needs_score:
            (job.workdir / "final").mkdir(parents=True)
            (job.workdir / "final" / "submission.csv").write_text(SUBMISSION)
        return ExecutionResult(script_path=str(job.script), log_path=str(job.log), output="printed", **self.outcome)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    found = Scripts()
    monkeypatch.setattr("mle_star.tools.scripts.run_script", found)
    return found


async def a_run(folder: Path, name: str, **settings: Any) -> Run:
    """Begin a run of the task in `folder`."""
    task = TaskDescription.from_directory(make_task_folder(folder / "task") if name == "first" else folder / "task")
    run = Run(name, MLEStarConfig(**({"out_dir": folder / name, "warm": False} | settings)))
    await run.open()
    await run.begin(task)
    return run


def draft(script: str = "x = 1\n", **more: Any) -> Draft:
    return Draft(step="p1.candidate1", agent="coder", script=script, **more)


async def test_a_script_that_succeeded_in_an_earlier_run_is_not_run_again(tmp_path: Path, scripts: Scripts) -> None:
    first, _ = await (await a_run(tmp_path, "first")).execute(draft())
    again, ran = await (await a_run(tmp_path, "second")).execute(draft())
    assert (again.score, again.output, again.seconds, ran) == (first.score, first.output, first.seconds, False)
    assert len(scripts.ran) == 1


async def test_a_run_knows_how_long_its_solutions_take(tmp_path: Path, scripts: Scripts) -> None:
    run = await a_run(tmp_path, "first")
    result, _ = await run.execute(draft())
    await run.execute(draft("x = 2\n", delivers="output"))
    assert run.clock.final_script == result.seconds > 0


async def test_a_run_knows_how_long_a_script_takes_that_another_step_has_run(tmp_path: Path, scripts: Scripts) -> None:
    run = await a_run(tmp_path, "first")
    await run.execute(draft())
    await run.execute(draft().model_copy(update={"step": "p2.candidate1"}))
    assert (len(scripts.ran), run.clock.final_script) == (1, 3.0 + 3.0)


async def test_what_took_longer_than_a_script_of_the_search_may_is_not_taken_over(
    tmp_path: Path, scripts: Scripts
) -> None:
    await (await a_run(tmp_path, "first")).execute(draft())
    scripts.outcome |= {"seconds": 1.0}
    result, ran = await (await a_run(tmp_path, "second", script_timeout=2.0)).execute(draft())
    assert (result.seconds, ran) == (1.0, True)


async def test_a_script_that_its_phase_had_no_time_for_is_run_again_in_another(
    tmp_path: Path, scripts: Scripts
) -> None:
    run, done = await a_run(tmp_path, "first"), scripts.outcome
    scripts.outcome = done | {"score": None, "error": "no time left"}
    cut, _ = await run.execute(draft())
    scripts.outcome = done
    again, ran = await run.execute(draft())
    assert (cut.ok, again.ok, ran) == (False, True, True)


async def test_what_is_taken_over_lies_in_the_runs_own_folder(tmp_path: Path, scripts: Scripts) -> None:
    await (await a_run(tmp_path, "first")).execute(draft())
    result, _ = await (await a_run(tmp_path, "second")).execute(draft())
    assert Path(result.script_path) == tmp_path / "second" / "scripts" / "001-coder.py"
    assert Path(result.script_path).read_text() == "x = 1\n"
    assert Path(result.log_path).read_text() == "printed"


async def test_a_submission_is_taken_over_with_its_file(tmp_path: Path, scripts: Scripts) -> None:
    scripts.outcome["score"] = None
    await (await a_run(tmp_path, "first")).execute(draft(delivers="submission"))
    second = await a_run(tmp_path, "second")
    result, ran = await second.execute(draft(delivers="submission"))
    assert (result.ok, ran, written_by(result.script_path).read_text()) == (True, False, SUBMISSION)
    assert written_by(result.script_path).is_relative_to(second.folder)


async def test_a_failure_is_tried_again(tmp_path: Path, scripts: Scripts) -> None:
    scripts.outcome |= {"score": None, "error": "exception"}
    await (await a_run(tmp_path, "first")).execute(draft())
    _, ran = await (await a_run(tmp_path, "second")).execute(draft())
    assert ran


async def test_a_script_runs_again_when_the_data_have_changed(tmp_path: Path, scripts: Scripts) -> None:
    await (await a_run(tmp_path, "first")).execute(draft())
    os.utime(tmp_path / "task" / "train.csv", ns=(0, 0))
    _, ran = await (await a_run(tmp_path, "second")).execute(draft())
    assert ran


async def test_a_script_runs_again_with_another_share_of_the_cores(tmp_path: Path, scripts: Scripts) -> None:
    from mle_star.execution.slots import slots_here

    await (await a_run(tmp_path, "first", parallel_scripts=1)).execute(draft())
    _, ran = await (await a_run(tmp_path, "second", parallel_scripts=64)).execute(draft())
    assert ran is (len(slots_here().machine.cores) > 1)


async def test_a_script_that_took_longer_than_it_now_may_is_run(tmp_path: Path, scripts: Scripts) -> None:
    await (await a_run(tmp_path, "first")).execute(draft())
    _, ran = await (await a_run(tmp_path, "second", script_timeout=2.0)).execute(draft())
    assert ran


@pytest.mark.parametrize("without", ["first", "second"])
async def test_a_run_that_wants_no_cache_neither_reads_nor_writes_it(
    tmp_path: Path, scripts: Scripts, without: str
) -> None:
    for name in ("first", "second"):
        _, ran = await (await a_run(tmp_path, name, cache=name != without)).execute(draft())
        assert ran


async def test_a_damaged_entry_is_no_entry(tmp_path: Path, scripts: Scripts) -> None:
    await (await a_run(tmp_path, "first")).execute(draft())
    for file in (tmp_path / "cache").rglob("result.json"):
        file.write_text("{")
    _, ran = await (await a_run(tmp_path, "second")).execute(draft())
    assert ran


async def test_a_cache_that_can_not_be_written_stops_nothing(
    tmp_path: Path, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result, ran = await (await a_run(tmp_path, "first")).execute(draft())
    assert (result.score, ran) == (0.5, True)


def test_what_was_used_least_lately_goes_when_the_cache_grows_too_large(tmp_path: Path) -> None:
    cache, log = ScriptCache(tmp_path / "cache"), tmp_path / "log"
    log.write_text("x" * 1000)
    for number, key in enumerate(("aa1", "bb2", "cc3")):
        cache.put(key, ExecutionResult(score=0.5, log_path=str(log)))
        os.utime(tmp_path / "cache" / key[:2] / key, (number, number))
    cache.get("aa1")  # used just now
    cache.tidy(2800)
    assert [cache.get(key) is not None for key in ("aa1", "bb2", "cc3")] == [True, False, True]


def test_a_huge_entry_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mle_star.execution.cache.LARGEST", 10)
    log = tmp_path / "log"
    log.write_text("x" * 11)
    cache = ScriptCache(tmp_path / "cache")
    cache.put("aa1", ExecutionResult(score=0.5, log_path=str(log)))
    assert cache.get("aa1") is None


def test_what_changes_in_a_folder_of_the_data_changes_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a")
    (tmp_path / "images").mkdir()
    before = fingerprint(tmp_path, ["images", "train.csv"])
    assert before == fingerprint(tmp_path, ["train.csv", "images"])
    (tmp_path / "images" / "1.png").write_text("a")
    assert fingerprint(tmp_path, ["images", "train.csv"]) != before


def test_files_that_are_no_data_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a")
    before = fingerprint(tmp_path, ["train.csv"])
    (tmp_path / "runs").mkdir()
    assert fingerprint(tmp_path, ["train.csv"]) == before
