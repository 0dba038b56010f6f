"""A session as a user has it, against a real server: upload, start, watch, pause, restart, resume, download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.served import Served, start, status, upload, wait_for, watch
from tests.support import make_task_folder


@pytest.fixture
def served(tmp_path: Path, database: dict[str, str]) -> Iterator[Served]:
    server = Served(tmp_path, **database).start()
    yield server
    server.close()


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
