"""`mle-star serve` in a process of its own, which a test may kill: `python -m tests.integration.served PLACE ...`.

The model and the scripts are scripted as in `driver`: each call that completes appends a line to PLACE/calls. While a
task's data holds `gate.csv`, the scripts of candidates wait.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import httpx
from websockets.asyncio.client import connect

from mle_star.tools import chat
from tests.integration.driver import make_model
from tests.support import free_port

ROOT = Path(__file__).parents[2]
SECONDS = 120.0
SMALL = {
    "num_solutions": 2, "num_retrieved_models": 2, "outer_loop_iterations": 2, "inner_loop_iterations": 2,
    "ensemble_iterations": 2, "max_debug_retries": 1,
}  # fmt: skip


GATE = 'import os, time\nwhile os.path.exists("input/gate.csv"):\n    time.sleep(0.05)\n'


class Served:
    """A server that listens on a port of its own, in a folder of its own."""

    command: ClassVar = ["tests.integration.served"]

    def __init__(self, place: Path, **environment: str) -> None:
        self.place = place
        self.environment = environment
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> Served:
        """Start it, and wait until it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLE_STAR_")}
        own = {"MLE_STAR_SERVER_RETRY_SECONDS": "0.5", "MLE_STAR_SERVER_GRACE": "20", "PYTHONPATH": str(ROOT)}
        with (self.place / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command, str(self.place), "serve", "--port", str(self.port)],
                cwd=self.place, env=kept | own | self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log()
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health").is_success:
                    return self
            time.sleep(0.1)
        self.close()
        raise AssertionError(f"the server did not come up:\n{self.log()}")

    def log(self) -> str:
        return (self.place / "server.log").read_text()

    def kill(self) -> None:
        """End it with -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """End it with SIGTERM; gives its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """End it if it is there."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def client(self, **more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=60, **more)


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
    address = f"{server.socket_url}/ws/pipeline/{run_id}?after={after}"
    async with asyncio.timeout(2 * SECONDS), connect(address) as socket:
        async for message in socket:
            yield json.loads(message)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    model = make_model(place / "calls")
    candidate = model.replies["candidate_evaluator"]
    model.replies["candidate_evaluator"] = lambda prompt: candidate(prompt).replace("\n", f"\n{GATE}", 1)
    chat.make_model = lambda config: model  # type: ignore[assignment]
    from mle_star.cli import main

    sys.exit(main(sys.argv[2:]))
