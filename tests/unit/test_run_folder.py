"""A run's folder: what is written there survives a crash, and is found again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mle_star.execution.runner import Job
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, Solution, TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.models.events import Event
from mle_star.models.state import Draft
from mle_star.tools.files import last_line, write_atomically
from mle_star.tools.ledger import promote
from mle_star.tools.run import Run
from mle_star.tools.run_folder import About, RunFolder
from mle_star.tools.submissions import Kept
from tests.stage import a_brief

TASK = TaskDescription(dataset_path="data")


def about(run_id: str = "r1", started: str = "2026-01-01T00:00:00", **changes: Any) -> About:
    """Describe a run."""
    values = {"version": "0", "status": "running", "task": TASK, "metric": "auc_roc", "config": MLEStarConfig()}
    return About(run_id=run_id, started=started, **(values | changes))


def a_run(runs: Path, run_id: str = "r1", **changes: Any) -> RunFolder:
    """Make a run's folder."""
    folder = RunFolder(runs / run_id)
    folder.create(about(run_id, **changes), a_brief(runs, "AUC"))
    return folder


def write_events(folder: RunFolder, *events: Event, rest: str = "") -> None:
    """Write events.jsonl, with something cut off at its end perhaps."""
    lines = "".join(event.model_dump_json(exclude_defaults=True) + "\n" for event in events)
    (folder.path / "events.jsonl").write_text(lines + rest)


def step(seq: int, name: str, score: float | None = None) -> Event:
    return Event(seq=seq, elapsed=float(seq), kind="step", step=name, agent="coder", score=score, accepted=True)


def test_a_run_is_found_by_its_id_and_by_its_folder(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    assert RunFolder.find("r1", tmp_path) == RunFolder.find(folder.path, tmp_path / "elsewhere") == folder


def test_a_run_that_is_not_there_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run nothing"):
        RunFolder.find("nothing", tmp_path)


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    a_run(tmp_path, "a", started="2026-02-01")
    a_run(tmp_path, "b", started="2026-01-01")
    assert [folder.path.name for folder in RunFolder.all(tmp_path)] == ["b", "a"]


def test_what_run_json_says_is_read_back(tmp_path: Path) -> None:
    assert a_run(tmp_path).about() == about()


def test_no_run_is_written_over_another(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with pytest.raises(ConfigError, match="holds a run already"):
        folder.create(about("r2"), a_brief(tmp_path, "AUC"))
    assert folder.about().run_id == "r1"


@pytest.mark.parametrize("text", ["", "{", '{"run_id": 1}'])
def test_a_run_json_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    folder = a_run(tmp_path)
    (folder.path / "run.json").write_text(text)
    with pytest.raises(ConfigError) as refused:
        folder.about()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "left"),
    [("running", True), ("paused", True), ("failed", True), ("succeeded", False), ("no submission", False)],
)
def test_what_ended_is_not_resumed(status: str, left: bool) -> None:
    assert about(status=status).resumable == left


def test_the_brief_is_read_back_for_the_task_that_was_asked(tmp_path: Path) -> None:
    assert a_run(tmp_path).brief(TASK) == a_brief(tmp_path, "AUC")


def test_the_brief_of_another_task_does_not_count(tmp_path: Path) -> None:
    assert a_run(tmp_path).brief(TaskDescription(dataset_path="other")) is None


def test_an_event_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    write_events(folder, step(1, "p1.merge1"), rest='{"seq": 2, "elap')
    assert [event.seq for event in folder.events()] == [1]


