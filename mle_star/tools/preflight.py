"""What is checked before anything is spent."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

from mle_star.execution.backend import backend_of
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.models.language_model import ModelSpec

QUESTION = "Reply with the word: ready"
CHECK_SECONDS = 60
CHECK_TRIES = 3
OLLAMA_SECONDS = 300
"""It may have to load the model's weights first."""
LISTED = 20


def check_settings(config: MLEStarConfig) -> None:
    """Check what the config refers to.

    Raises:
        ConfigError: The prompts' folder is not there, or a prompt in it can't be used; the file of replies can't be
            used; or the cost is limited, and a model's price is not known.
    """
    import prompts
    from mle_star.tools.prices import check_prices
    from mle_star.tools.reply_files import shared_cache

    check_prices(config)
    if config.reply_cache:
        shared_cache(config.reply_cache)
    folder = config.prompts_dir
    if folder is None:
        return
    if not folder.is_dir():
        raise ConfigError(f"the prompts' folder {folder} is not there")
    names = {*prompts.NAMES, prompts.SHARED}
    if not any((folder / f"{name}.md").is_file() for name in names):
        raise ConfigError(
            f"the prompts' folder {folder} holds no prompt: its files are named {', '.join(sorted(names))}.md"
        )
    for path in sorted(folder.glob("*.md")):
        if path.stem not in names:
            raise ConfigError(f"{path} is no prompt of ours: the names are {', '.join(sorted(names))}")
        if path.stem in prompts.NAMES:
            try:
                prompts.load(path.stem, folder)
            except ValueError as error:
                raise ConfigError(str(error)) from None


async def check_isolation(config: MLEStarConfig) -> str:
    """Find out where scripts run and how they are isolated there; gives it in a line.

    Raises:
        ConfigError: They can't be run there, or are isolated less than the settings demand.
    """
    return await asyncio.to_thread(backend_of(config).check)


def check_retrieval(config: MLEStarConfig) -> None:
    """Check what a new run's retriever works with: the user's cards and the search engine. Nothing is searched.

    Raises:
        ConfigError: A card's file can't be used, or the engine that was chosen lacks its keys or its package.
    """
    from mle_star.cards import read_cards
    from mle_star.tools.search.engine import make_engine

    try:
        read_cards(config.model_cards)
    except ValueError as error:
        raise ConfigError(f"--model-card: {error}") from None
    make_engine(config)


async def check_models(config: MLEStarConfig) -> None:
    """Call each model that an agent asks once, cheaply.

    Raises:
        ConfigError: One does not answer; the text says what to do.
    """
    specs = config.model_specs()
    problems = await asyncio.gather(*map(model_problem, specs))
    found = [
        problem.found + (f" (asked by {', '.join(agents)})" if len(specs) > 1 else "") + f". {problem.remedy}"
        for problem, agents in zip(problems, specs.values(), strict=True)
        if problem
    ]
    if found:
        raise ConfigError("; ".join(found))


class Problem(NamedTuple):
    """What is wrong with a model, and what to do about it."""

    found: str
    remedy: str


async def model_problem(spec: ModelSpec) -> Problem | None:
    """Call a model once, cheaply."""
    if spec.provider == "offline":
        return None
    from langchain_core.messages import HumanMessage

    from mle_star.tools.calling import capitalised, send
    from mle_star.tools.client import ModelClient
    from mle_star.tools.failures import Failure, advise, diagnose

    def patience(failure: Failure, tries: int) -> bool:
        return failure.kind == "busy" and tries < CHECK_TRIES

    seconds = min(spec.timeout, OLLAMA_SECONDS if spec.provider == "ollama" else CHECK_SECONDS)
    try:
        async with asyncio.timeout(seconds):
            await send(ModelClient(spec), [HumanMessage(QUESTION)], patience=patience)
    except ImportError:
        raise
    except Exception as error:
        failure = diagnose(error)
        found = f"does not answer: {failure.text.rstrip('.')}"
        if spec.provider == "ollama" and failure.kind == "not found":
            names = await ollama_models(spec)
            if names is None:
                failure, found = Failure("broken", ""), f"does not answer: what listens on {spec.base_url} is no Ollama"
            else:
                found = f"is not on {spec.base_url}, which has {', '.join(names) or 'no model yet'}"
        return Problem(f"{spec.label} {found}", capitalised(advise(spec, failure)))
    return None


async def ollama_models(spec: ModelSpec) -> list[str] | None:
    """List the first models that an Ollama has; None when it is none."""
    import httpx

    from mle_star.tools.wire import CONNECT_SECONDS

    key = os.environ.get("OLLAMA_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(timeout=CONNECT_SECONDS, headers=headers) as client:
            reply = await client.get(f"{(spec.base_url or '').rstrip('/')}/api/tags")
        names = sorted(str(model["name"]) for model in reply.json()["models"])
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return None
    return [*names[:LISTED], "..."] if len(names) > LISTED else names


def check_folder(path: Path) -> None:
    """Check that runs can be written.

    Raises:
        ConfigError: They can't.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from None
