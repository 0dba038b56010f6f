"""Whole runs against a model server: over each wire format, a model for each agent, and a server that fails."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mle_star.cli import main
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools import calling
from mle_star.tools.calling import ModelUnavailableError
from tests.support import default_replies, make_task_folder, scripted_runner
from tests.wire import KEY, PROVIDERS, SECRET, Answer, Asked, Refused, Said, WireServer, embedded, keys, scripted

__all__ = ["keys"]
pytestmark = pytest.mark.usefixtures("keys")
ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "num_solutions": 2, "num_retrieved_models": 2, "outer_loop_iterations": 1, "inner_loop_iterations": 1,
    "ensemble_iterations": 1, "max_debug_retries": 1,
}  # fmt: skip
WANT_JSON = {"retriever", "extractor", "leakage_detect", "subsampling_extract"}


@pytest.fixture
def task(tmp_path: Path) -> TaskDescription:
    return TaskDescription.from_directory(make_task_folder(tmp_path / "task"))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        return

    monkeypatch.setattr(calling, "_sleep", at_once)


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mle_star.tools.scripts.run_script", scripted_runner)


def all_text(folder: Path) -> bytes:
    """Read whatever a run has left, the checkpoints' database included."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.usefixtures("no_processes")
async def test_a_whole_run_over_each_wire_format(provider: str, task: TaskDescription, tmp_path: Path) -> None:
    with WireServer(scripted(default_replies())) as server:
        config = MLEStarConfig(out_dir=tmp_path / "run", **server.settings(provider), **SMALL)
        result = await MLEStarOrchestrator(config).run(task)
    assert (result.status, result.final_score) == ("succeeded", 0.5)
    questions = server.questions()
    assert result.usage.total.calls == len(questions)
    assert result.usage.total.input_tokens == sum(asked.tokens for asked in questions)
    assert {asked.heading for asked in questions if asked.schema} == WANT_JSON


async def test_the_embedded_model_over_the_wire_solves_a_task_for_real(tmp_path: Path) -> None:
    with WireServer(embedded) as server:
        settings = SMALL | {"num_solutions": 1, "ensemble_iterations": 0}
        config = MLEStarConfig(out_dir=tmp_path / "run", **server.settings("openai"), **settings)
        task = TaskDescription.from_directory(ROOT / "examples" / "titanic")
        result = await MLEStarOrchestrator(config).run(task)
    assert result.status == "succeeded"
    assert result.final_score is not None
    assert result.final_score > 0.7
    assert KEY.encode() not in all_text(tmp_path / "run")


@pytest.mark.usefixtures("no_processes")
async def test_each_agent_asks_the_model_that_was_chosen_for_it(task: TaskDescription, tmp_path: Path) -> None:
    replies = scripted(default_replies())
    with WireServer(replies) as most, WireServer(replies, models=("big",)) as big:
        models = most.settings("openai")["models"] | {
            "coder": {"provider": "ollama", "id": "big", "base_url": big.url},
            "leakage_checker": {"provider": "bedrock", "id": "big", "base_url": big.url, "temperature": 0.0},
        }  # fmt: skip
        config = MLEStarConfig(out_dir=tmp_path / "run", models=models, **SMALL)
        await MLEStarOrchestrator(config).run(task)
    assert {(asked.provider, asked.heading) for asked in big.questions()} == {
        ("ollama", "coder"), ("bedrock", "leakage_detect"),
    }  # fmt: skip
    assert {asked.temperature for asked in big.questions() if asked.provider == "bedrock"} == {0.0}
    assert not {"coder", "leakage_detect"} & {asked.heading for asked in most.questions()}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.usefixtures("no_processes")
