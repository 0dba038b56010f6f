"""Measure the server: `python -m benchmarks.server`, on a machine that does nothing else.

A scripted model, which takes 20 ms for a reply, and trivial scripts, each a real contained process. Server and readers
share the machine, and all goes over 127.0.0.1. `--runs`, `--readers`, `--finished` and `--pairs` make it smaller or
larger; `--json FILE` keeps the figures.

1. So many runs at once, read along by so many WebSockets: none may be lost, no reader may miss an event; memory per
   run, and the time from an event's making to its arrival.
2. The list of runs, with so many finished runs in the store against 100.
3. The same pipeline started bare in Python and through the API, by turns.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, ClassVar, NamedTuple

import httpx
import psutil

from mle_star.api.store import RUNS, RunRecord, RunStore, sqlite_url
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools import chat, run
from tests.integration.driver import make_model
from tests.integration.served import Served, start, upload, watch
from tests.support import make_task_folder

Figures = dict[str, Any]
ONE_PATH = {
    "num_solutions": 1, "num_retrieved_models": 1, "outer_loop_iterations": 1, "inner_loop_iterations": 2,
    "ensemble_iterations": 0, "max_debug_retries": 8, "leakage_check": False,
}  # fmt: skip
LONGER = ONE_PATH | {"outer_loop_iterations": 2, "inner_loop_iterations": 8}
"""Some seconds: of a run that has next to nothing to do, the start over HTTP alone is a few hundredths."""
NO_CACHE = {"MLE_STAR_CACHE": "false"}
ASKED = 200
"""Requests for the list, at each size of it."""


class Measured(Served):
    """The server as the tests start it, with the time noted at which each event is made."""

    command: ClassVar = ["benchmarks.server", "--serve"]


def serve(place: Path, arguments: list[str]) -> None:
    """Serve in this process, which `Measured` starts."""
    stamps: list[tuple[str, int, float]] = []
    append = run.append_line

    def note(path: Path, line: str) -> None:
        stamps.append((path.parent.name, json.loads(line)["seq"], time.monotonic()))
        append(path, line)

    run.append_line = note
    atexit.register(lambda: (place / "stamps.json").write_text(json.dumps(stamps)))
    model = make_model(place / "calls")
    chat.make_model = lambda config: model  # type: ignore[assignment]
    from mle_star.cli import main

    sys.exit(main(arguments))


@asynccontextmanager
async def server(runs: int) -> AsyncIterator[tuple[Measured, httpx.AsyncClient]]:
    """Start a server in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        made = Measured(
            Path(name), MLE_STAR_SERVER_MAX_CONCURRENT_RUNS=str(runs), MLE_STAR_SERVER_RATE_LIMIT="10000000/minute",
            **NO_CACHE,
        )  # fmt: skip
        await asyncio.to_thread(made.start)
        try:
            async with made.client() as client:
                yield made, client
        finally:
            await asyncio.to_thread(made.close)


class Read(NamedTuple):
    """What a reader saw of a run."""

    run_id: str
    ending: str
    joined: float
    """When the first message came."""
    came: list[tuple[int, float]]
    """Each event's number, and when it came."""


async def read_along(made: Measured, run_id: str) -> Read:
    """Read a run to its end."""
    came: list[tuple[int, float]] = []
    joined = 0.0
    async for message in watch(made, run_id):
        joined = joined or time.monotonic()
        if message["type"] == "event":
            came.append((message["event"]["seq"], time.monotonic()))
        if message["type"] == "end":
            return Read(run_id, str(message["status"]), joined, came)
    return Read(run_id, "", joined, came)


async def many(runs: int, readers: int) -> Figures:
    """Drive runs side by side, each read by its share of the readers."""
    async with server(runs) as (made, client):
        assert made.process is not None
        process = psutil.Process(made.process.pid)
        dataset = await upload(client, make_task_folder(made.place / "task"))
        await read_along(made, await start(client, dataset, seed=runs, **ONE_PATH))  # imports what runs need
        before = process.memory_info().rss
        began = time.monotonic()
        names = [await start(client, dataset, seed=number, **ONE_PATH) for number in range(runs)]
        reading = [asyncio.create_task(read_along(made, names[number % runs])) for number in range(readers)]
        reading += [asyncio.create_task(read_along(made, name)) for name in names[readers:]]  # nobody unseen
        peak = before
        while not all(one.done() for one in reading):
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.1)
        seconds = time.monotonic() - began
        read = [one.result() for one in reading]
        statuses = [(await client.get(f"/api/pipeline/status/{name}")).json()["run"]["status"] for name in names]
        await asyncio.to_thread(made.terminate)
        stamps = json.loads((made.place / "stamps.json").read_text())
    made_at = {(name, seq): moment for name, seq, moment in stamps}
    late = [  # of what happened while the reader was there; what was before is replayed
        (moment - made_at[one.run_id, seq]) * 1_000
        for one in read
        for seq, moment in one.came
        if made_at[one.run_id, seq] > one.joined
    ]
    whole = sum([seq for seq, _ in one.came] == list(range(1, len(one.came) + 1)) for one in read)
    cuts = quantiles(late, n=100)
    return {
        "runs": runs, "succeeded": statuses.count("succeeded"), "seconds": round(seconds, 1), "readers": len(read),
        "readers that saw every event once": whole, "events delivered": sum(len(one.came) for one in read),
        "MB of memory per run": round((peak - before) / runs / 2**20, 2),
        "event latency, median ms": round(median(late), 1), "event latency, p99 ms": round(cuts[98], 1),
    }  # fmt: skip


