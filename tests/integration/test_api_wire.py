"""What a client meets on the wire: uploads that go on after a cut, the WebSocket's door, scripts that are cut off."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.served import SECONDS, Served, start, status, upload, wait_for, watch
from tests.support import make_task_folder

KEY = "a-key-that-is-long-enough"
TUS = {"Tus-Resumable": "1.0.0"}
TABLE = b"id,a,y\n" + b"".join(b"%d,%d,%d\n" % (n, n % 7, n % 2) for n in range(200_000))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("served"), MLE_STAR_SERVER_GRACE="1").start()
    yield server
    server.close()


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path, MLE_STAR_API_KEY=KEY).start()
    yield server
    server.close()


def metadata(**values: str) -> dict[str, str]:
    pairs = (f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())
    return {"Upload-Metadata": ",".join(pairs)}


async def create(client: httpx.AsyncClient, **values: str) -> httpx.Response:
    headers = TUS | {"Upload-Length": str(len(TABLE))} | metadata(**values)
    return await client.post("/api/datasets/upload/", headers=headers)


async def cut_off(served: Served, path: str, offset: int, content: bytes) -> None:
    """Say that all the rest comes, send a part of it, and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = {
        "Host": f"127.0.0.1:{served.port}", "Tus-Resumable": "1.0.0", "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream", "Content-Length": str(len(TABLE) - offset),
    }  # fmt: skip
    lines = [f"PATCH {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + content)
    await writer.drain()
    await asyncio.sleep(0.5)
    writer.close()
    await writer.wait_closed()


async def offset_of(client: httpx.AsyncClient, path: str) -> int:
    reply = await client.head(path, headers=TUS)
    assert reply.status_code == 200, reply.text
    return int(reply.headers["upload-offset"])


async def test_an_upload_goes_on_after_a_cut_and_a_restart(served: Served) -> None:
    async with served.client() as client:
        reply = await client.post("/api/datasets", data={"name": "large"})
        dataset = reply.json()["id"]
        reply = await create(client, filename="train.csv", filetype="text/csv", dataset=dataset)
        assert reply.status_code == 201, reply.text
        path = httpx.URL(reply.headers["location"]).path
        await cut_off(served, path, 0, TABLE[:1_000_000])
        async with asyncio.timeout(SECONDS):
            while not (offset := await offset_of(client, path)):  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.1)
        assert offset <= 1_000_000
        assert (await client.get(f"/api/datasets/{dataset}")).json()["file_count"] == 0
        wrong = TUS | {"Upload-Offset": "7", "Content-Type": "application/offset+octet-stream"}
        assert (await client.patch(path, headers=wrong, content=b"x")).status_code == 409
    served.kill()
    served.start()
    async with served.client() as client:
        offset = await offset_of(client, path)
        head = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        reply = await client.patch(path, headers=head, content=TABLE[offset:])
        assert reply.status_code == 204, reply.text
        (file,) = (await client.get(f"/api/datasets/{dataset}")).json()["files"]
        assert (file["path"], file["bytes"], file["rows"]) == ("train.csv", len(TABLE), 200_000)
    stored = served.place / "uploads" / dataset / "data" / "train.csv"
    assert stored.read_bytes() == TABLE


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"filename": "run.sh"}, 422),
        ({"filename": "../../up.exe"}, 422),
        ({}, 422),
        ({"filename": "a.csv", "dataset": "../../elsewhere"}, 404),
        ({"filename": "a.csv", "dataset": "nowhere"}, 404),
    ],
)
async def test_an_upload_of_no_use_is_refused_before_it_begins(
    served: Served, values: dict[str, str], code: int
) -> None:
    async with served.client() as client:
        dataset = (await client.post("/api/datasets", data={"name": "x"})).json()["id"]
        reply = await create(client, **({"dataset": dataset, "filetype": "text/csv"} | values))
        assert reply.status_code == code, reply.text
        assert reply.headers["content-type"] == "application/problem+json"


async def first_message(locked: Served, *messages: str) -> tuple[str, int]:
    """Send messages to a run that is not there; gives why the socket was closed."""
    async with connect(f"{locked.socket_url}/ws/pipeline/some-run") as socket:
        for message in messages:
            await socket.send(message)
        await socket.wait_closed()
        return socket.close_reason or "", socket.close_code or 0


async def test_a_socket_opens_by_the_key_in_its_first_message(locked: Served) -> None:
    for wrong in (json.dumps({"type": "auth", "key": "wrong"}), "{}", "[]", "no JSON", json.dumps({"key": None})):
        assert await first_message(locked, wrong) == ("the key is missing or wrong", 4401)
    reason, code = await first_message(locked, json.dumps({"type": "auth", "key": KEY}))
    assert (code, reason) == (4404, "there is no run some-run"), "the door is open, and behind it there is no such run"
    with pytest.raises(ConnectionClosed) as closed:
        async with connect(
            f"{locked.socket_url}/ws/pipeline/some-run", additional_headers={"Authorization": f"Bearer {KEY}"}
        ) as socket:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404, "a header does as well"
    assert KEY not in locked.log()


async def test_a_socket_of_another_origin_is_refused(served: Served) -> None:
    url = f"{served.socket_url}/ws/pipeline/some-run"
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403
    async with connect(url, additional_headers={"Origin": served.url}) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4404


def scripts_of(run_id: str) -> list[int]:
    """List the processes of a run's scripts."""
    found = psutil.process_iter(["cmdline"])
    return [one.pid for one in found if f"{run_id}/scripts" in " ".join(one.info["cmdline"] or ())]


async def test_a_script_that_outlasts_the_grace_time_is_killed_and_run_again_on_resume(served: Served) -> None:
    task = make_task_folder(served.place / "task")
    async with served.client() as client:
        dataset = await upload(client, task)
        gate = served.place / "uploads" / dataset / "data" / "gate.csv"
        gate.write_text("a\n1\n")
        run_id = await start(client, dataset, num_solutions=1, num_retrieved_models=1, outer_loop_iterations=1)
        async for message in watch(served, run_id):
            if message["type"] == "event" and message["event"]["kind"] == "script started":
                break
        async with asyncio.timeout(SECONDS):
            while not scripts_of(run_id):  # noqa: ASYNC110 - another process starts it
                await asyncio.sleep(0.05)
        paused = await client.post(f"/api/pipeline/pause/{run_id}")
        assert paused.json()["status"] == "pausing"
        await wait_for(client, run_id, "paused")
        assert scripts_of(run_id) == []
        assert (await status(client, run_id))["scripts"] == 0, "it has not completed"
        gate.unlink()
        assert (await client.post(f"/api/pipeline/resume/{run_id}")).status_code == 200
        await wait_for(client, run_id, "succeeded")
        events = (await client.get(f"/api/runs/{run_id}/events?limit=500")).json()["events"]
    began = [one["step"] for one in events if one["kind"] == "script started"]
    assert began[:2] == ["p1.candidate1", "p1.candidate1"]
    calls = (served.place / "calls").read_text().split()
    assert len(calls) == len(set(calls)), "no question was paid for twice"
