"""Call an agent's model, or return what it replied to this request before the run was broken off.

The one place where a call is tried again: neither the providers' clients nor the graphs' nodes do so.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, messages_to_dict
from tenacity import AsyncRetrying, RetryCallState

from mle_star.models.data_models import Usage
from mle_star.models.errors import MLEStarError
from mle_star.models.events import phase_of
from mle_star.tools.accounting import estimate_tokens, is_cut_short, token_counts, usage_of
from mle_star.tools.budget import BudgetSpentError
from mle_star.tools.client import ModelClient, is_truncated
from mle_star.tools.failures import LASTING, RETRIED, Failure, advise, diagnose
from mle_star.tools.run import Run
from mle_star.tools.secrets import scrub, scrub_error
from mle_star.tools.structured import Shape, shape_of

log = logging.getLogger(__name__)
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
LONGEST_RETRY_AFTER = 300.0
"""Seconds. A server that asks for more is as good as away."""
SLOW_RETRIES = 1
"""A call that took all of `model_timeout` will mostly do so again."""
Patience = Callable[[Failure, int], bool]
Tell = Callable[[str], Awaitable[None]]


class ModelUnavailableError(MLEStarError):
    """The model's server could not be reached or refused the call: nothing that another prompt would mend."""


class Reply(NamedTuple):
    """What a model replied, and what that cost."""

    text: str
    usage: Usage
    truncated: bool = False
    """Whether it ends where the most tokens of one reply were reached."""


async def call(run: Run, messages: list[BaseMessage], *, agent: str, name: str, schema: Any = None) -> Reply:
    """Call the model of `agent`.

    The name is a part of the request: a step is not answered with the reply that made an earlier step fail. `schema`,
    a pydantic model or a list of one, is what the reply's JSON should be: see `structured`. A request that the server
    refuses, such as a prompt that is too long for the model, has an empty reply.

    Raises:
        ModelUnavailableError: It can't be reached, or takes no calls from us; trying again for a while did not help.
        BudgetSpentError: The run's budget for this phase does not allow it.
    """
    client = run.client_of(agent)
    spec, shape = client.spec, shape_of(schema) if schema else None
    step, price = name.partition("-")[0], run.price_of(agent)
    about = {"agent": agent, "model": f"{spec.provider}/{spec.id}", "phase": phase_of(step) or ""}
    request = f"{name}/{spec.provider}/{spec.id}/{spec.temperature}\n{messages_to_dict(messages)!r}"
    digest = hashlib.sha256(request.encode()).hexdigest()[:16]

    async def tell(text: str) -> None:
        await run.emit("note", step=step, agent=agent, message=text)

    def patience(failure: Failure, tries: int) -> bool:
        retries = run.config.model_retries
        return failure.kind in RETRIED and tries <= (min(SLOW_RETRIES, retries) if failure.kind == "slow" else retries)

    async def ask() -> dict[str, Any]:
        sent = [[message.type, scrub_error(message.text)] for message in messages]
        read = estimate_tokens(message.text for message in messages)
        most = price.cost(read, spec.max_tokens) if price else 0.0
        try:
            async with run.budget.hold(step, read + spec.max_tokens, most):
                message, text = await send(client, messages, shape, patience=patience, tell=tell, slots=run.slots)
        except BudgetSpentError:
            raise
        except Exception as error:
            failure = diagnose(error)
            if failure.kind in (*RETRIED, *LASTING):
                problem = f"{spec.label} does not answer: {failure.text}. {capitalised(advise(spec, failure))}"
                raise ModelUnavailableError(problem) from error
            log.warning("the model failed on %s", name, exc_info=True)
            await tell(f"{spec.label} gave no reply: {failure.text}")
            return about | {"messages": sent, "reply": "", "input_tokens": 0, "output_tokens": 0, "cost": 0.0}
        counts = token_counts(message.usage_metadata)
        whole = message.response_metadata.get("prompt_eval_count", 0)  # Ollama's own count; it cuts without a word
        cut_to = whole if is_cut_short(whole, messages) else 0
        if cut_to:
            await tell(
                f"{spec.label} read {cut_to:,} tokens of a prompt of about {read:,}: its server cuts long prompts, so "
                "the reply is not used and prompts are kept shorter; take a model with a longer context"
            )
            text = ""
        if not counts["output_tokens"]:  # servers that count nothing
            counts |= {"input_tokens": read, "output_tokens": estimate_tokens([text])}
        cost = price.cost(counts["input_tokens"], counts["output_tokens"], counts["cached_tokens"]) if price else None
        reply = {"messages": sent, "reply": scrub(text), "truncated": is_truncated(message), "cut_to": cut_to}
        record = about | counts | {"cost": cost} | reply
        use = usage_of(record).total
        run.budget.count(use)
        await run.emit("agent finished", step=step, agent=agent, tokens=use.tokens, cost=use.cost)
        return record

    record = await run.remembered(digest, name, ask)
    if record.get("cut_to"):
        client.learn_context(record["cut_to"])
    return Reply(record["reply"], usage_of(record), record.get("truncated", False))


async def send(
    client: ModelClient,
    messages: list[BaseMessage],
    shape: Shape | None = None,
    *,
    patience: Patience,
    tell: Tell | None = None,
    slots: asyncio.Semaphore | None = None,
) -> tuple[AIMessage, str]:
    """Send a request, again after a while as long as `patience` has it; a slot is held only while it is under way.

    Raises:
        Exception: What the last try came to: see `diagnose`.
    """

    def again(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, Exception) and patience(diagnose(error), state.attempt_number)

    def wait(state: RetryCallState) -> float:
        assert state.outcome is not None
        error = state.outcome.exception()
        return pause(diagnose(error) if error else None, state.attempt_number)

    async def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if tell and error:
            await tell(f"{client.spec.label}: {diagnose(error).text}; trying again in {state.upcoming_sleep:.0f} s")

    retrying = AsyncRetrying(retry=again, wait=wait, before_sleep=before_sleep, sleep=_sleep, reraise=True)
    async for attempt in retrying:
        with attempt:
            async with slots or nullcontext():
                return await client.send(messages, shape)
    raise AssertionError("the last try either returns or raises")


def pause(failure: Failure | None, tries: int) -> float:
    """Say how many seconds to wait: twice as long each time, a random part of it, and not less than the server asks."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 1))
    wait = random.uniform(longest / 2, longest)
    asked = (failure.wait if failure else None) or 0.0
    return max(wait, min(asked, LONGEST_RETRY_AFTER))


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def capitalised(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]
