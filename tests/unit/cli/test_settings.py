"""The options of `mle-star run`, as settings and task facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError, TaskError
from mle_star.terminal.settings import TASK_FACTS, load_config, option_help, read_task

OPTIONS = {"num_retrieved_models": "--models", "time_limit": "--time-limit", "model_provider": "--provider"}


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "train.csv").write_text("id,x,y\n1,2,3\n")
    (folder / "test.csv").write_text("id,x\n1,2\n")
    (folder / "description.md").write_text("Predict y; judged by RMSE.")
    return folder


def test_what_is_not_given_is_left_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_NUM_RETRIEVED_MODELS", "7")
    assert load_config({"num_retrieved_models": None}, None, OPTIONS).num_retrieved_models == 7


def test_what_is_given_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_NUM_RETRIEVED_MODELS", "7")
    assert load_config({"num_retrieved_models": 3}, None, OPTIONS).num_retrieved_models == 3


def test_the_file_is_the_weakest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("num_retrieved_models: 5\nseed: 9\n")
    monkeypatch.setenv("MLE_STAR_NUM_RETRIEVED_MODELS", "7")
    config = load_config({}, file, OPTIONS)
    assert (config.num_retrieved_models, config.seed) == (7, 9)


def test_a_flag_that_was_turned_off_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config({"leakage_check": False}, None, OPTIONS).leakage_check is False


def test_durations_have_units() -> None:
    config = load_config({"time_limit": "2h", "script_timeout": "90"}, None, OPTIONS)
    assert (config.time_limit, config.script_timeout) == (7200, 90)


def test_no_time_limit_can_be_asked_for() -> None:
    assert load_config({"time_limit": "none"}, None, OPTIONS).time_limit is None


def test_a_script_cannot_be_given_endless_time() -> None:
    with pytest.raises(ConfigError, match=r"^--script-timeout: a limit is needed: give seconds, or 30m, 2h, 1h30m$"):
        load_config({"script_timeout": "none"}, None, {"script_timeout": "--script-timeout"})


def test_a_wrong_duration_names_its_option() -> None:
    with pytest.raises(ConfigError, match="--time-limit: 'soon' is not a duration"):
        load_config({"time_limit": "soon"}, None, OPTIONS)


def test_a_value_out_of_bounds_names_its_option_and_its_field_in_one_line() -> None:
    with pytest.raises(ConfigError) as error:
        load_config({"num_retrieved_models": 0, "model_provider": "acme"}, None, OPTIONS)
    text = str(error.value)
    assert "--models (num_retrieved_models): has to be greater than or equal to 1, not 0" in text
    assert "--provider (model_provider): has to be 'ollama', 'bedrock', 'openai' or 'offline', not 'acme'" in text
    assert "\n" not in text


def test_an_option_that_is_called_like_its_field_is_named_once() -> None:
    with pytest.raises(ConfigError, match=r"^--time-limit: has to be a finite number, not inf$"):
        load_config({"time_limit": "9" * 400}, None, OPTIONS)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"models": {"coder": {"provider": "openai"}}}, "models.coder names the provider openai, so it needs"),
        ({"openai_base_url": "https://me:secret@host"}, "openai_base_url: a server's address holds no user name"),
    ],
)
def test_an_error_in_our_own_words_does_not_repeat_what_was_given(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{text}") as error:
        load_config(given, None, OPTIONS)
    assert "secret" not in str(error.value)
    assert "{" not in str(error.value)


def test_a_wrong_value_of_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLE_STAR_SEED", "many")
    with pytest.raises(ConfigError, match="MLE_STAR_SEED"):
        load_config({}, None, OPTIONS)


@pytest.mark.parametrize("content", ["models: 3\n", "a: [", "- one\n- two\n"])
def test_a_file_that_is_no_settings_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        load_config({}, file, OPTIONS)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match=r"--config: there is no file nowhere\.yaml"):
        load_config({}, Path("nowhere.yaml"), OPTIONS)


def test_given_facts_take_the_place_of_those_found(task: Path) -> None:
    found = read_task(task, {"evaluation_metric": "mae", "target": ["y"], "id_column": None}, {})
    assert (found.evaluation_metric, found.target, found.id_column) == ("mae", "y", None)
    assert found.description == "Predict y; judged by RMSE."


def test_several_targets_can_be_given(task: Path) -> None:
    assert read_task(task, {"target": ["y", "z"]}, {}).target == ("y", "z")


def test_a_wrong_fact_names_its_option(task: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"--direction \(metric_direction\): has to be 'maximize' or 'minimize', not 'sideways'"
    ):
        read_task(task, {"metric_direction": "sideways"}, {"metric_direction": "--direction"})


def test_a_task_that_is_not_there_is_said() -> None:
    with pytest.raises(TaskError, match="there is no such folder"):
        read_task(Path("nowhere"), {}, {})


def test_every_setting_and_fact_has_help_with_its_bounds_and_default() -> None:
    texts = option_help()
    assert texts.keys() == MLEStarConfig.model_fields.keys() | TASK_FACTS.keys()
    assert texts["num_retrieved_models"].endswith("[1 to 64; default: 4]")
    assert texts["time_limit"].endswith("[seconds, or 30m, 2h, none; default: 24h]")
    assert texts["script_timeout"].endswith("[seconds, or 30m, 2h; default: 1h]")
    assert "ollama, bedrock, openai, offline; default: ollama" in texts["model_provider"]
    assert "maximize, minimize" in texts["metric_direction"]
