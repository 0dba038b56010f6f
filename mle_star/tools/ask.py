"""Ask the model: render a prompt, call, parse; ask again with the reason when a reply can't be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from mle_star.models.data_models import Usage
from mle_star.tools.calling import call
from mle_star.tools.replies import ReplyError
from mle_star.tools.run import Run
from prompts import render

T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """What came of asking: the parsed value, or None when no reply could be used."""

    value: T | None
    usage: Usage
    problem: str = ""
    """Why there is no value."""


async def ask(
    run: Run,
    prompt: str,
    parse: Callable[[str], T],
    *,
    step: str,
    agent: str,
    attempt: object = "",
    schema: Any = None,
    **values: object,
) -> Answer[T]:
    """Ask one agent's question.

    An unusable reply is asked for again, `config.reply_retries` times, with the reason. `attempt` tells apart the times
    that one step asks the same question. `schema` is the form of the JSON that is wanted, for servers that can be held
    to one; `parse` has the last word.

    Raises:
        ModelUnavailableError: The model can't be reached.
    """
    known = await run.known_values()
    text = await asyncio.to_thread(render, prompt, run.config.prompts_dir, **known, **values)
    messages: list[BaseMessage] = [HumanMessage(text)]
    usage, problem = Usage(), ""
    await run.emit("agent started", step=step, agent=agent)
    for tried in range(1 + run.config.reply_retries):
        seconds = run.time_left(step)
        try:
            if seconds <= 0:
                raise TimeoutError
            async with asyncio.timeout(None if seconds == float("inf") else seconds):
                name = f"{step}-{prompt}{attempt}{f'.{tried}' if tried else ''}"
                reply = await call(run, messages, agent=agent, name=name, schema=schema)
        except TimeoutError:
            problem = "the time for this phase is over"
            break
        usage += reply.usage
        try:
            return Answer(parse(reply.text), usage)
        except ReplyError as error:
            problem = str(error)
        again = f"That reply can't be used. {problem} Reply again, in the form that was asked for."
        messages = [messages[0], AIMessage(reply.text or "(empty)"), HumanMessage(again)]
    await run.emit("note", step=step, agent=agent, message=f"no usable reply: {problem}")
    return Answer(None, usage, problem)
