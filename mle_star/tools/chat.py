"""Chat models by provider. Each provider's package is imported when it is asked for: some take a second.

None of the clients tries again by itself: that is done in one place, `calling`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mle_star.models.language_model import ModelSpec
from mle_star.tools.accounting import estimate_tokens
from mle_star.tools.failures import CutReply, MissingKey
from mle_star.tools.fitting import window
from mle_star.tools.secrets import load_keys
from mle_star.tools.wire import (
    CONNECT_SECONDS,
    bound_session,
    bounded_hook,
    in_thread,
    json_hook,
    most_bytes,
    refusal_hook,
)

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def make_model(spec: ModelSpec) -> BaseChatModel:
    """Build the client of a model; reads files, so not in the event loop. Keys come from the environment or `.env`."""
    load_keys()
    match spec.provider:
        case "offline":
            from mle_star.offline.chat import OfflineChatModel

            return OfflineChatModel()
        case "ollama":
            return _ollama(spec)
        case "openai":
            return _openai(spec)
        case "bedrock":
            return _bedrock(spec)


def _ollama(spec: ModelSpec) -> BaseChatModel:
    import httpx
    from langchain_ollama import ChatOllama

    class Ollama(ChatOllama):
        """Asks for a context that holds the prompt; takes a reply for whole when the server has said that it is."""

        def _chat_params(self, messages: Any, stop: Any = None, **kwargs: Any) -> dict[str, Any]:
            params = super()._chat_params(messages, stop, **kwargs)
            need = estimate_tokens(str(message.text) for message in messages) + spec.max_tokens
            params["options"]["num_ctx"] = window(need, spec.context_tokens)
            return params

        async def context_length(self) -> int | None:
            """Ask the server what the model was made for: a longer context is cut to that without a word."""
            with suppress(Exception):  # an older server, another that speaks its language, or none
                told = (await self._async_client.show(self.model)).modelinfo or {}
                return next((int(told[name]) for name in told if name.endswith(".context_length")), None)
            return None

        async def _aiterate_over_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            done = False
            try:
                async for chunk in super()._aiterate_over_stream(*args, **kwargs):
                    done = done or bool((chunk.generation_info or {}).get("done"))
                    yield chunk
            except json.JSONDecodeError as error:
                raise CutReply("the connection was closed within a reply") from error
            if not done:
                raise CutReply("the connection was closed before the reply's end")

    return Ollama(
        model=spec.id,
        base_url=spec.base_url,
        temperature=spec.temperature,
        num_predict=spec.max_tokens,
        seed=spec.seed,
        async_client_kwargs={
            "timeout": httpx.Timeout(spec.timeout, connect=CONNECT_SECONDS),
            "event_hooks": {"response": [bounded_hook(most_bytes(spec.max_tokens)), refusal_hook]},
        },
    )


def _openai(spec: ModelSpec) -> BaseChatModel:
    from httpx import Timeout
    from langchain_openai import ChatOpenAI
    from openai import DefaultAsyncHttpxClient

    # servers on the user's own machine ask for no key, the client does
    key = os.environ.get(spec.api_key_env) or ("none" if spec.base_url else None)
    if key is None:
        raise MissingKey(f"{spec.api_key_env} is not set")
    limit: dict[str, Any] = {"max_completion_tokens": spec.max_tokens}
    if spec.limit_name == "max_tokens":  # the client would give it its newer name
        limit = {"extra_body": {"max_tokens": spec.max_tokens}}
    return ChatOpenAI(
        model=spec.id,
        base_url=spec.base_url,
        temperature=spec.temperature,
        timeout=Timeout(spec.timeout, connect=CONNECT_SECONDS),
        max_retries=0,
        api_key=key,
        openai_proxy=None,
        http_async_client=DefaultAsyncHttpxClient(
            event_hooks={"response": [bounded_hook(most_bytes(spec.max_tokens)), json_hook]},
            proxy=os.environ.get("OPENAI_PROXY") or None,
        ),
        use_responses_api=False,
        disable_streaming=True,
        **limit,
    )


def _bedrock(spec: ModelSpec) -> BaseChatModel:
    from botocore.config import Config
    from langchain_aws import ChatBedrockConverse

    class Bedrock(ChatBedrockConverse):
        """Waits in threads of its own: those of the event loop are few, and write the run's files."""

        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            return await in_thread(lambda: self._generate(messages, stop, None, **kwargs))

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=spec.timeout,
        retries={"total_max_attempts": 1},
        max_pool_connections=spec.parallel_calls,
    )
    try:
        model = Bedrock(
            model_id=spec.id, endpoint_url=spec.base_url, temperature=spec.temperature, max_tokens=spec.max_tokens,
            disable_streaming=True, config=config,
        )  # fmt: skip
    except ValueError as error:  # no region, no such profile
        reason = re.search(r"Service error: (.*?)(?: \[type=|$)", " ".join(str(error).split()))
        raise MissingKey(reason[1] if reason else str(error)) from None
    bound_session(model.client._endpoint.http_session, most_bytes(spec.max_tokens), spec.timeout)
    return model
