"""Call an agent's model once, or return what it replied to this request before the run was broken off."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage, messages_to_dict
from langgraph.types import RetryPolicy

from mle_star.models.data_models import Usage
from mle_star.models.errors import MLEStarError
from mle_star.tools.run import Run

log = logging.getLogger(__name__)


class ModelUnavailableError(MLEStarError):
    """The model's server could not be reached or refused the call: nothing that another prompt would mend."""


RETRY = RetryPolicy(max_attempts=4, initial_interval=1.0, max_interval=30.0, retry_on=ModelUnavailableError)
"""For every node that asks the model."""


class Reply(NamedTuple):
    """What a model replied, and what that cost."""

    text: str
    usage: Usage
    truncated: bool = False
    """Whether it ends where the most tokens of one reply were reached."""


async def call(run: Run, messages: list[BaseMessage], *, agent: str, name: str) -> Reply:
    """Call the model of `agent`.

    The name is a part of the request: a step is not answered with the reply that made an earlier step fail.

    Raises:
        ModelUnavailableError: It can't be reached.
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
            "truncated": _is_truncated(message.response_metadata),
        }

    record = await run.remembered(digest, name, call)
    usage = Usage(calls=1, input_tokens=record["input_tokens"], output_tokens=record["output_tokens"])
    return Reply(record["reply"], usage, record.get("truncated", False))


def _is_truncated(metadata: dict[str, Any]) -> bool:
    """Tell whether a reply was cut off at the most tokens, by the names that the providers have for it."""
    return any(
        metadata.get(name) in ("length", "max_tokens") for name in ("finish_reason", "done_reason", "stopReason")
    )


def _is_infrastructure(error: Exception) -> bool:
    """Tell whether an error comes from the way to the model, by the marks that the providers' clients share."""
    if isinstance(error, OSError | TimeoutError | asyncio.TimeoutError):
        return True
    if getattr(error, "status_code", None) is not None or getattr(error, "response", None) is not None:
        return True
    return any(cls.__module__.partition(".")[0] in ("httpx", "httpcore", "botocore") for cls in type(error).__mro__)
