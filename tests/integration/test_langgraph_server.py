"""A whole run on `langgraph dev`, driven through langgraph_sdk: no `--allow-blocking`, real scripts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from websockets.asyncio.client import connect

from tests.integration.served import start, upload, wait_for
from tests.support import free_port, make_task_folder

pytestmark = pytest.mark.integration
REPO = Path(__file__).parents[2]
START_SECONDS = 60
SETTINGS = {
    "model_provider": "offline",
    "num_retrieved_models": 2,
    "outer_loop_iterations": 1,
    "inner_loop_iterations": 1,
    "ensemble_iterations": 1,
}
ONE_CANDIDATE = {
    "num_solutions": 1, "num_retrieved_models": 1, "outer_loop_iterations": 0, "ensemble_iterations": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `langgraph dev` on a free port, in a folder of its own for what it leaves behind."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("langgraph")), "dev", "--no-browser", "--no-reload", "--port", str(port),
        "--config", str(REPO / "langgraph.json"),
    ]  # fmt: skip
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(START_SECONDS * 2):
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/ok").is_success:
                    break
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
        else:
            pytest.fail(f"the server did not come up:\n{log.read_text()}")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


async def test_the_four_graphs_are_served_and_the_form_asks_for_the_task_alone(server: str) -> None:
    client = get_client(url=server)
    assistants = await client.assistants.search(limit=20)
    assert {assistant["graph_id"] for assistant in assistants} == {"mle_star", "initial", "refinement", "ensemble"}
    assistant = next(assistant for assistant in assistants if assistant["graph_id"] == "mle_star")
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    form = schemas["input_schema"]
    assert form is not None
    assert list(form["properties"]) == ["task"]
    assert "dataset_path" in str(form)
    context = schemas["context_schema"]
    assert context is not None
    assert context["properties"]["inner_loop_iterations"]["default"] == 4


async def test_a_whole_run_streams_its_events_and_leaves_a_valid_submission(server: str, tmp_path: Path) -> None:
    client = get_client(url=server)
    thread = await client.threads.create()
    kinds, steps = [], []
    async for part in client.runs.stream(
        thread["thread_id"],
        "mle_star",
        input={"task": {"dataset_path": str(REPO / "examples" / "penguins")}},
        context=SETTINGS | {"runs_dir": str(tmp_path)},
        stream_mode="custom",
        stream_subgraphs=True,
    ):
        assert part.event != "error", part.data
        if part.event.startswith("custom"):
            kinds.append(part.data["kind"])
            steps.append(part.data.get("step", ""))
    state = await client.threads.get_state(thread["thread_id"])
    values = state["values"]
    assert {"agent started", "script started", "script finished", "step"} <= set(kinds)
    assert {"p1.candidate1", "p2.candidate1", "p1.t0.k0", "p2.t0.k0", "ensemble.r0", "submission"} <= set(steps)
    assert values["final_score"] < 1.0986, "log loss of three classes, better than chance"
    assert Path(values["submission_path"]).is_file()


async def test_a_person_steers_both_paths_over_the_sdk(server: str, tmp_path: Path) -> None:
    client = get_client(url=server)
    thread_id = (await client.threads.create())["thread_id"]
    context = SETTINGS | {"runs_dir": str(tmp_path), "review": "plan", "ensemble_iterations": 0}
    task = {"task": {"dataset_path": str(REPO / "examples" / "penguins")}}

    async def waiting(**how: Any) -> dict[str, dict[str, Any]]:
        """Run until the run waits or ends; give the questions by their steps, each with its id."""
        await client.runs.wait(thread_id, "mle_star", context=context, **how)
        found = (await client.threads.get_state(thread_id))["interrupts"]
        return {one["value"]["step"]: one["value"] | {"id": one["id"]} for one in found}

    questions = await waiting(input=task)
    assert set(questions) == {"p1.t0.review", "p2.t0.review"}
    assert (await client.threads.get(thread_id))["status"] == "interrupted"
    for question in questions.values():
        assert question["summary"]
        assert question["plan"]
        assert question["code_block"] in question["script"]
    first, second = questions["p1.t0.review"]["id"], questions["p2.t0.review"]["id"]

    answers: dict[str, Any] = {first: {"action": "edit", "code_block": "no_such_line = 1"}, second: "skip"}
    again = await waiting(command={"resume": answers})
    assert set(again) == {"p1.t0.review"}
    assert "code block" in again["p1.t0.review"]["refused"]

    edited = {"action": "edit", "plan": "Bin the bill's length into quantiles."}
    assert not await waiting(command={"resume": {again["p1.t0.review"]["id"]: edited}})
    values = (await client.threads.get_state(thread_id))["values"]
    assert Path(values["submission_path"]).is_file()
    (folder,) = tmp_path.iterdir()
    coder = [path.read_text() for path in (folder / "replies").glob("*-coder*.md")]
    assert len(coder) == 1
    assert edited["plan"] in coder[0]


async def test_a_task_that_can_not_be_used_fails_with_one_clear_line(server: str, tmp_path: Path) -> None:
    client = get_client(url=server)
    thread = await client.threads.create()
    errors = [
        part.data
        async for part in client.runs.stream(
            thread["thread_id"],
            "mle_star",
            input={"task": {"dataset_path": str(tmp_path / "nowhere")}},
            context=SETTINGS | {"runs_dir": str(tmp_path)},
            stream_mode="custom",
        )
        if part.event == "error"
    ]
    assert errors
    assert "nowhere" in str(errors[0])


async def test_runs_of_langgraphs_own_api_show_up_in_ours(server: str, tmp_path: Path) -> None:
    client = get_client(url=server)
    thread_id = (await client.threads.create())["thread_id"]
    task = {"task": {"dataset_path": str(make_task_folder(tmp_path / "task"))}}

    async with httpx.AsyncClient(base_url=server, timeout=60) as ours:

        async def settled(status: str) -> dict[str, Any]:
            for _ in range(600):
                reply = await ours.get(f"/api/pipeline/status/{thread_id}")
                if reply.is_success and reply.json()["run"]["status"] == status:
                    return dict(reply.json())
                await asyncio.sleep(0.1)
            pytest.fail(f"not {status}: {reply.text}")

        sent = await client.runs.create(thread_id, "mle_star", input=task, context=SETTINGS)
        begun = await settled("running")
        assert (begun["run"]["source"], begun["run"]["task"]) == ("langgraph", "task")
        listed = (await ours.get("/api/pipeline/status")).json()["runs"]
        assert thread_id in [run["run_id"] for run in listed]
        refused = await ours.post(f"/api/pipeline/pause/{thread_id}")
        assert (refused.status_code, "LangGraph" in refused.json()["detail"]) == (409, True)

        await client.runs.cancel(thread_id, sent["run_id"], wait=True)
        assert "LangGraph" in (await settled("paused"))["run"]["reason"]

        await client.runs.wait(thread_id, "mle_star", input=task, context=SETTINGS)
        ended = await settled("succeeded")
        assert ended["best_score"] is not None
        assert (await ours.get(f"/api/submission/download/{thread_id}")).text.splitlines()[0] == "id,y"


async def test_our_own_api_is_served_beside_langgraphs(server: str, tmp_path: Path) -> None:
    task = make_task_folder(tmp_path / "task")
    async with httpx.AsyncClient(base_url=server, timeout=60) as client:
        assert (await client.get("/health")).json()["status"] == "ok"
        assert (await client.get("/ready")).status_code == 200
        run_id = await start(client, await upload(client, task), **ONE_CANDIDATE)
        last = await wait_for(client, run_id, "succeeded")
        assert last["submission"]
        assert last["run"]["source"] == "server"
        download = await client.get(f"/api/submission/download/{run_id}")
        assert download.text.splitlines()[0] == "id,y"
        async with connect(f"{server.replace('http', 'ws')}/ws/pipeline/{run_id}") as messages:
            kinds = [json.loads(message)["type"] async for message in messages]
        assert (kinds[0], kinds[-1]) == ("status", "end")
        refused = await client.post("/api/pipeline/start", json={"task": {}})
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert await get_client(url=server).threads.search() is not None, "LangGraph's own API is there as well"
