"""A_retriever: M candidate models for a task (Algorithm 1, line 1)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from pydantic import BaseModel

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ModelCard
from mle_star.models.state import InitialState
from mle_star.tools.ask import ask
from mle_star.tools.replies import ReplyError, parse_json
from mle_star.tools.run import Run


class NamedModel(BaseModel):
    """What the model says of a candidate model."""

    name: str
    description: str
    example_code: str


async def retriever(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Ask for M model cards; what the model can't name, the curated library adds."""
    run = await Run.of(runtime)
    await run.brief(state["task"])
    path, count = state.get("path", 1), run.config.num_retrieved_models
    paths, step = run.config.num_solutions, f"p{path}.retrieve"
    answer = await ask(
        run, "retriever", parse_cards, step=step, agent="retriever",
        schema=list[NamedModel], path=path, paths=paths, count=count,
    )  # fmt: skip
    cards, usage = answer.value or (), answer.usage
    if len(cards) < count and run.config.model_provider != "offline":
        await run.emit("note", step=step, agent="retriever", message=f"{len(cards)} of {count} models named; "
                       "the curated library adds the rest")  # fmt: skip
        cards = distinct([*cards, *await curated_cards(run, path=path, paths=paths, count=count)])
    return {"cards": cards[:count], "candidates": Overwrite([]), "usage": usage}


def parse_cards(reply: str) -> tuple[ModelCard, ...]:
    """Read model cards of different names.

    Raises:
        ReplyError: There is not one.
    """
    cards = distinct(parse_json(reply, list[ModelCard]))
    if not cards:
        raise ReplyError("The list holds no model.")
    return cards


def distinct(cards: list[ModelCard]) -> tuple[ModelCard, ...]:
    """Keep the first card of each name."""
    named = {card.name.strip().lower(): card for card in reversed(cards) if card.name.strip()}
    return tuple(reversed(named.values()))


async def curated_cards(run: Run, **values: int) -> tuple[ModelCard, ...]:
    """Ask the embedded model, which keeps the curated library, the same question."""
    from mle_star.offline.chat import OfflineChatModel
    from prompts import render

    message = await OfflineChatModel().ainvoke(render("retriever", **await run.known_values(), **values))
    return parse_cards(message.text)
