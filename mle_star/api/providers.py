"""Which model providers answer now. No key is shown, and none is spent."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mle_star.api.schemas import ProviderView
from mle_star.models.config import MLEStarConfig

SECONDS = 3.0


async def look_at_providers(config: MLEStarConfig) -> list[ProviderView]:
    """Ask each provider, all at once."""
    offline = ProviderView(name="offline", ready=True, detail="the embedded model needs no server", models=["offline"])
    return [offline, *await asyncio.gather(_ollama(config), _openai(config), _bedrock())]


async def _ollama(config: MLEStarConfig) -> ProviderView:
    import httpx

    url = config.ollama_base_url.rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            reply = await client.get(f"{url}/api/tags")
            reply.raise_for_status()
            models = sorted(str(model["name"]) for model in reply.json()["models"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return ProviderView(name="ollama", ready=False, detail="Ollama does not answer")
    return ProviderView(name="ollama", ready=bool(models), detail=f"{len(models)} models", models=models)


async def _openai(config: MLEStarConfig) -> ProviderView:
    import httpx

    key = (await asyncio.to_thread(_variables)).get("OPENAI_API_KEY", "")
    if not key and not config.openai_base_url:
        return ProviderView(name="openai", ready=False, detail="OPENAI_API_KEY is not set")
    url = (config.openai_base_url or "https://api.openai.com/v1").rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            reply = await client.get(f"{url}/models", headers={"Authorization": f"Bearer {key}"} if key else {})
            reply.raise_for_status()
            models = sorted(str(model["id"]) for model in reply.json()["data"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return ProviderView(name="openai", ready=False, detail=f"does not answer: {type(error).__name__}")
    return ProviderView(name="openai", ready=True, detail=f"{len(models)} models", models=models[:500])


async def _bedrock() -> ProviderView:
    variables = await asyncio.to_thread(_variables)
    names = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_WEB_IDENTITY_TOKEN_FILE")
    found = [name for name in names if variables.get(name)]
    if not found and await asyncio.to_thread((Path.home() / ".aws" / "credentials").is_file):
        found = ["~/.aws/credentials"]
    if not found:
        return ProviderView(name="bedrock", ready=False, detail="no AWS credentials")
    return ProviderView(name="bedrock", ready=True, detail=f"{found[0]} is there; a run asks before it begins")


def _variables() -> dict[str, str]:
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(".env").items() if value} | dict(os.environ)
