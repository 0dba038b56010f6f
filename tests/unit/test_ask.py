"""Asking the model: what is sent, what is asked again, and what is a failure of the way to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.tools.ask import Answer, ask
from mle_star.tools.calling import ModelUnavailableError
from mle_star.tools.replies import ReplyError
from mle_star.tools.run import Run
from mle_star.tools.run_folder import RunFolder
from tests.stage import a_brief

CUT = "<cut off here>"
"""Ends a reply that reached the most tokens."""


class Model:
    """Says, one after the other, what it was told to say; an exception is raised."""

    def __init__(self, *replies: str | Exception) -> None:
        self.replies = list(replies)
        self.asked: list[list[BaseMessage]] = []

    async def ainvoke(self, messages: list[BaseMessage]) -> AIMessage:
        self.asked.append(messages)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return AIMessage(
            reply.removesuffix(CUT), usage_metadata={"input_tokens": 2, "output_tokens": 1, "total_tokens": 3},
            response_metadata={"finish_reason": "length" if reply.endswith(CUT) else "stop"},
        )  # fmt: skip


def only_yes(reply: str) -> str:
    if reply != "yes":
        raise ReplyError("It has to be yes.")
    return reply


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask `model` the summarizer's question, in a run of its own."""
    task = TaskDescription(dataset_path=str(tmp_path))

    async def do(
        model: Model, *, attempt: object = "", step: str = "p1.t0.ablation",
        parse: Callable[[str], str] = only_yes, **settings: Any,
    ) -> Answer[str]:  # fmt: skip
        run = Run("r1", MLEStarConfig(out_dir=tmp_path, **settings))
        await run.open()
        RunFolder(tmp_path).write_brief(task, a_brief(tmp_path, "AUC"))
        await run.brief(task)
        monkeypatch.setattr("mle_star.tools.chat.make_model", lambda spec: model)
        return await ask(
            run, "summarizer", parse, step=step, agent="summarizer", attempt=attempt, script="s", output="o"
        )

    return do


async def test_a_reply_that_can_be_used_is_the_answer(asking: Any) -> None:
    assert (await asking(Model("yes"))).value == "yes"


async def test_an_unusable_reply_is_asked_for_again_with_the_reason(asking: Any) -> None:
    model = Model("no", "yes")
    assert (await asking(model)).value == "yes"
    question, reply, again = model.asked[1]
    assert question == model.asked[0][0]
    assert reply.content == "no"
    assert "It has to be yes." in again.content


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_an_unusable_reply_is_asked_for_again_as_often_as_is_allowed(asking: Any, retries: int) -> None:
    model = Model(*["no"] * 9)
    answer = await asking(model, reply_retries=retries)
    assert (answer.value, answer.problem, len(model.asked)) == (None, "It has to be yes.", 1 + retries)


async def test_every_call_is_paid_for(asking: Any) -> None:
    usage = (await asking(Model("no", "yes"))).usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (2, 4, 2)


async def test_a_model_that_fails_on_a_prompt_has_replied_nothing(asking: Any) -> None:
    assert (await asking(Model(ValueError("broken"), "yes"))).value == "yes"


class StatusError(Exception):
    status_code = 429


@pytest.mark.parametrize(
    "error", [ConnectionError("refused"), TimeoutError(), OSError("no route"), StatusError("busy")]
)
async def test_a_model_that_cannot_be_reached_is_an_error_of_the_run(asking: Any, error: Exception) -> None:
    with pytest.raises(ModelUnavailableError, match="ollama model"):
        await asking(Model(error), model_retries=0)


async def test_a_model_that_does_not_answer_in_time_cannot_be_reached(asking: Any) -> None:
    class Silent(Model):
        async def ainvoke(self, messages: list[BaseMessage]) -> AIMessage:
            await asyncio.sleep(3_600)
            raise AssertionError

    with pytest.raises(ModelUnavailableError):
        await asking(Silent(), model_timeout=0.01, model_retries=0)


async def test_no_question_is_asked_when_the_time_is_over(asking: Any) -> None:
    model = Model("yes")
    answer = await asking(model, time_limit=1e-9)
    assert (answer.value, model.asked) == (None, [])
    assert "time" in answer.problem


