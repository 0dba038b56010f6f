"""The embedded model: a chat model whose knowledge is a curated library of recipes, not weights.

It reads the same prompts as any other model and replies as one, without a network, a key or a download. It is a pure
function of the prompt's text: the same prompt has the same reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from mle_star.offline.reading import Prompt

CHARACTERS_PER_TOKEN = 4


class OfflineChatModel(BaseChatModel):
    """Replies to the agents' prompts from the library; anything else gets a sentence that says so."""

    model_name: str = "offline"

    @property
    def _llm_type(self) -> str:
        return "mle-star-offline"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = prompt_text(messages)
        return as_result(text, reply_to(text), self.model_name)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await asyncio.to_thread(self._generate, messages, stop)


def prompt_text(messages: list[BaseMessage]) -> str:
    """The prompt: the last message that opens with a heading; where none does, the last one."""
    texts = [str(message.text) for message in messages]
    return next((text for text in reversed(texts) if Prompt(text).agent in OPERATIONS), texts[-1] if texts else "")


def as_result(text: str, reply: str, model_name: str) -> ChatResult:
    """The reply as LangChain takes it, with an estimate of its tokens."""
    read, written = len(text) // CHARACTERS_PER_TOKEN + 1, len(reply) // CHARACTERS_PER_TOKEN + 1
    message = AIMessage(
        content=reply,
        usage_metadata=UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written),
        response_metadata={"model_name": model_name, "finish_reason": "stop"},
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def reply_to(text: str) -> str:
    """The reply to a prompt."""
    prompt = Prompt(text)
    operation = OPERATIONS.get(prompt.agent)
    if operation is None:
        return (
            "The embedded model answers the prompts of MLE-STAR's agents only. Choose another model_provider to chat."
        )
    return operation(prompt)


def _operations() -> dict[str, Callable[[Prompt], str]]:
    from mle_star.offline import ablating, checking, drafting, ensembling, refining, repairing, rewriting, submitting

    return {
        "retriever": drafting.retriever,
        "candidate_evaluator": drafting.candidate_evaluator,
        "merger": drafting.merger,
        "data_usage_checker": checking.data_usage_checker,
        "leakage_detect": checking.leakage_detect,
        "leakage_correct": checking.leakage_correct,
        "debugger": repairing.debugger,
        "ablation_study": ablating.ablation_study,
        "summarizer": ablating.summarizer,
        "extractor": refining.extractor,
        "planner": refining.planner,
        "rewrite": rewriting.rewrite,
        "coder": refining.coder,
        "ensemble_planner": ensembling.ensemble_planner,
        "ensemble_planner_next": ensembling.ensemble_planner_next,
        "ensembler": ensembling.ensembler,
        "submission": submitting.submission,
        "subsampling_extract": submitting.subsampling_extract,
        "subsampling_remove": submitting.subsampling_remove,
    }


OPERATIONS = _operations()