def test_a_step_that_was_repeated_after_a_crash_counts_once_with_its_last_outcome(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    write_events(folder, step(1, "p1.merge1", 0.5), step(2, "p1.merge2", 0.6), step(3, "p1.merge1", 0.7))
    assert [(one.step, one.score) for one in folder.history()] == [("p1.merge1", 0.7), ("p1.merge2", 0.6)]


def test_a_run_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    code = f"""
from pathlib import Path
from mle_star.models.errors import ConfigError
from mle_star.tools.run_folder import RunFolder
try:
    with RunFolder(Path({str(folder.path)!r})).lock():
        print("held")
except ConfigError as error:
    print(error)
"""
    with folder.lock():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "another process is at work" in done.stdout


def test_a_run_that_was_let_go_can_be_held_again(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with folder.lock():
        pass
    with folder.lock():
        assert True


def test_an_atomic_write_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", "old")
    write_atomically(tmp_path / "a.json", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "new")]


def test_the_rest_of_a_line_that_a_crash_cut_off_is_removed(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("one\ntwo\nthr")
    assert last_line(tmp_path / "lines") == "two"
    assert (tmp_path / "lines").read_text() == "one\ntwo\n"


# A run that is taken up again by another process


class Scripts:
    """A runner that counts."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, job: Job) -> ExecutionResult:
        self.names.append(job.script.name)
        return ExecutionResult(score=0.5, script_path=str(job.script))


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    found = Scripts()
    monkeypatch.setattr("mle_star.tools.scripts.run_script", found)
    return found


async def opened(folder: RunFolder) -> Run:
    """Open a run as a process does that knows nothing of it."""
    run = Run("r1", MLEStarConfig(out_dir=folder.path, warm=False))
    await run.open()
    await run.brief(TASK)
    return run


def draft(script: str = "x = 1\n") -> Draft:
    return Draft(step="p1.candidate1", agent="coder", script=script)


async def test_a_script_that_completed_is_not_run_again_by_the_next_process(tmp_path: Path, scripts: Scripts) -> None:
    folder = a_run(tmp_path)
    await (await opened(folder)).execute(draft())
    result, ran = await (await opened(folder)).execute(draft())
    assert (result.score, ran, len(scripts.names)) == (0.5, False, 1)


async def test_the_next_process_knows_how_long_solutions_take_and_no_other_scripts(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    (folder.path / "scripts").mkdir()
    for number, (delivers, seconds) in enumerate([("score", 7.0), ("output", 50.0), ("submission", 90.0)]):
        result = ExecutionResult(score=0.5, seconds=seconds).model_dump()
        record = {"digest": delivers, "step": f"p1.t0.k{number}", "delivers": delivers, "result": result}
        (folder.path / "scripts" / f"{number:03}-coder.json").write_text(json.dumps(record))
    assert (await opened(folder)).clock.final_script == 7.0


@pytest.mark.parametrize(
    ("accepted", "seconds"),
    [
        ((), 28 + 19),  # a path that has chosen none may choose any
        (("p2.candidate1",), 3 + 19),
        (("p2.candidate1", "p1.candidate1"), 3 + 4),
        (("p2.candidate1", "p1.candidate1", "p1.merge1"), 3 + 19),
        (("p2.candidate1", "p1.candidate1", "p1.submission"), 3 + 4),
        (("p2.candidate1", "p1.merge1", "p1.t0.ablation", "p2.t0.ablation"), 3 + 19),
        (("p2.candidate1", "p1.candidate1", "ensemble.r1"), 9),
        (("p2.candidate1", "p1.merge1", "ensemble.r1"), 3 + 19),
    ],
)
async def test_time_is_kept_for_what_may_be_submitted_and_not_for_what_was_given_up(
    tmp_path: Path, accepted: tuple[str, ...], seconds: float
) -> None:
    folder = a_run(tmp_path)
    write_events(folder, *(step(number, name) for number, name in enumerate(accepted)))
    run = await opened(folder)
    took = {"p1.candidate1": 4, "p2.candidate1": 3, "p2.candidate2": 28, "p1.merge1": 19}
    for name, lasted in (took | {"ensemble.r0": 30, "ensemble.r1": 9}).items():
        run.clock.scored(name, lasted)
    assert run.clock.final_script == seconds


async def test_the_clock_is_told_what_a_path_goes_on_with(tmp_path: Path) -> None:
    run = await opened(a_run(tmp_path))
    run.clock.scored("p1.candidate1", 28)
    run.clock.scored("p1.candidate2", 3)
    await promote(run, Solution(script="x = 1\n", score=0.5, step="p1.candidate2", agent="coder"))
    assert run.clock.final_script == 3


async def test_scripts_of_the_next_process_are_numbered_on(tmp_path: Path, scripts: Scripts) -> None:
    folder = a_run(tmp_path)
    await (await opened(folder)).execute(draft())
    (folder.path / "scripts" / "003-coder.py").write_text("")  # the second was cut off before it was written
    await (await opened(folder)).execute(draft("x = 2\n"))
    assert scripts.names == ["001-coder.py", "004-coder.py"]


async def test_a_reply_that_was_kept_is_not_asked_for_again_by_the_next_process(tmp_path: Path) -> None:
    folder, asked = a_run(tmp_path), []

    async def ask() -> dict[str, Any]:
        asked.append(1)
        return {"reply": "yes"}

    for _ in range(2):
        assert await (await opened(folder)).remembered("digest", "p1.merge1-merger", ask) == {"reply": "yes"}
    assert len(asked) == 1


async def test_events_of_the_next_process_are_numbered_and_timed_on(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    write_events(folder, step(41, "p1.merge1"))
    await (await opened(folder)).emit("note", message="on")
    last = list(folder.events())[-1]
    assert last.seq == 42
    assert last.elapsed >= 41


async def test_time_between_two_processes_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_run(tmp_path)
    write_events(folder, step(1, "p1.merge1").model_copy(update={"elapsed": 100.0}))
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: 5_000.0))
    assert (await opened(folder)).clock.elapsed == 100.0


@pytest.mark.parametrize(
    ("step_name", "share"),
    [("p1.candidate1", 0.75), ("p2.t0.k1", 0.75), ("ensemble.r0", 0.85), ("submission", 1.0), ("submission.1", 1.0)],
)
async def test_each_phase_leaves_time_for_those_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_name: str, share: float
) -> None:
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: 0.0))
    run = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000))
    assert run.clock.left(step_name) == share * 1_000


@pytest.mark.parametrize(("seconds", "left"), [(1, 800), (400, 800)])
async def test_an_early_submission_may_outlast_the_search_while_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, left: float
) -> None:
    now = [0.0]
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: now[-1]))
    run = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000))
    run.clock.scored("p1.merge1", seconds)
    assert run.clock.left("p1.submission") == pytest.approx(left)
    now.append(600.0)
    assert run.clock.left("p1.submission") == pytest.approx(320)
    run.clock.safe = True
    assert run.clock.left("p1.submission") == run.clock.left("p1.t0.k0") <= 150
    run.clock.safe, run.clock.stopped = False, True
    assert run.clock.left("p1.submission") == 0


async def test_once_there_is_a_submission_no_other_early_one_holds_up_the_run(tmp_path: Path) -> None:
    clock = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000)).clock
    clock.start(elapsed=800)  # the search is over

    async def submit() -> None:
        async with clock.within("p2.submission"):
            clock.secure()
            await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await submit()


async def test_a_run_that_begins_anew_knows_nothing_of_the_last_ones_scripts(tmp_path: Path) -> None:
    clock = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000)).clock
    clock.scored("ensemble.r0", 400)
    clock.accepted("ensemble.r0")
    clock.start()
    assert clock.final_script == 0


async def test_a_submission_that_was_stopped_would_have_taken_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: 0.0))
    run = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000))
    run.clock.scored("p1.merge1", 50)
    run.clock.submitted("p1.merge1", 100, stopped=True)
    assert run.clock.left("ensemble.r0") == pytest.approx(1_000 - 1.2 * 2 * 100)


@pytest.mark.parametrize(("seconds", "search"), [(50, 850), (100, 700), (400, 500)])
async def test_where_scripts_take_long_the_submission_has_the_time_of_three_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, search: float
) -> None:
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: 0.0))
    run = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000))
    run.clock.scored("p1.candidate1", seconds)
    run.clock.scored("p1.candidate2", 1)
    assert run.clock.left("ensemble.r0") == search
    assert run.clock.left("p1.candidate1") == pytest.approx(search * 75 / 85)
    assert run.clock.left("submission") == 1_000


async def test_the_next_process_knows_how_long_an_early_submission_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: 0.0))
    folder = a_run(tmp_path)
    (folder.path / "scripts").mkdir()
    for name, (delivers, seconds) in {"000-coder": ("score", 50.0), "001-submission": ("submission", 250.0)}.items():
        script = folder.path / "scripts" / f"{name}.py"
        result = ExecutionResult(score=0.5, seconds=seconds, script_path=str(script)).model_dump()
        record = {"digest": delivers, "step": "p1.candidate1", "delivers": delivers, "result": result}
        script.with_suffix(".json").write_text(json.dumps(record))
    (folder.path / "final").mkdir(exist_ok=True)
    (folder.path / "final" / "submission.csv").write_text("id,y\n")
    early = Kept(step="p1.candidate1", score=0.5, made_by="001-submission.py")
    (folder.path / "final" / "submission.json").write_text(early.model_dump_json())
    run = Run("r1", MLEStarConfig(out_dir=folder.path, warm=False, time_limit=1_000))
    await run.open()
    assert run.clock.left("ensemble.r0") == pytest.approx(1_000 - 1.2 * 5 * 50) == 700


@pytest.mark.parametrize(("took", "search"), [(60, 1000 - 1.2 * 6 * 50), (10, 1000 - 3 * 50), (10_000, 1000 - 8 * 50)])
async def test_an_early_submission_tells_how_long_the_last_one_will_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: float, search: float
) -> None:
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: 0.0))
    run = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000))
    run.clock.scored("p1.merge1", 10)
    run.clock.submitted("p1.merge1", took)
    run.clock.scored("p1.t0.k0", 50)
    assert run.clock.left("ensemble.r0") == pytest.approx(search)


@pytest.mark.parametrize(("now", "late"), [(0.0, 0.0), (900.0, 3 * 1.2 * 50 - 100)])
async def test_a_submission_is_late_when_it_is_likely_to_take_more_than_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: float, late: float
) -> None:
    times = [0.0]
    monkeypatch.setattr("mle_star.tools.clock.time", SimpleNamespace(monotonic=lambda: times[-1]))
    run = Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=1_000))
    run.clock.scored("p1.merge1", 50)
    times.append(now)
    assert run.clock.late("p1.merge1") == pytest.approx(late)
    assert run.clock.may_submit("p1.merge1")
    times.append(now + 960)
    assert not run.clock.may_submit("p1.merge1")
    assert Run("r2", MLEStarConfig(out_dir=tmp_path, time_limit=None)).clock.late("p1.merge1") == 0.0


async def test_without_a_limit_there_is_always_time_left(tmp_path: Path) -> None:
    assert Run("r1", MLEStarConfig(out_dir=tmp_path, time_limit=None)).clock.left("submission") == float("inf")


async def test_what_a_dead_process_left_half_done_is_cleared_away(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    (folder.path / "work" / "001-coder").mkdir(parents=True)
    await opened(folder)
    assert list((folder.path / "work").iterdir()) == []
