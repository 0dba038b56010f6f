"""Budgets of whole runs: what they end with at any size, in tokens and in money, and what a repeated run costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mle_star.cli import main
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from tests.support import default_replies, make_task_folder, script, scripted_runner
from tests.wire import MODEL, WireServer, keys, scripted

__all__ = ["keys"]
pytestmark = pytest.mark.usefixtures("keys")
PENGUINS = Path(__file__).parents[2] / "examples" / "penguins"
SMALL: dict[str, Any] = {
    "num_solutions": 1, "num_retrieved_models": 2, "outer_loop_iterations": 1, "inner_loop_iterations": 2,
    "ensemble_iterations": 0, "search_engine": "none",
}  # fmt: skip
PRICE = {"input": 10.0, "output": 30.0}


@pytest.mark.parametrize("tokens", [1, 15_000, 40_000, 70_000, 400_000])
async def test_whatever_the_tokens_a_solution_that_ran_is_submitted(tokens: int, tmp_path: Path) -> None:
    config = MLEStarConfig(model_provider="offline", token_budget=tokens, out_dir=tmp_path / "run", **SMALL)
    result = await MLEStarOrchestrator(config).run(TaskDescription.from_directory(PENGUINS))
    ran = any(record.score is not None for record in result.history)
    assert result.status == ("succeeded" if ran else "no submission")
    assert result.usage.total.tokens <= tokens
    assert ("token budget" in result.message) == (tokens < 400_000)
    if ran:
        assert result.submission_path is not None
        assert Path(result.submission_path).read_text().count("\n") > 1


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    table = tmp_path / "prices.yaml"
    table.write_text(f'"127.0.0.1/{MODEL}": {{input: {PRICE["input"]}, output: {PRICE["output"]}}}\n')
    return table


@pytest.fixture
def run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a tiny task over a server's OpenAI wire."""
    monkeypatch.setattr("mle_star.tools.scripts.run_script", scripted_runner)
    task = TaskDescription.from_directory(make_task_folder(tmp_path / "task"))

    async def do(server: WireServer, name: str = "run", **more: Any) -> RunResult:
        settings = SMALL | {"num_solutions": 2, "max_tokens": 512, "ensemble_iterations": 1} | more
        config = MLEStarConfig(out_dir=tmp_path / name, **server.settings("openai"), **settings)
        return await MLEStarOrchestrator(config).run(task)

    return do


@pytest.mark.parametrize("dollars", [0.01, 0.1, 100.0])
async def test_a_run_costs_no_more_than_it_may(dollars: float, run_on: Any, prices: Path) -> None:
    with WireServer(scripted(default_replies())) as server:
        result = await run_on(server, prices=prices, cost_budget=dollars)
    asked = server.questions()
    paid = sum(one.tokens * PRICE["input"] + 7 * PRICE["output"] for one in asked) / 1_000_000
    assert result.usage.total.cost == pytest.approx(paid)
    assert paid <= dollars
    ran = any(record.score is not None for record in result.history)
    assert result.status == ("succeeded" if ran else "no submission")
    assert ("cost budget" in result.message) == (dollars < 100)


@pytest.mark.usefixtures("run_on")
def test_a_cost_that_can_not_be_told_is_not_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with WireServer(scripted(default_replies())) as server:
        address = ["--provider", "openai", "--model", MODEL, "--openai-url", f"{server.url}/v1"]
        assert main(["run", "task", *address, "--max-cost", "5"]) == 2
    assert not server.questions()
    (line,) = capsys.readouterr().err.splitlines()
    assert f"127.0.0.1/{MODEL}" in line
    assert "--prices FILE" in line


async def test_a_run_that_is_repeated_with_a_cache_of_replies_asks_nothing(
    run_on: Any, prices: Path, tmp_path: Path
) -> None:
    replies = default_replies(coder=lambda p: script(0.7))
    with WireServer(scripted(replies)) as server:
        more = {"prices": prices, "reply_cache": tmp_path / "replies.sqlite"}
        first = await run_on(server, "first", **more)
        asked = len(server.questions())
        again = await run_on(server, "again", **more)
        assert len(server.questions()) == asked > 10
        assert (again.usage.total.calls, again.usage.total.cost) == (0, 0.0)
        assert (again.status, again.final_score, again.final_solution) == (
            first.status, first.final_score, first.final_solution,
        )  # fmt: skip
        await run_on(server, "other seed", seed=7, **more)
    assert len(server.questions()) > asked
