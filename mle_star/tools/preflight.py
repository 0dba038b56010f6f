"""What is checked before anything is spent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError

CHECK_SECONDS = 60


def check_settings(config: MLEStarConfig) -> None:
    """Check what the config refers to.

    Raises:
        ConfigError: The prompts' folder is not there, or a prompt in it can't be used.
    """
    import prompts

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


async def check_model(config: MLEStarConfig) -> None:
    """Call the model once, cheaply.

    Raises:
        ConfigError: It does not answer; the text says what to do.
    """
    if config.model_provider == "offline":
        return
    from mle_star.tools.chat import make_model

    try:
        model = await asyncio.to_thread(make_model, config)
        await asyncio.wait_for(model.ainvoke("Reply with the word: ready"), min(CHECK_SECONDS, config.model_timeout))
    except ImportError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ConfigError(
            f"{config.model_provider} model {config.model_id} does not answer: {reason}. {_advice(config)}"
        ) from None


def _advice(config: MLEStarConfig) -> str:
    match config.model_provider:
        case "ollama":
            return (
                f"Start Ollama ({config.ollama_base_url}) and `ollama pull {config.model_id}`, "
                "or try without a model: --provider offline"
            )
        case "openai":
            where = f" and that {config.openai_base_url} is up" if config.openai_base_url else ""
            return f"Check OPENAI_API_KEY, the model's name{where}"
        case _:
            return "Check the AWS credentials, AWS_REGION and that the model is enabled for the account"


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
