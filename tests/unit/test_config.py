"""The settings of a run: bounds, sources and their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mle_star.models.config import MLEStarConfig


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_retrieved_models", 0), ("num_retrieved_models", 65), ("outer_loop_iterations", -1),
        ("inner_loop_iterations", 0), ("ensemble_iterations", -1), ("num_solutions", 0), ("max_debug_retries", -1),
        ("subsample_size", 99), ("seed", -1), ("seed", 2**31), ("temperature", 2.5), ("max_tokens", 1),
        ("model_id", ""), ("model_provider", "anthropic"), ("ollama_base_url", "localhost:11434"),
        ("openai_base_url", "ftp://x"), ("model_timeout", 0), ("reply_retries", 9), ("time_limit", 0),
        ("search_engine", "bing"), ("search_queries", 0), ("search_pages", 17),
        ("script_timeout", -1), ("parallel_scripts", 0), ("num_solutions", "two"),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_refused_under_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        MLEStarConfig(**{field: value})


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(
    "field", [name for name, field in MLEStarConfig.model_fields.items() if field.annotation in (float, float | None)]
)
def test_no_number_without_an_end_is_taken(field: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match=field):
        MLEStarConfig(**{field: float(value)})  # type: ignore[arg-type]
    monkeypatch.setenv(f"MLE_STAR_{field.upper()}", value)
    with pytest.raises(ValidationError, match=field):
        MLEStarConfig()


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="num_models"):
        MLEStarConfig(num_models=3)  # type: ignore[call-arg]


def test_the_defaults_are_the_papers() -> None:
    config = MLEStarConfig()
    loops = (config.num_retrieved_models, config.outer_loop_iterations, config.inner_loop_iterations)
    assert (*loops, config.ensemble_iterations, config.num_solutions, config.time_limit) == (4, 4, 4, 5, 2, 86_400)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MLEStarConfig().seed = 1  # type: ignore[misc]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the seed in some of the four sources; returns the config that is read."""

    def read(*names: str) -> MLEStarConfig:
        file = tmp_path / "settings.yaml"
        file.write_text("seed: 4\n" if "yaml" in names else "num_solutions: 1\n")
        if ".env" in names:
            (tmp_path / ".env").write_text("MLE_STAR_SEED=3\n")
        if "environment" in names:
            monkeypatch.setenv("MLE_STAR_SEED", "2")
        return MLEStarConfig.load(file, **({"seed": 1} if "argument" in names else {}))

    return read


@pytest.mark.parametrize(
    ("names", "seed"),
    [
        (("argument", "environment", ".env", "yaml"), 1),
        (("environment", ".env", "yaml"), 2),
        ((".env", "yaml"), 3),
        (("yaml",), 4),
        ((), 42),
    ],
)
def test_the_strongest_source_wins(sources: Any, names: tuple[str, ...], seed: int) -> None:
    assert sources(*names).seed == seed


def test_weaker_sources_fill_in_what_stronger_ones_leave_open(sources: Any) -> None:
    config = sources("environment", ".env")
    assert (config.seed, config.num_solutions) == (2, 1)


def test_a_given_default_value_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_SEED", "7")
    assert MLEStarConfig(seed=42).seed == 42


@pytest.fixture
def _models_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the model of one agent in each of the weaker sources."""
    monkeypatch.setenv("MLE_STAR_MODELS", '{"coder": {"id": "environment", "temperature": 1}}')
    (tmp_path / ".env").write_text('MLE_STAR_MODELS={"planner": {"id": "env-file"}}\n')
    (tmp_path / "settings.yaml").write_text("models:\n  debugger: {id: yaml}\n")


@pytest.mark.usefixtures("_models_everywhere")
@pytest.mark.parametrize("models", [{}, {"coder": {"id": "given"}}, {"merger": {"id": "given"}}])
def test_models_that_are_given_are_not_joined_with_those_of_weaker_sources(models: Any) -> None:
    for config in (MLEStarConfig(models=models), MLEStarConfig.load(Path("settings.yaml"), models=models)):
        assert config.model_dump(exclude_none=True)["models"] == models


@pytest.mark.usefixtures("_models_everywhere")
def test_models_of_the_weaker_sources_are_joined() -> None:
    assert MLEStarConfig.load(Path("settings.yaml")).models.keys() == {"coder", "planner", "debugger"}


@pytest.mark.usefixtures("_models_everywhere")
def test_the_models_of_a_run_are_read_back_as_they_were() -> None:
    config = MLEStarConfig(models={"merger": {"id": "given"}})  # type: ignore[dict-item]
    assert MLEStarConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("field", ["prompts_dir", "prices", "reply_cache", "model_cards"])
def test_what_a_run_reads_is_found_from_any_folder(field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def read(path: str) -> Any:
        value = getattr(MLEStarConfig(**{field: (path,) if field == "model_cards" else path}), field)  # type: ignore[arg-type]
        return value[0] if field == "model_cards" else value

    assert read("mine") == tmp_path / "mine"
    assert read("~/mine") == tmp_path / "home" / "mine"
    assert read("~nobody-of-that-name/mine") == tmp_path / "~nobody-of-that-name" / "mine"


def test_other_peoples_keys_in_the_env_file_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-1\nAWS_REGION=eu-west-1\nDATABASE_URL=x\nMLE_STAR_SEED=5\n")
    assert MLEStarConfig().seed == 5


def test_no_key_of_the_env_file_ends_up_in_the_config(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-secret\n")
    assert "sk-secret" not in MLEStarConfig().model_dump_json()


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_SEED", "")
    assert MLEStarConfig().seed == 42


def test_a_wrong_value_in_the_environment_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_NUM_SOLUTIONS", "0")
    with pytest.raises(ValidationError, match="num_solutions"):
        MLEStarConfig()


def test_an_unknown_key_in_the_settings_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("number_of_solutions: 1\n")
    with pytest.raises(ValidationError, match="number_of_solutions"):
        MLEStarConfig.load(tmp_path / "settings.yaml")


def test_a_config_survives_being_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    config = MLEStarConfig(seed=1, time_limit=None, runs_dir=Path("elsewhere"))
    text = config.model_dump_json()
    monkeypatch.setenv("MLE_STAR_NUM_SOLUTIONS", "3")
    monkeypatch.setenv("MLE_STAR_TIME_LIMIT", "5")
    assert MLEStarConfig.model_validate_json(text) == config
