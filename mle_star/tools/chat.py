"""Chat models by provider. Each provider's package is imported when it is asked for: some take a second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mle_star.models.config import MLEStarConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def make_model(config: MLEStarConfig) -> BaseChatModel:
    """Build the chat model that the config names. Keys come from the environment or `.env`, never from the config."""
    match config.model_provider:
        case "offline":
            from mle_star.offline.chat import OfflineChatModel

            return OfflineChatModel()
        case "ollama":
            from langchain_ollama import ChatOllama

            return ChatOllama(
                model=config.model_id,
                base_url=config.ollama_base_url,
                temperature=config.temperature,
                num_predict=config.max_tokens,
                seed=config.seed,
                client_kwargs={"timeout": config.model_timeout},
            )
        case "openai":
            from langchain_openai import ChatOpenAI

            _load_keys()
            return ChatOpenAI(
                model=config.model_id,
                base_url=config.openai_base_url,
                temperature=config.temperature,
                max_completion_tokens=config.max_tokens,
                timeout=config.model_timeout,
                # servers on the user's own machine ask for no key, the client does
                api_key=None if os.environ.get("OPENAI_API_KEY") or not config.openai_base_url else "none",
            )
        case "bedrock":
            from langchain_aws import ChatBedrockConverse

            _load_keys()
            return ChatBedrockConverse(
                model_id=config.model_id, temperature=config.temperature, max_tokens=config.max_tokens
            )


def _load_keys() -> None:
    """Take keys from `.env` into the environment; what is set there already is stronger."""
    from dotenv import load_dotenv

    load_dotenv(Path(".env"))
