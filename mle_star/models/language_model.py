"""Which language model an agent asks: what a person may choose for it, and what that comes to."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Provider = Literal["ollama", "bedrock", "openai", "offline"]
Agent = Literal[
    "retriever", "candidate_evaluator", "merger", "leakage_checker", "data_usage_checker", "ablation_study",
    "summarizer", "extractor", "planner", "coder", "debugger", "ensemble_planner", "ensembler", "submission",
]  # fmt: skip
Role = Literal["default", Agent]
AGENTS: tuple[str, ...] = get_args(Agent)
OWN_LIMIT_NAME = "api.openai.com"
"""Where the limit of a reply is `max_completion_tokens`; elsewhere the older `max_tokens` is understood more widely."""


_GROUP = "[0-9A-Fa-f]{1,4}"
_IPV6 = rf"\[({_GROUP}(:{_GROUP}){{7}}|({_GROUP}(:{_GROUP}){{0,3}})?::({_GROUP}(:{_GROUP}){{0,2}})?)\]"
_ADDRESS = rf"^https?://([A-Za-z0-9_-][A-Za-z0-9._-]*|{_IPV6})(:[0-9]{{1,5}})?(/[A-Za-z0-9._~%:@!$&'()*+,;=/-]*)?$"


def _said_well(url: object) -> object:
    """Say what is wrong with a server's address in words, and without the address: it may hold a key."""
    if isinstance(url, str) and not re.match(_ADDRESS, url):
        if re.search("[@?#]", url):
            raise ValueError("a server's address holds no user name, password or query: keys come from the environment")
        raise ValueError("a server's address has a host, such as http://localhost:8000/v1")
    return url


BaseURL = Annotated[str, Field(pattern=_ADDRESS), BeforeValidator(_said_well)]
KeyVariable = Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]{1,63}$")]
"""The name of an environment variable; a key pasted in its place does not look like one."""


class ModelChoice(BaseModel):
    """The model of one role. What is left out is taken from `default`, and then from the settings of the same name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Provider | None = Field(None, description="Where the model runs.")
    id: str | None = Field(None, min_length=1, description="The provider's name of the model.")
    base_url: BaseURL | None = Field(None, description="The server, for ollama, openai and bedrock.")
    temperature: float | None = Field(None, ge=0, le=2, description="Of this role's calls.")
    api_key_env: KeyVariable | None = Field(None, description="Variable with the key, for openai.")


class ModelSpec(BaseModel):
    """A model with nothing left to choose: what a client is built from. Equal specs share one client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Provider
    id: str
    base_url: str | None = None
    temperature: float | None = None
    """None leaves it to the server: some models take no other than their own."""
    max_tokens: int = 4096
    context_tokens: int | None = None
    """Of a prompt and its reply together; None where it is not known."""
    limit_name: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """What an OpenAI-compatible server calls `max_tokens`."""
    timeout: float = 600
    seed: int = 42
    parallel_calls: int = 8
    api_key_env: str = "OPENAI_API_KEY"

    @property
    def label(self) -> str:
        """Name the model to a person."""
        return "the embedded model" if self.provider == "offline" else f"{self.provider} model {self.id}"


def limit_name(base_url: str | None) -> Literal["max_completion_tokens", "max_tokens"]:
    """Say what the server at `base_url` calls the most tokens of a reply."""
    own = base_url is None or urlsplit(base_url).hostname == OWN_LIMIT_NAME
    return "max_completion_tokens" if own else "max_tokens"