async def fill(place: Path, count: int) -> None:
    """Put finished runs into the store, and their folders beside it."""
    store = RunStore(sqlite_url(place))
    await store.open()
    rows = [
        RunRecord(
            run_id=f"20260101-000000-made-{number:06}", folder=str(place / f"20260101-000000-made-{number:06}"),
            task=f"task {number % 50}", dataset_path="/data", metric="AUC", maximize=True, model_provider="ollama",
            model_id="gemma3:27b", status="succeeded", score=0.5, seconds=60, events=200, created=1e9 + number,
            finished=1e9 + number + 60,
        ).model_dump()
        for number in range(count)
    ]  # fmt: skip
    async with store._engine.begin() as connection:
        await connection.execute(RUNS.insert(), rows)
    await store.close()
    for row in rows:
        Path(row["folder"]).mkdir()
        (Path(row["folder"]) / "run.json").touch()


async def listing(finished: int) -> Figures:
    """Ask for the list of runs, 50 a page, at two sizes of the store, by turns."""
    async with server(1) as (small, few), server(1) as (large, lots):
        for made, count in ((small, 100), (large, finished)):
            await asyncio.to_thread(made.terminate)
            await fill(made.place / "runs", count)
            await asyncio.to_thread(made.start)
        took: dict[str, list[float]] = {"few": [], "many": []}
        for _ in range(ASKED):
            for name, client in (("few", few), ("many", lots)):
                began = time.perf_counter()
                reply = await client.get("/api/pipeline/status")
                took[name].append((time.perf_counter() - began) * 1_000)
                assert len(reply.json()["runs"]) == 50
        assert reply.json()["total"] == finished
    low, high = median(took["few"]), median(took["many"])
    return {
        "finished runs": finished, "status with 100, median ms": round(low, 2),
        f"status with {finished:,}, median ms": round(high, 2), "ratio": round(high / low, 2),
    }  # fmt: skip


async def overhead(pairs: int) -> Figures:
    """Run the same pipeline bare and through the API, by turns; a first pair warms both up and is not counted."""
    model = make_model(Path(os.devnull))
    chat.make_model = lambda config: model  # type: ignore[assignment]
    bare: list[float] = []
    served: list[float] = []
    async with server(1) as (made, client):
        task = make_task_folder(made.place / "task")
        dataset = await upload(client, task)
        for number in range(pairs + 1):
            config = MLEStarConfig(
                runs_dir=made.place / "bare", model_provider="offline", seed=number, cache=False, **LONGER
            )
            began = time.perf_counter()
            result = await MLEStarOrchestrator(config).run(TaskDescription.from_directory(task))
            bare.append(time.perf_counter() - began)
            assert result.status == "succeeded", result.message
            began = time.perf_counter()
            run_id = await start(client, dataset, seed=number, **LONGER)
            ending = (await read_along(made, run_id)).ending
            served.append(time.perf_counter() - began)
            assert ending == "succeeded"
    ratios = [over / plain for plain, over in zip(bare[1:], served[1:], strict=True)]
    return {
        "pairs": pairs, "bare, median s": round(median(bare[1:]), 2), "API, median s": round(median(served[1:]), 2),
        "overhead, median of the pairs, %": round((median(ratios) - 1) * 100, 1),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("runs", 50), ("readers", 200), ("finished", 10_000), ("pairs", 10)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures: Figures = {}
    for name, measure in (
        ("runs at once", many(given.runs, given.readers)),
        ("list of runs", listing(given.finished)),
        ("overhead", overhead(given.pairs)),
    ):
        figures[name] = asyncio.run(measure)
        print(f"{name}:", *(f"  {what}: {figure}" for what, figure in figures[name].items()), sep="\n", flush=True)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
