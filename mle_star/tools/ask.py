"""Ask the model: render a prompt, call, parse; ask again with the reason when a reply can't be used."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, messages_to_dict
from langgraph.types import RetryPolicy

from mle_star.models.data_models import Usage
from mle_star.models.errors import MLEStarError
from mle_star.tools.replies import ReplyError
from mle_star.tools.run import Run
from prompts import render

T = TypeVar("T")
log = logging.getLogger(__name__)


class ModelUnavailableError(MLEStarError):
    """The model's server could not be reached or refused the call: nothing that another prompt would mend."""


RETRY = RetryPolicy(max_attempts=4, initial_interval=1.0, max_interval=30.0, retry_on=ModelUnavailableError)
"""For every node that asks the model."""


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
    **values: object,
) -> Answer[T]:
    """Ask one agent's question.

    An unusable reply is asked for again, `config.reply_retries` times, with the reason. `attempt` tells apart the times
    that one step asks the same question.

    Raises:
        ModelUnavailableError: The model can't be reached.
    """
    known = await run.known_values()
    text = await asyncio.to_thread(render, prompt, run.config.prompts_dir, **known, **values)
    messages: list[BaseMessage] = [HumanMessage(text)]
    usage, problem = Usage(), ""
    await run.emit("agent started", step=step, agent=agent)
    for tried in range(1 + run.config.reply_retries):
        try:
            async with run.within(step):
                reply, cost = await _call(run, messages, f"{step}-{prompt}{attempt}{f'.{tried}' if tried else ''}")
        except TimeoutError:
            problem = "the time for this phase is over"
            break
        usage += cost
        try:
            return Answer(parse(reply), usage)
        except ReplyError as error:
            problem = str(error)
        again = f"That reply can't be used. {problem} Reply again, in the form that was asked for."
        messages = [messages[0], AIMessage(reply or "(empty)"), HumanMessage(again)]
    await run.emit("note", step=step, agent=agent, message=f"no usable reply: {problem}")
    return Answer(None, usage, problem)


async def _call(run: Run, messages: list[BaseMessage], name: str) -> tuple[str, Usage]:
    """Call the model once, or return what it replied to this request before the run was broken off.

    The name is a part of the request: a step is not answered with the reply that made an earlier step fail.
    """
    config = run.config
    request = f"{name}/{config.model_provider}/{config.model_id}/{config.temperature}\n{messages_to_dict(messages)!r}"
    digest = hashlib.sha256(request.encode()).hexdigest()[:16]

    async def call() -> dict[str, Any]:
        try:
            message = await asyncio.wait_for(run.model.ainvoke(messages), config.model_timeout)
        except Exception as error:
            if _is_infrastructure(error):
                raise ModelUnavailableError(f"{config.model_provider} model {config.model_id}: {error}") from error
            log.warning("the model failed on %s", name, exc_info=True)
            return {"messages": [], "reply": "", "input_tokens": 0, "output_tokens": 0}
        cost = message.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
        return {
            "messages": [[m.type, m.text] for m in messages],
            "reply": message.text,
            "input_tokens": cost["input_tokens"],
            "output_tokens": cost["output_tokens"],
        }

    record = await run.remembered(digest, name, call)
    usage = Usage(calls=1, input_tokens=record["input_tokens"], output_tokens=record["output_tokens"])
    return record["reply"], usage


def _is_infrastructure(error: Exception) -> bool:
    """Tell whether an error comes from the way to the model, by the marks that the providers' clients share."""
    if isinstance(error, OSError | TimeoutError | asyncio.TimeoutError):
        return True
    if getattr(error, "status_code", None) is not None or getattr(error, "response", None) is not None:
        return True
    return any(cls.__module__.partition(".")[0] in ("httpx", "httpcore", "botocore") for cls in type(error).__mro__)
