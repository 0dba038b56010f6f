"""Ask the model: render a prompt, call, parse; ask again with the reason when a reply can't be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from mle_star.models.data_models import Usage
from mle_star.tools.budget import BudgetSpentError
from mle_star.tools.calling import Reply, call
from mle_star.tools.fitting import fit
from mle_star.tools.replies import ReplyError, clean
from mle_star.tools.replies.continuation import GO_ON, is_finished, joined
from mle_star.tools.run import Run
from prompts import render

T = TypeVar("T")
LONGEST_REPLY = 400_000
"""Characters; what is longer is no answer, and reading it would hold up the other paths."""


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

    An unusable reply is asked for again, `config.reply_retries` times, with the reason. One that was cut off is to be
    continued, once in all. `attempt` tells apart the times that one step asks the same question. `schema` is the form
    of the JSON that is wanted, for servers that can be held to one; `parse` has the last word.

    Raises:
        ModelUnavailableError: The model can't be reached.
    """

    async def question() -> HumanMessage:
        room = await run.client_of(agent).room()  # less than a moment ago, if the server was found to cut the prompt
        given = {**await run.known_values(step, room), **values}
        text = await asyncio.to_thread(fit, lambda given: render(prompt, run.config.prompts_dir, **given), given, room)
        return HumanMessage(text)

    messages: list[BaseMessage] = [await question()]
    usage, problem = Usage(), ""
    may_continue = True
    await run.emit("agent started", step=step, agent=agent)
    for tried in range(1 + run.config.reply_retries):
        name = f"{step}-{prompt}{attempt}{f'.{tried}' if tried else ''}"
        try:
            async with run.clock.within(step):
                reply = await call(run, messages, agent=agent, name=name, schema=schema)
                usage += reply.usage
                parts = [reply]
                if may_continue and _ends_too_early(reply):
                    may_continue = False
                    more = [*messages, AIMessage(reply.text), HumanMessage(GO_ON)]
                    parts.append(await call(run, more, agent=agent, name=f"{name}.more"))
                    usage += parts[-1].usage
        except TimeoutError:
            run.over(step)
            problem = "the time for this phase is over"
            break
        except BudgetSpentError as error:
            run.over(step)
            problem = str(error)
            break
        try:
            return Answer(await asyncio.to_thread(_read, parts, parse), usage)
        except ReplyError as error:
            problem = str(error)
            earlier = AIMessage(clean(reply.text).strip() or "(empty)")
            messages = [await question(), earlier, HumanMessage(_again(error))]
    await run.emit("note", step=step, agent=agent, message=f"no usable reply: {problem}")
    return Answer(None, usage, problem)


def _ends_too_early(reply: Reply) -> bool:
    """Tell a reply worth going on with: cut off in its answer, not in its thoughts nor in words after the answer."""
    return reply.truncated and bool(clean(reply.text).strip()) and not is_finished(reply.text)


def _read(parts: list[Reply], parse: Callable[[str], T]) -> T:
    """Parse a reply, the parts of one that was cut off joined.

    Raises:
        ReplyError: It can't be used; also when it is too long, too deeply nested or was cut off.
    """
    text = joined(parts[0].text, parts[1].text) if len(parts) > 1 else parts[0].text
    if len(text) > LONGEST_REPLY:
        raise ReplyError(f"The reply has more than {LONGEST_REPLY:,} characters.")
    if parts[-1].truncated and not is_finished(text):
        where = "in the middle" if clean(text).strip() else "before it came to the answer"
        raise ReplyError(f"The reply was cut off {where}, since it was too long; be brief.")
    try:
        return parse(text)
    except (RecursionError, MemoryError):
        raise ReplyError("The reply is nested too deeply.") from None


def _again(error: ReplyError) -> str:
    """Ask again, with the reason and with what the model has to see."""
    again = f"That reply can't be used. {error} Reply again, in the form that was asked for."
    if not error.shown:
        return again
    return f"{again}\n\nThe script, with its lines numbered; the numbers are no part of it:\n\n{error.shown}"
