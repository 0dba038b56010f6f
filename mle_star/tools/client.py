"""One model of a run: its client, and what its server was found to take."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from mle_star.models.language_model import ModelSpec
from mle_star.tools.failures import diagnose
from mle_star.tools.structured import MODES, Mode, Shape, bind, is_json, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

LIMIT_WORDS = re.compile(r"max_(?:completion_)?tokens")
_taken: dict[ModelSpec, ModelSpec] = {}
"""What a server was found to take in place of what it was asked for. Kept for the process's life."""
_modes: dict[ModelSpec, Mode] = {}
"""How a model gives JSON."""
_contexts: dict[ModelSpec, int] = {}
"""Tokens that a model has room for, by what its server said, or by what it was found to read of a longer prompt."""
NO_LIMIT = 1 << 40


class ModelClient:
    """Sends to one model. It knows nothing of patience: a failure is the caller's to judge."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._made: tuple[ModelSpec, BaseChatModel] | None = None
        self._making = asyncio.Lock()

    async def room(self) -> int:
        """Say how many tokens a prompt may have, by what is known of the model's context."""
        if self.spec.provider == "ollama" and self.spec not in _contexts:
            _, model = await self._model()
            told = await model.context_length() if hasattr(model, "context_length") else None
            _contexts.setdefault(self.spec, told or NO_LIMIT)
        known = [size for size in (self.spec.context_tokens, _contexts.get(self.spec)) if size]
        return max(min(known) - self.spec.max_tokens, min(known) // 2) if known else NO_LIMIT

    def learn_context(self, tokens: int) -> None:
        """Take note that the server read no more than `tokens` of a prompt that has more."""
        _contexts[self.spec] = min(tokens, _contexts.get(self.spec, NO_LIMIT))

    async def send(self, messages: list[BaseMessage], shape: Shape | None = None) -> tuple[AIMessage, str]:
        """Send one request, in at most a few forms until the server takes one; return the reply and its text.

        Raises:
            Exception: Whatever the provider's client raises: see `diagnose`.
        """
        first = _modes.get(self.spec, "text" if self.spec.provider == "offline" else MODES[0])
        modes = MODES[MODES.index(first) :] if shape else ("text",)
        for mode in modes:
            try:
                message = await self._adapted(messages, mode, shape)
            except NotImplementedError:
                continue
            except Exception as error:
                if mode == "text" or diagnose(error).kind != "refused":
                    raise
                continue
            text = text_of(message, shape if mode != "text" else None)
            if shape:
                _modes[self.spec] = self._next(mode, message, text)
            return message, text
        raise AssertionError("text is always tried")

    def _next(self, mode: Mode, message: AIMessage, text: str) -> Mode:
        """Remember a mode that worked, and step down from one that was taken but not followed."""
        if mode == "text" or is_json(text) or is_truncated(message):
            return mode
        return MODES[MODES.index(mode) + 1]

    async def _adapted(self, messages: list[BaseMessage], mode: Mode, shape: Shape | None) -> AIMessage:
        """Send, and once more for each parameter that the server refuses and can do without."""
        while True:
            spec, model = await self._model()
            try:
                target: Any = model if mode == "text" or shape is None else bind(model, spec.provider, mode, shape)
                async with asyncio.timeout(spec.timeout):
                    message: AIMessage = await target.ainvoke(messages)
            except Exception as error:
                changed = adapt(spec, self.spec, error)
                if changed is None:
                    raise
                _taken[self.spec] = changed
                continue
            return message

    async def _model(self) -> tuple[ModelSpec, BaseChatModel]:
        """Build the client, or build it anew when the server was found to take something else."""
        from mle_star.tools import chat

        async with self._making:
            spec = _taken.get(self.spec, self.spec)
            if self._made is None or self._made[0] != spec:
                self._made = spec, await asyncio.to_thread(chat.make_model, spec)
            return self._made


def adapt(spec: ModelSpec, original: ModelSpec, error: Exception) -> ModelSpec | None:
    """Say what to ask for in place of a parameter that the server refuses; None where that is not what it refuses.

    Each parameter of `original` is given up once.
    """
    if diagnose(error).kind != "refused":
        return None
    said = str(error)
    if "temperature" in said and spec.temperature is not None:
        return spec.model_copy(update={"temperature": None})
    refused_limit = spec.provider == "openai" and spec.limit_name in LIMIT_WORDS.findall(said)
    if refused_limit and spec.limit_name == original.limit_name:
        names = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        return spec.model_copy(update={"limit_name": names[spec.limit_name]})
    return None


def is_truncated(message: AIMessage) -> bool:
    """Tell whether a reply was cut off at the most tokens, by the names that the providers have for it."""
    metadata = message.response_metadata
    return any(
        metadata.get(name) in ("length", "max_tokens") for name in ("finish_reason", "done_reason", "stopReason")
    )