async def test_a_call_that_completed_is_not_made_again_when_the_step_is_repeated(asking: Any) -> None:
    await asking(Model("no", "yes"))
    model = Model()
    assert ((await asking(model)).value, model.asked) == ("yes", [])


async def test_the_same_question_in_another_step_is_asked_anew(asking: Any) -> None:
    await asking(Model("no"), reply_retries=0)
    assert (await asking(Model("yes"), step="p1.t1.ablation", reply_retries=0)).value == "yes"


async def test_the_same_question_in_another_attempt_is_asked_anew(asking: Any) -> None:
    await asking(Model("no"), reply_retries=0, attempt=0)
    assert (await asking(Model("yes"), reply_retries=0, attempt=1)).value == "yes"


async def test_a_call_that_failed_on_its_way_is_made_again(asking: Any) -> None:
    with pytest.raises(ModelUnavailableError):
        await asking(Model(ConnectionError()), model_retries=0)
    assert (await asking(Model("yes"))).value == "yes"


async def test_every_prompt_and_reply_is_kept(asking: Any, tmp_path: Path) -> None:
    model = Model("yes")
    await asking(model)
    (kept,) = (tmp_path / "replies").glob("*.json")
    record = json.loads(kept.read_text())
    assert (record["messages"], record["reply"]) == ([["human", model.asked[0][0].content]], "yes")


async def test_an_agent_that_got_no_usable_reply_says_so(asking: Any, tmp_path: Path) -> None:
    await asking(Model("no"), reply_retries=0)
    assert "no usable reply: It has to be yes." in (tmp_path / "events.jsonl").read_text()


def only_numbers(reply: str) -> str:
    if not reply.isdigit():
        raise ReplyError("It has to be a number.", "1 | x = 1")
    return reply


async def test_what_the_model_has_to_see_is_shown_with_the_reason(asking: Any) -> None:
    model = Model("no", "12")
    assert (await asking(model, parse=only_numbers)).value == "12"
    assert model.asked[1][2].content.endswith("the numbers are no part of it:\n\n1 | x = 1")


async def test_thoughts_are_not_sent_back(asking: Any) -> None:
    model = Model("<think>yes or no?</think>no", "yes")
    await asking(model)
    assert model.asked[1][1].content == "no"


async def test_a_reply_that_was_cut_off_is_continued(asking: Any) -> None:
    model = Model(f"1234{CUT}", "56")
    answer = await asking(model, parse=only_numbers)
    assert (answer.value, answer.usage.calls) == ("123456", 2)
    _, so_far, go_on = model.asked[1]
    assert so_far.content == "1234"
    assert "Go on" in go_on.content


async def test_a_question_is_continued_once(asking: Any) -> None:
    model = Model(f"1{CUT}", f"2{CUT}", f"3{CUT}", "4")
    answer = await asking(model, parse=only_numbers, reply_retries=2)
    assert answer.value == "4"
    assert [len(messages) for messages in model.asked] == [1, 3, 3, 3]
    assert "too long" in model.asked[2][2].content


async def test_a_reply_whose_thoughts_were_cut_off_is_not_continued(asking: Any) -> None:
    model = Model(f"<think>Let me see{CUT}", "7")
    assert (await asking(model, parse=only_numbers)).value == "7"
    assert "before it came to the answer" in model.asked[1][2].content


async def test_a_reply_whose_code_is_complete_is_not_continued(asking: Any) -> None:
    model = Model(f"```\n1\n```\nThis is the num{CUT}")
    answer = await asking(model, parse=lambda reply: reply.split("\n")[1])
    assert (answer.value, answer.usage.calls) == ("1", 1)


async def test_a_reply_without_end_is_refused(asking: Any) -> None:
    model = Model("1" * 500_000, "7")
    assert (await asking(model, parse=only_numbers)).value == "7"


async def test_a_reply_that_is_nested_beyond_measure_is_refused(asking: Any) -> None:
    def deep(reply: str) -> str:
        if reply == "[[[[":
            raise RecursionError
        return reply

    assert (await asking(Model("[[[[", "7"), parse=deep)).value == "7"
