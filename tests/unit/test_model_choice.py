"""Which model an agent asks: what a person chooses, what is left to the defaults, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import mle_star.agents
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.models.language_model import AGENTS, BaseURL
from mle_star.terminal.settings import load_config


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(models: Any, **more: Any) -> MLEStarConfig:
    return MLEStarConfig(models=models, **more)


def test_the_roles_are_the_14_agents() -> None:
    modules = {path.stem for path in Path(mle_star.agents.__file__ or "").parent.glob("[!_]*.py")}
    assert set(AGENTS) == modules
    assert len(AGENTS) == 14


def test_without_a_choice_every_agent_asks_the_same_model() -> None:
    ((spec, agents),) = MLEStarConfig(model_id="m", temperature=0.1).model_specs().items()
    assert (spec.provider, spec.id, spec.base_url, spec.temperature) == ("ollama", "m", "http://localhost:11434", 0.1)
    assert agents == AGENTS


def test_an_agents_choice_is_its_own_and_the_rest_is_the_default() -> None:
    chosen = config({"default": {"id": "small"}, "coder": {"id": "big", "temperature": 0.0}})
    assert chosen.model_spec("planner").id == "small"
    assert (chosen.model_spec("coder").id, chosen.model_spec("coder").temperature) == ("big", 0.0)


def test_agents_with_the_same_model_share_it() -> None:
    chosen = config({"coder": {"id": "big"}, "debugger": {"id": "big"}})
    assert sorted(map(len, chosen.model_specs().values())) == [2, 12]


def test_what_another_providers_model_was_given_does_not_go_to_this_ones() -> None:
    default = {"provider": "openai", "id": "m", "base_url": "http://a/v1", "api_key_env": "A_KEY"}
    spec = config({"default": default, "coder": {"provider": "ollama", "id": "big"}}).model_spec("coder")
    assert (spec.base_url, spec.api_key_env) == ("http://localhost:11434", "OPENAI_API_KEY")


def test_the_limit_has_its_newer_name_where_that_is_asked_for() -> None:
    names = [
        MLEStarConfig(model_provider="openai", model_id="m", openai_base_url=url).model_spec("coder").limit_name
        for url in (None, "https://api.openai.com/v1", "http://localhost:8000/v1")
    ]
    assert names == ["max_completion_tokens", "max_completion_tokens", "max_tokens"]


@pytest.mark.parametrize("role", ["codr", "Coder", "", "everyone"])
def test_a_role_that_is_no_agents_is_refused_by_name(role: str) -> None:
    with pytest.raises(ValidationError, match="models"):
        config({role: {"id": "m"}})
    with pytest.raises(ConfigError, match=f"models.*{role!r}"):
        load_config({"models": {role: {"id": "m"}}}, None, {})


@pytest.mark.parametrize(
    ("choice", "what"),
    [
        ({"provider": "gemini", "id": "m"}, "provider"),
        ({"id": ""}, "id"),
        ({"temperature": 3}, "temperature"),
        ({"api_key": "sk-123"}, "api_key"),
        ({"base_url": "localhost:8000"}, "base_url"),
        ({"base_url": "https://me:secret@host/v1"}, "base_url"),
        ({"base_url": "https://host/v1?key=secret"}, "base_url"),
        ({"api_key_env": "sk-1234567890"}, "api_key_env"),
        ({"provider": "openai"}, "needs the model's id"),
    ],
)
def test_a_choice_that_can_not_be_is_refused_by_name(choice: Any, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        config({"coder": choice})


def test_a_secret_in_the_address_of_a_server_is_refused() -> None:
    with pytest.raises(ValidationError, match="keys come from the environment"):
        MLEStarConfig(openai_base_url="https://me:secret@host/v1")


@given(st.from_regex(TypeAdapter(BaseURL).json_schema()["pattern"], fullmatch=True))
def test_every_address_that_the_schema_allows_is_taken_and_names_a_host(url: str) -> None:
    assert TypeAdapter(BaseURL).validate_python(url) == url
    assert urlsplit(url).hostname


def test_models_are_read_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_MODELS", '{"coder": {"id": "big"}}')
    assert MLEStarConfig().model_spec("coder").id == "big"


def test_models_are_read_from_yaml_and_join_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("models:\n  coder: {id: from-yaml}\n  debugger: {id: from-yaml, temperature: 0.2}\n")
    monkeypatch.setenv("MLE_STAR_MODELS", '{"coder": {"id": "from-environment"}}')
    read = MLEStarConfig.load(file)
    assert read.model_spec("coder").id == "from-environment"
    assert (read.model_spec("debugger").id, read.model_spec("debugger").temperature) == ("from-yaml", 0.2)


def test_chosen_models_survive_being_written_down() -> None:
    chosen = config({"coder": {"provider": "openai", "id": "m", "base_url": "http://a/v1"}})
    assert MLEStarConfig.model_validate_json(chosen.model_dump_json()) == chosen


def test_the_embedded_model_may_take_an_agents_part() -> None:
    spec = config({"summarizer": {"provider": "offline"}}).model_spec("summarizer")
    assert (spec.provider, spec.id) == ("offline", "offline")
