"""Runs that LangGraph drives by itself: they stand in the list and can be read, and are LangGraph's to steer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from graphs.pipeline import builder
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.run_folder import RunFolder
from tests.support import ScriptedModel, default_replies, make_task_folder, use_model
from tests.unit.api.conftest import Serve

SMALL: dict[str, Any] = {
    "num_solutions": 1, "num_retrieved_models": 1, "outer_loop_iterations": 1, "inner_loop_iterations": 1,
    "ensemble_iterations": 0, "leakage_check": False, "model_provider": "offline",
}  # fmt: skip
WRITERS = ("candidate_evaluator", "debugger", "rewrite")
THREAD = "0f8f2a3e-thread"


@pytest.fixture
def thread(tmp_path: Path) -> Any:
    """Drive the graph as a LangGraph Server does, in a thread of its own."""
    graph = builder.compile(checkpointer=InMemorySaver())

    async def drive(data: Path, **settings: Any) -> dict[str, Any]:
        config = MLEStarConfig(runs_dir=tmp_path / "runs", **SMALL | settings)
        thread: Any = {"configurable": {"thread_id": THREAD}}
        return dict(await graph.ainvoke({"task": {"dataset_path": str(data)}}, thread, context=config))

    return drive


async def status_of(client: httpx.AsyncClient) -> dict[str, Any]:
    reply = await client.get(f"/api/pipeline/status/{THREAD}")
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_a_run_of_langgraphs_is_listed_with_what_it_came_to(serve: Serve, thread: Any, tmp_path: Path) -> None:
    async with serve() as client:
        state = await thread(make_task_folder(tmp_path / "task"))
        status = await status_of(client)
        assert (status["run"]["status"], status["run"]["source"]) == ("succeeded", "langgraph")
        assert status["best_score"] == state["final_score"]
        assert [run["run_id"] for run in (await client.get("/api/pipeline/status")).json()["runs"]] == [THREAD]
        assert (await client.get(f"/api/submission/download/{THREAD}")).is_success
    about = RunFolder(tmp_path / "runs" / THREAD).about()
    assert about.result is not None
    assert (about.result.final_score, about.result.submission_path) == (state["final_score"], state["submission_path"])


async def test_it_is_langgraphs_to_steer(serve: Serve, thread: Any, tmp_path: Path) -> None:
    async with serve() as client:
        await thread(make_task_folder(tmp_path / "task"), review="plan")  # it waits for a person, in its thread
        status = await status_of(client)
        assert (status["run"]["status"], status["run"]["source"]) == ("running", "langgraph")
        for action in ("pause", "resume", "stop"):
            reply = await client.post(f"/api/pipeline/{action}/{THREAD}")
            assert reply.status_code == 409, reply.text
            assert "LangGraph" in reply.json()["detail"]
    with pytest.raises(ConfigError, match="langgraph"):
        await MLEStarOrchestrator(MLEStarConfig(runs_dir=tmp_path / "runs")).resume(THREAD)


async def test_a_thread_that_runs_anew_is_told_of_as_it_is_now(serve: Serve, thread: Any, tmp_path: Path) -> None:
    first, second = make_task_folder(tmp_path / "first"), make_task_folder(tmp_path / "second", metric="accuracy")
    await thread(first, num_retrieved_models=2)
    await thread(second)
    async with serve() as client:
        status = await status_of(client)
        assert (status["run"]["task"], status["run"]["metric"]) == ("second", "accuracy")
        assert status["progress"]["share"] == 1.0
    steps = [record.step for record in RunFolder(tmp_path / "runs" / THREAD).history()]
    assert len(steps) == len(set(steps))
    assert "p1.candidate2" not in steps


async def test_one_of_which_no_script_ran_says_so(
    serve: Serve, thread: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve() as client:
        use_model(monkeypatch, ScriptedModel(replies=default_replies() | dict.fromkeys(WRITERS, lambda p: "no code")))
        await thread(make_task_folder(tmp_path / "task"))
        assert (await status_of(client))["run"]["status"] == "no script ran"
