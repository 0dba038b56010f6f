"""A person's reviews over HTTP: listed, answered, and kept until the run has taken them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from mle_star.models.review import WAITING
from tests.support import make_task_folder
from tests.unit.api.conftest import Serve

SMALL: dict[str, Any] = {
    "num_solutions": 2, "num_retrieved_models": 1, "outer_loop_iterations": 1, "inner_loop_iterations": 1,
    "ensemble_iterations": 0, "leakage_check": False, "review": "plan", "model_provider": "offline",
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_task_folder(tmp_path / "root" / "task")
    return tmp_path / "root"


async def begin(client: httpx.AsyncClient, root: Path) -> str:
    body = {"task": {"dataset_path": str(root / "task")}, "config": SMALL}
    reply = await client.post("/api/pipeline/start", json=body)
    assert reply.status_code == 202, reply.text
    return str(reply.json()["run_id"])


async def settled(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """Wait until the run is not at work."""
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await client.get(f"/api/pipeline/status/{run_id}")).json()["run"]
            if run["status"] not in ("queued", "running", "stopping"):
                return run
            await asyncio.sleep(0.02)


async def waiting(client: httpx.AsyncClient, run_id: str) -> list[dict[str, Any]]:
    """Give what the run waits for."""
    run = await settled(client, run_id)
    assert (run["status"], run["reason"]) == ("paused", WAITING)
    found: list[dict[str, Any]] = (await client.get(f"/api/pipeline/review/{run_id}")).json()["reviews"]
    return found


async def plans_tried(client: httpx.AsyncClient, run_id: str) -> list[str]:
    items = (await client.get(f"/api/runs/{run_id}/attempts")).json()["items"]
    return [item["plan"] for item in items]


async def test_a_run_waits_and_goes_on_with_what_was_answered(serve: Serve, root: Path) -> None:
    async with serve(dataset_roots=(root,)) as client:
        run_id = await begin(client, root)
        first, second = await waiting(client, run_id)
        assert {first["step"], second["step"]} == {"p1.t0.review", "p2.t0.review"}
        assert (first["plan"], first["summary"]) == ("first plan", "x matters most")
        answers = {first["id"]: {"action": "edit", "plan": "my own plan"}, second["id"]: {"action": "skip"}}
        reply = await client.post(f"/api/pipeline/review/{run_id}", json={"answers": answers})
        assert reply.status_code == 200, reply.text
        assert (await settled(client, run_id))["status"] == "succeeded"
        assert await plans_tried(client, run_id) == ["my own plan"]
        assert (await client.get(f"/api/pipeline/review/{run_id}")).json() == {"reviews": []}


async def test_what_was_not_answered_is_asked_again(serve: Serve, root: Path) -> None:
    async with serve(dataset_roots=(root,)) as client:
        run_id = await begin(client, root)
        first, second = await waiting(client, run_id)
        await client.post(f"/api/pipeline/review/{run_id}", json={"answers": {first["id"]: {"action": "skip"}}})
        (left,) = await waiting(client, run_id)
        assert left["id"] == second["id"]


async def test_an_answer_to_nothing_is_refused_with_its_name(serve: Serve, root: Path) -> None:
    async with serve(dataset_roots=(root,)) as client:
        run_id = await begin(client, root)
        (first, _) = await waiting(client, run_id)
        url = f"/api/pipeline/review/{run_id}"
        reply = await client.post(url, json={"answers": {"nothing": {"action": "skip"}}})
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "answers.nothing")
        reply = await client.post(url, json={"answers": {first["id"]: {"action": "instruct"}}})
        assert reply.status_code == 422, "an instruction in words is missing"
        assert len(await waiting(client, run_id)) == 2
        assert (await client.post(f"/api/pipeline/resume/{run_id}")).status_code == 409


async def test_a_run_that_waits_for_nothing_takes_no_answer(serve: Serve, root: Path) -> None:
    async with serve(dataset_roots=(root,)) as client:
        reply = await client.post(
            "/api/pipeline/start",
            json={"task": {"dataset_path": str(root / "task")}, "config": SMALL | {"review": "off"}},
        )
        run_id = reply.json()["run_id"]
        assert (await settled(client, run_id))["status"] == "succeeded"
        reply = await client.post(f"/api/pipeline/review/{run_id}", json={"answers": {"x": {"action": "skip"}}})
        assert reply.status_code == 409


async def test_a_run_that_is_stopped_while_it_waits_submits_the_best_so_far(serve: Serve, root: Path) -> None:
    async with serve(dataset_roots=(root,)) as client:
        run_id = await begin(client, root)
        await waiting(client, run_id)
        assert (await client.post(f"/api/pipeline/stop/{run_id}")).status_code == 200
        assert (await settled(client, run_id))["status"] == "succeeded"
        assert await plans_tried(client, run_id) == []


async def test_a_run_waits_for_its_review_over_a_restart(serve: Serve, root: Path) -> None:
    async with serve(dataset_roots=(root,)) as client:
        run_id = await begin(client, root)
        before = await waiting(client, run_id)
    async with serve(dataset_roots=(root,)) as client:
        assert await waiting(client, run_id) == before
        answers = {review["id"]: {"action": "go on"} for review in before}
        await client.post(f"/api/pipeline/review/{run_id}", json={"answers": answers})
        assert (await settled(client, run_id))["status"] == "succeeded"
        assert await plans_tried(client, run_id) == ["first plan"] * 2
