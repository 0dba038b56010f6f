"""A_retriever: M candidate models for a task (Algorithm 1, line 1)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from pydantic import BaseModel

from mle_star.cards import cards_for, deal, is_named, read_cards
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ModelCard, Usage
from mle_star.models.errors import ConfigError
from mle_star.models.state import InitialState
from mle_star.models.syntax import compiled
from mle_star.tools.ask import ask
from mle_star.tools.replies import ReplyError, parse_code, parse_json
from mle_star.tools.run import Run
from mle_star.tools.search.cache import DiskCache
from mle_star.tools.search.engine import make_engine
from mle_star.tools.search.pages import Page
from mle_star.tools.search.web import Findings, render_pages, search_web

SEARCH_SECONDS = 300.0
"""For all of the web: queries, waits and pages."""


async def retriever(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Name M models: the user's own, then what the model says, of the web's pages too; then the curated library's."""
    run = await Run.of(runtime)
    brief = await run.brief(state["task"])
    path, paths, count = state.get("path", 1), run.config.num_solutions, run.config.num_retrieved_models
    step, usage = f"p{path}.retrieve", Usage()
    cards = await own_cards(run.config)
    if len(cards) < count:
        pages, usage = await web_pages(run, step)
        mine = pages[(path - 1) % paths :: paths]  # dealt out: paths differ, and no page is paid for twice
        answer = await ask(
            run, "retriever", parse_cards, step=step, agent="retriever",
            schema=list[NamedModel], path=path, paths=paths, count=count - len(cards),
            pages=render_pages(mine), taken=listing(cards),
        )  # fmt: skip
        cards, usage = distinct([*cards, *(answer.value or ())])[:count], usage + answer.usage
    embedded = run.config.model_spec("retriever").provider == "offline"  # it has named all that it can build
    if len(cards) < count and not embedded:
        await run.emit(
            "note", step=step, agent="retriever",
            message=f"{len(cards)} of {count} models were named; the curated library adds the rest",
        )  # fmt: skip
        known = await asyncio.to_thread(cards_for, brief.task.data_modality, brief.task.task_type)
        names = [card.name for card in cards]
        new = sorted(deal(known, path, paths), key=lambda card: is_named(card, names))  # other models first
        cards = distinct([*cards, *(card.card for card in new)])[:count]
    return {"cards": cards, "candidates": Overwrite([]), "usage": usage}


async def own_cards(config: MLEStarConfig) -> tuple[ModelCard, ...]:
    """The user's cards; all of them are tried, even where they are more than M.

    Raises:
        ConfigError: A file can't be used (any more).
    """
    try:
        return await asyncio.to_thread(read_cards, config.model_cards)
    except ValueError as error:
        raise ConfigError(f"model_cards: {error}") from None


# The web.


async def web_pages(run: Run, step: str) -> tuple[tuple[Page, ...], Usage]:
    """Search once for all paths of the run, and read enough pages for each; none where nothing is searched."""
    engine = await asyncio.to_thread(make_engine, run.config)
    if engine is None:
        return (), Usage()
    usage = Usage()

    async def find() -> dict[str, Any]:
        nonlocal usage
        config = run.config
        answer = await ask(
            run, "search_queries", parse_queries, step=step, agent="retriever",
            schema=Queries, count=config.search_queries,
        )  # fmt: skip
        usage = answer.usage
        queries = (answer.value or ())[: config.search_queries]
        cache = DiskCache(run.runs_dir / ".cache" / "search")
        try:
            async with asyncio.timeout(min(SEARCH_SECONDS, max(0.0, run.clock.left(step)))):
                found = await search_web(engine, queries, config.search_pages * config.num_solutions, cache)
        except TimeoutError:
            found = Findings((), ("the time for searching is over",))
        await run.emit("note", step=step, agent="retriever", message=told(engine.name, queries, found))
        return {"queries": queries, "pages": [page.model_dump() for page in found.pages]}

    known = await run.known_values()
    digest = hashlib.sha256(f"{known['task']}{engine.name}".encode()).hexdigest()[:12]
    record = await run.once(f"search-{digest}", find)
    return tuple(Page.model_validate(page) for page in record["pages"]), usage


def told(engine: str, queries: Iterable[str], found: Findings) -> str:
    """Say what a search came to."""
    asked = "; ".join(queries) or "no query was proposed"
    problems = f"; {'; '.join(found.problems)}" if found.problems else ""
    return f"{engine}: {len(found.pages)} pages read for: {asked}{problems}"


# Replies.


class Queries(BaseModel):
    """What search_queries asks for."""

    queries: list[str]


def parse_queries(reply: str) -> tuple[str, ...]:
    """Read search queries, each on one line and not too long for an engine.

    Raises:
        ReplyError: There is not one.
    """
    queries = dict.fromkeys(" ".join(query.split())[:200] for query in parse_json(reply, Queries).queries)
    queries.pop("", None)
    if not queries:
        raise ReplyError("There was no query in the list.")
    return tuple(queries)


class NamedModel(BaseModel):
    """What retriever asks for, M times."""

    name: str
    description: str = ""
    example_code: str = ""
    source: str = ""


def parse_cards(reply: str) -> tuple[ModelCard, ...]:
    """Read model cards of different names; those whose code does not compile are left out.

    Raises:
        ReplyError: None is left.
    """
    cards, problems = [], []
    for named in parse_json(reply, list[NamedModel]):
        try:
            code = parse_code(named.example_code, example)
        except ReplyError as error:
            problems.append(f"{named.name}: {error}")
            continue
        name = " ".join(named.name.split())[:200]
        source = named.source if named.source.startswith(("http://", "https://")) else "model"
        cards.append(ModelCard(name=name, description=named.description, example_code=code, source=source))
    if found := distinct(cards):
        return found
    raise ReplyError(f"No model is left. {' '.join(problems)}" if problems else "The list holds no model.")


def example(code: str) -> str:
    """Take code that compiles; unlike a script, an example may do no more than define a function.

    Raises:
        ReplyError: It does not compile, or there is none.
    """
    code = code.strip("\n").rstrip() + "\n"
    try:
        tree = compiled(code)
    except SyntaxError as error:
        raise ReplyError(f"The code does not compile: {error.msg}.") from None
    if not tree.body:
        raise ReplyError("There was no code in the reply.")
    return code


def distinct(cards: Iterable[ModelCard]) -> tuple[ModelCard, ...]:
    """Keep the first card of each name."""
    named: dict[str, ModelCard] = {}
    for card in cards:
        if key := card.name.strip().lower():
            named.setdefault(key, card)
    return tuple(named.values())


def listing(cards: Iterable[ModelCard]) -> str:
    """List names; `none` where there are none."""
    return "\n".join(f"- {card.name}" for card in cards) or "none"
