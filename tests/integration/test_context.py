"""Prompts fit the model: Ollama is asked for a context that holds them, and what it would cut is not sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.calling import call
from mle_star.tools.run import Run
from mle_star.tools.run_folder import RunFolder
from tests.support import default_replies, make_task_folder, scripted_runner
from tests.wire import Answer, Asked, Said, WireServer, scripted

SMALL: dict[str, Any] = {
    "num_solutions": 1, "num_retrieved_models": 2, "outer_loop_iterations": 1, "inner_loop_iterations": 1,
    "ensemble_iterations": 0, "search_engine": "none", "cache": False, "max_tokens": 512,
}  # fmt: skip
BEGINNING, END = "It is about a first thing.", "It ends with a last thing."


@pytest.fixture
def run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a task with a description of 30,000 characters."""
    monkeypatch.setattr("mle_star.tools.scripts.run_script", scripted_runner)
    folder = make_task_folder(tmp_path / "task")
    description = folder / "description.md"
    long = "\n".join(f"Fact {number}: the column named a is a column." for number in range(700))
    description.write_text(f"{BEGINNING}\n{description.read_text()}\n{long}\n{END}\n")

    async def do(server: WireServer, **more: Any) -> RunResult:
        config = MLEStarConfig(out_dir=tmp_path / "run", **server.settings("ollama"), **(SMALL | more))
        return await MLEStarOrchestrator(config).run(TaskDescription.from_directory(folder))

    return do


def reads_no_more_than(tokens: int) -> Any:
    """Reply well to a prompt that was read whole; of a longer one the model sees the end, and what it says is odd."""
    replies = scripted(default_replies())

    def answer(asked: Asked) -> Answer:
        if asked.tokens <= tokens:
            return replies(asked)
        return Said("Which columns do you mean?", read=tokens, calls_tool=False)

    return answer


@pytest.mark.parametrize(("characters", "context"), [(100, 8_192), (40_000, 32_768), (100_000, 65_536)])
async def test_the_context_that_is_asked_for_holds_the_prompt_and_its_reply(
    characters: int, context: int, tmp_path: Path
) -> None:
    with WireServer(lambda asked: "ready") as server:
        run = Run("r", MLEStarConfig(out_dir=tmp_path / "run", **server.settings("ollama")))
        await run.open()
        await call(run, [HumanMessage("word " * (characters // 5))], agent="coder", name="p1.t0.k0-coder")
    (asked,) = server.asked
    assert asked.body["options"]["num_ctx"] == context
    assert context >= characters / 3 + 4_096


async def test_a_prompt_is_fitted_to_the_context_that_the_server_tells(run_on: Any) -> None:
    with WireServer(reads_no_more_than(3_000)) as server:
        server.context = 3_000
        result = await run_on(server)
    assert result.status == "succeeded"
    assert max(asked.tokens for asked in server.asked) <= 3_000
    prompt = server.questions()[0].prompt
    assert BEGINNING in prompt
    assert "characters left out" in prompt
    assert END in prompt


async def test_a_prompt_is_fitted_to_the_context_of_the_settings(run_on: Any) -> None:
    with WireServer(scripted(default_replies())) as server:
        await run_on(server, context_tokens=4_000)
    assert max(asked.tokens for asked in server.asked) <= 4_000 - 512
    assert {asked.body["options"]["num_ctx"] for asked in server.asked} == {4_000}


async def test_a_reply_to_a_prompt_that_was_cut_is_refused_and_prompts_are_kept_shorter(
    run_on: Any, tmp_path: Path
) -> None:
    with WireServer(reads_no_more_than(1_700)) as server:
        result = await run_on(server)
    assert result.status == "succeeded"
    notes = [event.message for event in RunFolder(tmp_path / "run").events() if "cuts long prompts" in event.message]
    assert len(notes) == 1
    assert "read 1,700 tokens" in notes[0]
    assert [asked.heading for asked in server.questions() if asked.tokens > 1_700] == [server.questions()[0].heading]


@pytest.mark.parametrize("most", [2_048, 8_000])
async def test_a_reply_leaves_room_for_its_prompt(most: int, run_on: Any) -> None:
    with WireServer(scripted(default_replies())) as server:
        await run_on(server, context_tokens=most, max_tokens=6_000)
    assert {asked.limit for asked in server.questions()} == {("num_predict", most // 2)}
