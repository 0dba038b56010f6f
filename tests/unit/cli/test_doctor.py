"""What the doctor finds, and what it says to do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mle_star.models.config import MLEStarConfig
from mle_star.models.language_model import ModelSpec
from mle_star.terminal import doctor
from mle_star.terminal.doctor import Check, check_keys, check_models, check_packages, check_runs_dir, try_imports
from mle_star.tools.preflight import Problem

LIBGOMP = "OSError: libgomp.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def report(checks: list[Check], monkeypatch: pytest.MonkeyPatch) -> tuple[bool, str]:
    monkeypatch.setattr(doctor, "examine", lambda config: iter(checks))
    console = Console(file=io.StringIO(), width=200)
    possible = doctor.run_doctor(console, MLEStarConfig())
    assert isinstance(console.file, io.StringIO)
    return possible, console.file.getvalue()


def test_lightgbm_without_libgomp_is_told_what_to_install() -> None:
    checks = list(check_packages({"numpy": "", "lightgbm": LIBGOMP}))
    assert [check.level for check in checks] == ["ok", "warn"]
    assert "apt-get install libgomp1" in checks[1].remedy


def test_a_package_that_every_script_needs_fails() -> None:
    (check,) = check_packages({"sklearn": "ModuleNotFoundError: No module named 'sklearn'"})
    assert check.level == "fail"
    assert check.remedy.endswith("scikit-learn")


def test_packages_are_really_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crashing.py").write_text("import os\nos.abort()\n")
    (tmp_path / "failing.py").write_text("raise OSError('libgomp.so.1: cannot open')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    problems = try_imports(["json", "failing", "crashing", "csv"])
    assert problems["json"] == problems["csv"] == ""
    assert "libgomp" in problems["failing"]
    assert "crashes Python" in problems["crashing"]


@pytest.fixture
def _away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def problem(spec: ModelSpec) -> Problem | None:
        return Problem(f"{spec.label} does not answer: refused", "Start it") if spec.id == "away" else None

    monkeypatch.setattr("mle_star.tools.preflight.model_problem", problem)


@pytest.mark.usefixtures("_away")
async def test_a_model_that_was_chosen_and_does_not_answer_fails_with_what_to_do() -> None:
    (check,) = await check_models(MLEStarConfig(model_id="away"))
    assert check == Check("fail", "model", "ollama model away does not answer: refused", "Start it")


async def test_nobody_chose_the_default_model_so_it_may_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def problem(spec: ModelSpec) -> Problem:
        return Problem("It is away", "Start it")

    monkeypatch.setattr("mle_star.tools.preflight.model_problem", problem)
    (check,) = await check_models(MLEStarConfig())
    assert check.level == "warn"


@pytest.mark.usefixtures("_away")
async def test_each_model_is_called_and_named_with_the_agents_that_ask_it() -> None:
    models: Any = {"coder": {"id": "away"}, "debugger": {"id": "away"}, "planner": {"provider": "offline"}}
    rest, coder, planner = sorted(await check_models(MLEStarConfig(models=models)), key=lambda check: len(check.found))[
        ::-1
    ]
    assert (rest.level, coder.level, planner.level) == ("ok", "fail", "ok")
    assert coder.found.endswith("asked by coder, debugger")
    assert planner.found.startswith("the embedded model, asked by planner")


def test_keys_are_never_printed() -> None:
    values = {"OPENAI_API_KEY": "sk-secret", "AWS_PROFILE": "hidden-profile", "GOOGLE_API_KEY": "g-secret"}
    checks = list(check_keys(values, "openai"))
    assert {check.level for check in checks} == {"ok"}
    assert not any(value in repr(checks) for value in values.values())


def test_a_key_that_is_missing_is_named() -> None:
    checks = {check.what: check for check in check_keys({}, "openai")}
    assert checks["openai"].level == "warn"
    assert "the provider that the settings name" in checks["openai"].found
    assert "AWS_REGION" in checks["bedrock"].remedy


def test_the_runs_folder_is_left_as_it_was_found(tmp_path: Path) -> None:
    assert check_runs_dir(tmp_path / "runs").level == "ok"
    assert not (tmp_path / "runs").exists()


def test_runs_that_can_not_be_written_fail(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = check_runs_dir(tmp_path / "file" / "runs")
    assert check.level == "fail"
    assert "--runs-dir" in check.remedy


def test_a_warning_does_not_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    possible, text = report([Check("ok", "python", "3.11"), Check("warn", "ollama", "away", "start it")], monkeypatch)
    assert possible
    assert "start it" in text
    assert "--provider offline" in text


def test_a_failure_does(monkeypatch: pytest.MonkeyPatch) -> None:
    possible, text = report([Check("fail", "python", "3.9", "install 3.11")], monkeypatch)
    assert not possible
    assert "No run is possible" in text


@pytest.mark.integration
async def test_a_script_is_really_run_and_pinned() -> None:
    check = await doctor.check_script(MLEStarConfig())
    assert check.level == "ok", check
