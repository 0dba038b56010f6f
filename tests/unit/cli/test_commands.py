"""The commands as a person meets them: what they print, and their exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mle_star import __version__, cli
from mle_star.models.errors import ConfigError, MLEStarError, TaskError
from mle_star.models.events import Event
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.terminal.show import show_run
from tests.unit.cli.conftest import EVENTS, MakeRun


class Told:
    """What a command said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> Told:
        code = cli.main(arguments)
        return Told(code, *capsys.readouterr())

    return call


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task").mkdir()
    for name in ("train.csv", "test.csv"):
        (tmp_path / "task" / name).write_text("id,x,y\n1,2,3\n")
    return "task"


def one_line(told: Told, *parts: str) -> None:
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1, told.err
    for part in parts:
        assert part in told.err


def test_nothing_shows_the_help(tell: Any) -> None:
    told = tell()
    assert told.code == 0
    for command in ("run", "resume", "runs", "show", "doctor", "graph"):
        assert f"\n  {command} " in told.out
    assert "--show-completion" not in told.out


def test_the_version(tell: Any) -> None:
    assert tell("--version").out == f"mle-star {__version__}\n"


def test_help_shows_bounds_and_defaults_of_the_settings(tell: Any) -> None:
    told = tell("run", "--help")
    assert told.code == 0
    assert "[1 to 64; default: 4]" in told.out
    assert "None" not in told.out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["run"], "Missing argument 'TASK_DIR'"),
        (["run", "task", "--colour"], "No such option: --colour"),
        (["run", "task", "--models", "many"], "--models"),
        (["run", "task", "--models", "0"], "--models (num_retrieved_models): has to be greater"),
        (["run", "task", "--time-limit", "soon"], "--time-limit"),
        (["run", "nowhere"], "nowhere: there is no such folder"),
        (["run", "task", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["resume", "nowhere"], "there is no run nowhere"),
        (["show", "nowhere"], "there is no run nowhere"),
        (["graph", "nowhere"], "there is no graph nowhere"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tell: Any, task: str, arguments: list[str], part: str) -> None:
    told = tell(*arguments)
    assert told.code == 2
    one_line(told, part)


def streaming(
    monkeypatch: pytest.MonkeyPatch, ending: MakeRun | None = None, status: str = "", error: Any = None
) -> None:
    """Have the orchestrator make a run's folder, tell its events and end as is said."""

    async def stream(self: MLEStarOrchestrator, task: Any) -> AsyncIterator[Event]:
        if ending is not None:
            self.folder = ending(status)
            self.result = self.folder.about().result
            for seq, event in enumerate(EVENTS, 1):
                yield Event(**{"seq": seq, "elapsed": float(seq)} | event)
        if error is not None:
            raise error

    monkeypatch.setattr(MLEStarOrchestrator, "stream", stream)
    monkeypatch.setattr(MLEStarOrchestrator, "stream_resume", stream)


@pytest.mark.parametrize(
    ("status", "code", "part"),
    [
        ("succeeded", 0, "submission runs/one/final/submission.csv"),
        ("no script ran", 3, "logs       runs/one/scripts"),
        ("no submission", 4, "details    mle-star show one"),
        ("paused", 130, "resume     mle-star resume one"),
    ],
)
def test_the_exit_code_is_the_runs_status(
    tell: Any, task: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, status: str, code: int, part: str
) -> None:
    streaming(monkeypatch, make_run, status)
    told = tell("run", task)
    assert (told.code, told.err) == (code, "")
    assert part in told.out
    assert "p1.t0.k0" in told.out
    assert "\x1b" not in told.out


def test_the_result_says_score_direction_files_cost_and_what_to_do_next(
    tell: Any, task: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming(monkeypatch, make_run, "succeeded")
    assert tell("run", task).out.splitlines()[-6:] == [
        "result     a valid submission",
        "score      0.85  accuracy, higher is better, on held-out rows",
        "submission runs/one/final/submission.csv",
        "solution   runs/one/final/solution.py",
        "took       12:34; 4 scripts, 9 model calls, 1,234 tokens, $0.0048",
        "details    mle-star show one",
    ]


def test_a_run_that_fails_says_why_and_how_to_go_on(
    tell: Any, task: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming(monkeypatch, make_run, "failed", MLEStarError("the model\nwent away"))
    told = tell("run", task)
    assert told.code == 4
    assert told.err == "error: the model went away\ngo on with: mle-star resume one\n"


@pytest.mark.parametrize("error", [ConfigError("no such model"), TaskError("no target")])
def test_what_is_wrong_before_the_run_is_exit_code_2(
    tell: Any, task: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    streaming(monkeypatch, error=error)
    told = tell("run", task)
    assert told.code == 2
    one_line(told, str(error))


def test_the_unexpected_is_one_line_too(tell: Any, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streaming(monkeypatch, error=KeyError("x"))
    told = tell("run", task)
    assert told.code == 1
    one_line(told, "KeyError", "run again with --debug")


def test_debug_shows_where_it_comes_from(tell: Any, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streaming(monkeypatch, error=KeyError("x"))
    assert "Traceback (most recent call last)" in tell("run", task, "--debug").err


def test_a_run_outside_of_the_runs_folder_is_resumed_by_its_folder(
    tell: Any, task: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming(monkeypatch, lambda status: make_run(status, where="my runs"), "paused")
    assert "resume     mle-star resume 'my runs'\n" in tell("run", task).out


def test_options_reach_the_run(tell: Any, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    async def stream(self: MLEStarOrchestrator, task: Any) -> AsyncIterator[Event]:
        seen.extend((self.config, task))
        raise ConfigError("enough")
        yield

    monkeypatch.setattr(MLEStarOrchestrator, "stream", stream)
    tell(
        "run", task, "--models", "2", "--no-leakage-check", "--provider", "offline", "--metric", "mae", "--target", "y"
    )
    config, description = seen
    assert (config.num_retrieved_models, config.leakage_check, config.model_provider) == (2, False, "offline")
    assert (description.evaluation_metric, description.target) == ("mae", "y")
    assert config.outer_loop_iterations == 4


def test_no_runs_is_said(tell: Any, task: str) -> None:
    assert tell("runs").out == "no runs in runs: start one with `mle-star run TASK_DIR`\n"


def test_runs_lists_each_run_with_its_status_and_score(tell: Any, make_run: MakeRun) -> None:
    make_run("succeeded", "first", started="2026-01-01T00:00:00+00:00")
    make_run("running", "second", started="2026-01-02T00:00:00+00:00")
    rows = [line.split() for line in tell("runs").out.splitlines()]
    assert rows[1][:6] == ["first", "titanic", "accuracy", "succeeded", "0.85", "12:34"]
    assert rows[2][:5] == ["second", "titanic", "accuracy", "killed", "0.85"]


def test_a_run_that_can_not_be_read_does_not_hide_the_others(tell: Any, make_run: MakeRun) -> None:
    make_run("succeeded", "first")
    make_run("succeeded", "second")
    Path("runs/second/run.json").write_text("{")
    told = tell("runs")
    assert "first" in told.out
    assert "left out: " in told.out


def test_a_run_that_is_held_by_a_process_is_running(tell: Any, make_run: MakeRun) -> None:
    with make_run("running").lock():
        assert json.loads(tell("runs", "--json").out)[0]["status"] == "running"


def test_show_tells_the_steps_the_studies_the_winner_and_the_files(tell: Any, make_run: MakeRun) -> None:
    make_run("succeeded")
    out = tell("show", "one").out
    for part in (
        "path 1", "path 2", "timeout", "bin the age", "\n  age\n  matters", "winner     p1.t0.k0", "0.8 → 0.85",
        "score      0.85", "submission runs/one/final/submission.csv", "9 model calls",
    ):  # fmt: skip
        assert part in out, part


def test_show_keeps_the_scores_in_a_narrow_terminal(make_run: MakeRun) -> None:
    folder = make_run("succeeded")
    with (folder.path / "events.jsonl").open("a") as file:
        event = Event(seq=99, elapsed=99, kind="step", step="p1.t0.k1", agent="coder", score=0.86123, message="x" * 500)
        file.write(event.model_dump_json() + "\n")
    console = Console(file=io.StringIO(), force_terminal=True, width=80, no_color=True)
    show_run(console, folder, as_json=False)
    assert isinstance(console.file, io.StringIO)
    (line,) = (line for line in console.file.getvalue().splitlines() if "p1.t0.k1" in line and "coder" in line)
    assert "0.86123" in line


@pytest.mark.parametrize("status", ["running", "paused", "failed", "no submission", "no script ran"])
def test_show_works_whatever_became_of_a_run(tell: Any, make_run: MakeRun, status: str) -> None:
    make_run(status)
    told = tell("show", "one")
    assert told.code == 0
    assert "p1.candidate1" in told.out
    assert ("mle-star resume one" in told.out) == (status in ("running", "paused", "failed"))


def test_a_killed_run_tells_what_it_spent_from_its_files(tell: Any, make_run: MakeRun) -> None:
    make_run("running")
    assert "0:08; 1 script, 1 model call, 15 tokens" in tell("show", "one").out


def test_show_prints_json_for_programs(tell: Any, make_run: MakeRun) -> None:
    make_run("succeeded")
    record = json.loads(tell("show", "one", "--json").out)
    assert (record["status"], record["score"], record["winner"]) == ("succeeded", 0.85, "p1.t0.k0")
    assert record["usage"]["calls"] == 9
    assert record["steps"][0]["step"] == "p1.candidate1"


def test_show_prints_the_script_of_a_step(tell: Any, make_run: MakeRun) -> None:
    make_run("succeeded")
    assert tell("show", "one", "--script", "p1.candidate1").out == "print('hello')\n"
    told = tell("show", "one", "--script", "p9.k1")
    assert told.code == 2
    one_line(told, "p1.candidate1")


@pytest.mark.parametrize("name", ["initial", "refinement", "ensemble", "evaluation"])
def test_each_graph_can_be_drawn(tell: Any, name: str) -> None:
    assert "graph TD" in tell("graph", name).out


def test_the_whole_graph_shows_all_14_agents(tell: Any) -> None:
    agents = [path.stem for path in Path(cli.__file__).parent.joinpath("agents").glob("[a-z]*.py")]
    out = tell("graph").out
    assert len(agents) == 14
    assert [agent for agent in agents if agent not in out] == []
