"""The settings of a run: one frozen model with bounds, from arguments, environment, `.env` or a YAML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from mle_star.models.language_model import (
    AGENTS,
    BaseURL,
    KeyVariable,
    ModelChoice,
    ModelSpec,
    Provider,
    Role,
    limit_name,
)

SearchEngineName = Literal["auto", "google", "duckduckgo", "none"]
SERVERS = ("server_", "api_key", "database_url")
"""What `.env` may hold beside the settings of runs: the server's own."""


def _from_anywhere(path: Path) -> Path:
    """Make a path absolute: a run may be resumed from another folder."""
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - pathlib's own raises where there is no such user


AbsolutePath = Annotated[Path, AfterValidator(_from_anywhere)]


class MLEStarConfig(BaseSettings):
    """What a run may do and spend. The defaults are the paper's.

    A value that is given beats `MLE_STAR_<FIELD>` in the environment, which beats `.env`, which beats the YAML file.
    The last three join their `models`; those that are given stand alone.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="MLE_STAR_",
        env_file=".env",
        dotenv_filtering="match_prefix",
        env_ignore_empty=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )
    yaml_source: ClassVar[Path | None] = None

    num_retrieved_models: int = Field(4, ge=1, le=64, description="M: candidate models that the retriever finds.")
    outer_loop_iterations: int = Field(4, ge=0, le=64, description="T: ablation studies, a code block refined in each.")
    inner_loop_iterations: int = Field(4, ge=1, le=64, description="K: plans tried for one code block.")
    ensemble_iterations: int = Field(5, ge=0, le=64, description="R: ensemble plans tried.")
    num_solutions: int = Field(2, ge=1, le=16, description="L: solution paths that run side by side.")
    max_debug_retries: int = Field(3, ge=0, le=16, description="Repairs of one failing script before it is given up.")
    leakage_check: bool = Field(True, description="Check every new solution for leakage before its first run.")
    subsample_size: int = Field(30_000, ge=100, description="Training rows that scripts use while searching.")
    seed: int = Field(42, ge=0, lt=2**31, description="Splits, models and the offline model follow it.")

    model_provider: Provider = Field("ollama", description="Where the language model runs.")
    model_id: str = Field("gemma3:27b", min_length=1, description="The provider's name of the model.")
    temperature: float = Field(0.7, ge=0, le=2, description="Of every model call.")
    max_tokens: int = Field(4096, ge=256, description="Most tokens of one reply.")
    ollama_base_url: BaseURL = Field("http://localhost:11434", description="Where Ollama listens.")
    openai_base_url: BaseURL | None = Field(None, description="Any OpenAI-compatible server.")
    model_timeout: float = Field(600, gt=0, description="Seconds that one model call may take.")
    reply_retries: int = Field(2, ge=0, le=8, description="Times an unusable reply is asked for again.")

    time_limit: float | None = Field(86_400, gt=0, description="Seconds for the whole run; the paper gives 24 hours.")
    script_timeout: float = Field(3_600, gt=0, description="Seconds that one script may run.")
    parallel_scripts: int | None = Field(None, ge=1, le=256, description="Scripts at once; left out: up to 4.")

    runs_dir: Path = Field(Path("runs"), description="Where the runs' folders are made.")
    out_dir: Path | None = Field(None, description="The run's own folder; left out: <runs_dir>/<run_id>.")
    prompts_dir: AbsolutePath | None = Field(
        None, description="Folder of prompts that take the place of the built-in ones."
    )

    models: dict[Role, ModelChoice] = Field(
        {},
        description="A model of its own for `default` or an agent: provider, id, base_url, temperature, api_key_env.",
    )
    openai_api_key_env: KeyVariable = Field("OPENAI_API_KEY", description="Variable with the key of `openai_base_url`.")
    model_retries: int = Field(6, ge=0, le=20, description="Times that a call is tried again when its server is busy.")
    parallel_calls: int = Field(8, ge=1, le=256, description="Model calls in flight at once.")
    warm: bool = Field(True, description="Fork scripts from a process that has imported the libraries already.")
    cache: bool = Field(
        True, description="Take a script's result from an earlier run of the same task, if it is known."
    )
    require_isolation: Literal["none", "partial", "full"] = Field(
        "none", description="Refuse to run scripts with less."
    )
    allow_network: bool = Field(False, description="Let scripts reach the network; without, not even this machine.")
    memory_limit: float | None = Field(None, ge=0.1, description="GB for a script; left out: its share of 90%.")
    disk_limit: float | None = Field(None, ge=0.01, description="GB a script may write; left out: from what is free.")
    max_processes: int = Field(1024, ge=16, le=1_000_000, description="Processes and threads of a script at once.")
    output_limit: float = Field(64, ge=0.01, description="MB that a script may print.")

    search_engine: SearchEngineName = Field(
        "auto", description="Where the retriever searches; auto: Google, with keys."
    )
    search_queries: int = Field(4, ge=1, le=16, description="Queries that a run sends to the search engine.")
    search_pages: int = Field(3, ge=1, le=16, description="Web pages read for each solution path.")
    model_cards: tuple[AbsolutePath, ...] = Field((), description="Markdown files with models of yours, tried first.")

    token_budget: int | None = Field(None, ge=1, description="Tokens that the run may take, read and written.")
    cost_budget: float | None = Field(None, gt=0, description="US dollars that the run's model calls may cost.")
    prices: AbsolutePath | None = Field(None, description="YAML file of prices, which come before the built-in ones.")
    context_tokens: int | None = Field(None, ge=2048, description="Most tokens of a prompt and its reply together.")
    review: Literal["off", "plan"] = Field("off", description="plan: ask a person before a block is refined.")
    reply_cache: AbsolutePath | None = Field(
        None, description="SQLite file of replies; the same request is not paid twice."
    )

    execution_backend: Literal["local", "docker", "ray"] = Field(
        "local", description="Where scripts run: here, in containers, or on a Ray cluster."
    )
    docker_image: str | None = Field(None, description="Docker: the image with Python and the packages.")
    docker_url: str | None = Field(None, description="Docker: the engine's address; left out: as DOCKER_HOST says.")
    script_cpus: int = Field(1, ge=1, le=1024, description="Ray: CPUs of a script.")
    script_gpus: float = Field(0, ge=0, le=64, description="Ray: GPUs of a script; may be a part of one.")
    ray_address: str | None = Field(None, description="Ray: host:port or ray://host:port; left out: this machine's.")
    ray_shared_data: bool = Field(False, description="Ray: the data's path is the same on every node; ship nothing.")

    @classmethod
    def load(cls, yaml_file: Path | None = None, **given: Any) -> Self:
        """Read the settings, with a YAML file as the weakest source.

        Raises:
            pydantic.ValidationError: A value is out of bounds, or a field is unknown.
        """
        if yaml_file is None:
            return cls(**given)

        class WithFile(cls):  # type: ignore[misc, valid-type]
            yaml_source = yaml_file

        return cls(**WithFile(**given).model_dump())

    @model_validator(mode="after")
    def _another_provider_needs_a_name(self) -> Self:
        default = self.models.get("default", ModelChoice()).provider or self.model_provider
        for role, choice in self.models.items():
            inherited = self.model_provider if role == "default" else default
            if choice.provider not in (None, "offline", inherited) and not choice.id:
                raise ValueError(f"models.{role} names the provider {choice.provider}, so it needs the model's id too")
        return self

    def _choice(self, field: str, *roles: str) -> Any:
        """Return what the first of the roles chooses."""
        choices = (getattr(self.models[role], field) for role in roles if role in self.models)
        return next((value for value in choices if value is not None), None)

    def model_spec(self, agent: str) -> ModelSpec:
        """Say which model an agent asks.

        What another provider's model was given (its address, its key) does not go to this one's.
        """
        provider: Provider = self._choice("provider", agent, "default") or self.model_provider
        default = self._choice("provider", "default") or self.model_provider
        roles = (agent, "default") if provider == default else (agent,)
        own = {"ollama": self.ollama_base_url, "openai": self.openai_base_url}.get(provider)
        base_url = self._choice("base_url", *roles) or own
        temperature = self._choice("temperature", agent, "default")
        return ModelSpec(
            provider=provider,
            id="offline" if provider == "offline" else self._choice("id", *roles) or self.model_id,
            base_url=base_url,
            temperature=self.temperature if temperature is None else temperature,
            max_tokens=min(self.max_tokens, (self.context_tokens or 2 * self.max_tokens) // 2),
            context_tokens=self.context_tokens,
            limit_name=limit_name(base_url),
            timeout=self.model_timeout,
            seed=self.seed,
            parallel_calls=self.parallel_calls,
            api_key_env=self._choice("api_key_env", *roles) or self.openai_api_key_env,
        )

    def model_specs(self) -> dict[ModelSpec, tuple[str, ...]]:
        """List the distinct models that a run asks, each with the agents that ask it."""
        found: dict[ModelSpec, tuple[str, ...]] = {}
        for agent in AGENTS:
            spec = self.model_spec(agent)
            found[spec] = (*found.get(spec, ()), agent)
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources, strongest first."""
        given = init_settings()

        def beneath(source: PydanticBaseSettingsSource, without: tuple[str, ...] = ()) -> Any:
            """Leave out what is given: pydantic-settings would join the dictionaries of two sources."""
            return lambda: {k: v for k, v in source().items() if k not in given and not k.startswith(without)}

        yaml = YamlConfigSettingsSource(settings_cls, cls.yaml_source)
        return init_settings, beneath(env_settings), beneath(dotenv_settings, without=SERVERS), beneath(yaml)