async def test_no_key_is_in_any_file_of_a_run(provider: str, task: TaskDescription, tmp_path: Path) -> None:
    replies = scripted(default_replies(summarizer=lambda p: f"x matters most, and the key is {KEY}, {SECRET}"))
    times: Counter[str] = Counter()

    def leaking(asked: Asked) -> Answer:
        times[asked.heading] += 1
        if asked.heading == "planner" or (asked.heading == "coder" and times["coder"] == 1):
            return Refused(400, f"refused: {asked.headers.get('authorization')} {KEY} {SECRET}")
        if asked.heading == "ensembler" and times["ensembler"] == 1:
            return Refused(503, f"busy: {asked.headers.get('authorization')} {KEY} {SECRET}")
        if asked.heading == "ensembler":
            return Refused(401, f"no longer valid: {KEY} {SECRET}")
        return replies(asked)

    with WireServer(leaking) as server:
        config = MLEStarConfig(out_dir=tmp_path / "run", **server.settings(provider), **SMALL)
        with pytest.raises(ModelUnavailableError, match="no longer valid") as error:
            await MLEStarOrchestrator(config).run(task)
    kept = all_text(tmp_path / "run")
    assert b"the key is ***, ***" in kept
    for secret in (KEY, SECRET):
        assert secret not in str(error.value)
        assert secret.encode() not in kept
        assert secret not in repr(config)


@pytest.mark.usefixtures("no_processes")
async def test_a_run_that_lost_its_model_goes_on_when_it_is_back(task: TaskDescription, tmp_path: Path) -> None:
    replies, away = scripted(default_replies()), [True]
    with WireServer(lambda asked: Refused(503) if away[0] and asked.heading == "merger" else replies(asked)) as server:
        settings = server.settings("ollama") | SMALL | {"model_retries": 2}
        orchestrator = MLEStarOrchestrator(MLEStarConfig(out_dir=tmp_path / "run", **settings))
        with pytest.raises(ModelUnavailableError):
            await orchestrator.run(task)
        assert orchestrator.result is not None
        assert orchestrator.result.status == "failed"
        asked_before = Counter(asked.heading for asked in server.questions())
        assert 3 <= asked_before["merger"] <= 6  # three tries, on one path or on both
        away[0] = False
        assert (await orchestrator.resume(tmp_path / "run")).status == "succeeded"
    asked = Counter(asked.heading for asked in server.questions())
    assert asked["retriever"] == asked_before["retriever"] == 2
    assert asked["candidate_evaluator"] == 4


@pytest.mark.usefixtures("no_processes")
def test_a_run_that_lost_its_model_ends_with_one_line_and_exit_code_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_task_folder(tmp_path / "task")
    replies = scripted(default_replies())
    with WireServer(lambda asked: Refused(401, "revoked") if asked.heading == "merger" else replies(asked)) as server:
        address = ["--provider", "openai", "--model", "tiny:1b", "--openai-url", f"{server.url}/v1"]
        assert main(["run", "task", *address, "--models", "2", "--solutions", "1", "--outer", "0"]) == 4
    error, way_on = capsys.readouterr().err.splitlines()
    assert error.startswith("error: openai model tiny:1b does not answer")
    assert "revoked" in error
    assert "Set OPENAI_API_KEY" in error
    assert way_on.startswith("go on with: mle-star resume")


@pytest.mark.usefixtures("no_processes")
async def test_a_model_that_thinks_aloud_comes_to_the_same(task: TaskDescription, tmp_path: Path) -> None:
    replies = scripted(default_replies())

    def thinking(asked: Asked) -> Answer:
        reply = replies(asked)
        assert isinstance(reply, str)
        thoughts = '<think>\n```python\nprint(\'not this\')\n```\n{"not": "this"}\n</think>\n'
        return Said(reply if asked.schema or not asked.heading else thoughts + reply, thinking="apart")

    with WireServer(thinking) as server:
        config = MLEStarConfig(out_dir=tmp_path / "run", **server.settings("openai"), **SMALL)
        result = await MLEStarOrchestrator(config).run(task)
    assert (result.status, result.final_score) == ("succeeded", 0.5)
    assert "not this" not in (result.final_solution or "")
