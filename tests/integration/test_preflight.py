"""What is found before a run starts, by one cheap call, and what a person is told to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mle_star.cli import main
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.tools import calling, preflight
from mle_star.tools.preflight import check_models
from tests.support import make_task_folder
from tests.wire import KEY, MODEL, PROVIDERS, Answer, Asked, Raw, Refused, Silent, WireServer, by_turns, embedded, keys

__all__ = ["keys"]
pytestmark = pytest.mark.usefixtures("keys")
every_provider = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        return

    monkeypatch.setattr(calling, "_sleep", at_once)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give an address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


async def refusal(**settings: Any) -> str:
    with pytest.raises(ConfigError) as error:
        await check_models(MLEStarConfig(**settings))
    assert "\n" not in str(error.value)
    return str(error.value)


@every_provider
async def test_a_model_that_answers_is_called_once(provider: str) -> None:
    with WireServer(embedded) as server:
        await check_models(MLEStarConfig(**server.settings(provider)))
    assert len(server.asked) == 1


async def test_each_distinct_model_is_called_once() -> None:
    with WireServer(embedded, models=(MODEL, "small", "hot")) as server:
        models = server.settings("openai")["models"] | {
            "coder": {"id": "small"}, "debugger": {"id": "small"}, "planner": {"temperature": 1.5},
            "summarizer": {"provider": "offline"},
        }  # fmt: skip
        await check_models(MLEStarConfig(models=models))
    assert sorted((asked.model, asked.temperature) for asked in server.asked) == [
        ("small", 0.7), (MODEL, 0.7), (MODEL, 1.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "remedy"),
    [("ollama", "OLLAMA_API_KEY"), ("openai", "Set OPENAI_API_KEY"), ("bedrock", "AWS_SECRET_ACCESS_KEY")],
)
async def test_a_wrong_key_names_the_variable_to_set(provider: str, remedy: str) -> None:
    with WireServer(lambda asked: Refused(401, "invalid key")) as server:
        text = await refusal(**server.settings(provider))
    assert "invalid key" in text
    assert remedy in text


async def test_a_key_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    text = await refusal(model_provider="openai", model_id="gpt-x")
    assert "OPENAI_API_KEY is not set" in text


async def test_the_key_comes_from_the_variable_that_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELSEWHERE_API_KEY", "sk-elsewhere-42")
    with WireServer(embedded, key="sk-elsewhere-42") as server:
        address = {"model_provider": "openai", "model_id": MODEL, "openai_base_url": f"{server.url}/v1"}
        assert "OPENAI_API_KEY" in await refusal(**address)
        await check_models(MLEStarConfig(**address, openai_api_key_env="ELSEWHERE_API_KEY"))


async def test_a_key_in_the_env_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-from-the-file\n")
    with WireServer(embedded, key="sk-from-the-file") as server:
        await check_models(MLEStarConfig(**server.settings("openai")))
    monkeypatch.delenv("OPENAI_API_KEY")


async def test_a_model_that_is_not_pulled_is_told_from_a_server_that_is_down(nowhere: str) -> None:
    with WireServer(embedded, models=("llama3:8b", "qwen3:4b")) as server:
        text = await refusal(ollama_base_url=server.url)
    assert "which has llama3:8b, qwen3:4b" in text
    assert "`ollama pull gemma3:27b`" in text
    text = await refusal(ollama_base_url=nowhere)
    assert "`ollama serve`" in text
    assert "pull" not in text


async def test_another_server_where_ollama_should_be_is_said_to_be() -> None:
    with WireServer(embedded) as server:
        assert "is no Ollama" in await refusal(ollama_base_url=f"{server.url}/v1")


@pytest.mark.parametrize("provider", ["openai", "bedrock"])
async def test_an_unknown_model_is_said_to_be(provider: str) -> None:
    with WireServer(embedded, models=("another",)) as server:
        text = await refusal(**server.settings(provider))
    assert f"model '{MODEL}' not found" in text
    assert "heck the model's name" in text


@pytest.mark.parametrize("provider", ["openai", "bedrock"])
async def test_a_server_that_is_down_is_said_to_be(provider: str, nowhere: str) -> None:
    models: Any = {"default": {"provider": provider, "id": "m", "base_url": nowhere}}
    text = await refusal(models=models)
    assert f"{provider} model m does not answer" in text


@every_provider
async def test_a_server_that_speaks_something_else_is_said_to(provider: str) -> None:
    with WireServer(lambda asked: Raw("<html>Welcome to nginx!</html>")) as server:
        assert "does not answer" in await refusal(**server.settings(provider))


@every_provider
async def test_a_server_that_never_answers_is_given_up(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(preflight, "OLLAMA_SECONDS", 0.5)
    with WireServer(lambda asked: Silent()) as server:
        assert "no reply in time" in await refusal(**server.settings(provider))


@every_provider
async def test_a_server_that_is_busy_for_a_moment_is_no_reason_not_to_start(provider: str) -> None:
    with WireServer(by_turns(Refused(429), "ready")) as server:
        await check_models(MLEStarConfig(**server.settings(provider)))


@every_provider
async def test_a_parameter_that_a_model_does_not_take_is_no_reason_not_to_start(provider: str) -> None:
    def fixed(asked: Asked) -> Answer:
        return Refused(400, "`temperature` is deprecated for this model") if asked.temperature is not None else "ready"

    with WireServer(fixed) as server:
        await check_models(MLEStarConfig(**server.settings(provider)))


async def test_the_agents_of_a_model_that_is_away_are_named() -> None:
    with WireServer(embedded) as server:
        models = server.settings("openai")["models"] | {"coder": {"id": "b"}, "debugger": {"id": "b"}}
        text = await refusal(models=models)
    assert "openai model b" in text
    assert "(asked by coder, debugger)" in text


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_run_and_the_doctor_leave_with_exit_code_2(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_task_folder(tmp_path / "task")
    with WireServer(lambda asked: Refused(401, f"wrong key {KEY}")) as server:
        folder = [str(tmp_path / "task")] if command == "run" else []
        options = ["--provider", "openai", "--model", MODEL, "--openai-url", f"{server.url}/v1"]
        assert main([command, *folder, *options]) == 2
    printed = "".join(capsys.readouterr())
    assert "OPENAI_API_KEY" in printed
    assert KEY not in printed
    assert not (tmp_path / "runs").exists()
