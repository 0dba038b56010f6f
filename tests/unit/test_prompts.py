"""Prompts are data: each is filled in strictly, and can be replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import prompts
from graphs import pipeline
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.tools.preflight import check_settings
from tests.stage import GARBAGE, SMALL, play, whole_run

KNOWN = {"task", "environment", "direction", "subsample"}
"""What every prompt is given."""


@pytest.fixture(scope="module")
def given() -> dict[str, set[str]]:
    """Note which values each prompt is given in a run that asks every agent."""
    found: dict[str, set[str]] = {}

    def render(name: str, folder: Path | None, /, **values: object) -> str:
        found.setdefault(name, set(values))
        return prompts.render(name, folder, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mle_star.tools.ask.render", render)
        for coder in ({}, {"coder": lambda prompt: GARBAGE}):  # without a usable block, the whole script is asked for
            stage = whole_run()
            stage.replies |= coder
            play(pipeline.graph, stage, **(SMALL | {"ensemble_iterations": 2}))
    return found


@pytest.mark.parametrize("name", prompts.NAMES)
def test_a_prompt_asks_for_no_value_that_its_agent_does_not_give(name: str, given: dict[str, set[str]]) -> None:
    assert set(prompts.load(name).get_identifiers()) <= given[name]


@pytest.mark.parametrize("name", prompts.NAMES)
def test_an_agent_gives_no_value_that_its_prompt_does_not_show(name: str, given: dict[str, set[str]]) -> None:
    assert given[name] - KNOWN <= set(prompts.load(name).get_identifiers())


@pytest.mark.parametrize("name", prompts.NAMES)
def test_a_prompt_opens_with_its_name(name: str) -> None:
    text = prompts.load(name).template
    assert text.startswith(f"# {name}\n")


@pytest.mark.parametrize("name", prompts.NAMES)
def test_a_prompt_leaves_nothing_unfilled(name: str) -> None:
    template = prompts.load(name)
    text = prompts.render(name, **{key: f"<{key}>" for key in template.get_identifiers()})
    assert not re.search(r"\$\w", text)


@pytest.mark.parametrize("name", ["candidate_evaluator", "merger", "data_usage_checker", "debugger", "ensembler"])
def test_the_prompts_that_ask_for_whole_scripts_name_the_rules(name: str) -> None:
    assert "Final Validation Performance: <number>" in prompts.load(name).template


@pytest.mark.parametrize(
    "name", [name for name in prompts.NAMES if "$script_rules" in (prompts.HERE / f"{name}.md").read_text()]
)
def test_the_shared_rules_are_put_in(name: str) -> None:
    assert "Rules for every script:" in prompts.load(name).template


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError, match="script"):
        prompts.render("summarizer", output="o")


def test_a_dollar_sign_in_a_value_is_left_alone() -> None:
    assert "cost = '$5 $script'" in prompts.render("summarizer", script="cost = '$5 $script'", output="o")


def test_a_prompt_can_be_replaced_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "summarizer.md").write_text("# summarizer\nBriefly: $output")
    assert prompts.render("summarizer", tmp_path, script="s", output="o") == "# summarizer\nBriefly: o"


def test_prompts_that_are_not_in_the_folder_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "summarizer.md").write_text("# summarizer\n")
    assert prompts.load("coder", tmp_path).template == prompts.load("coder").template


def test_the_shared_rules_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "script_rules.md").write_text("Only one rule.")
    assert "Only one rule." in prompts.load("debugger", tmp_path).template


def test_a_replacement_with_an_unknown_placeholder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "summarizer.md").write_text("$output $score")
    with pytest.raises(ValueError, match=r"unknown placeholder \$score"):
        prompts.load("summarizer", tmp_path)


def test_a_replacement_with_a_stray_dollar_sign_is_refused(tmp_path: Path) -> None:
    (tmp_path / "summarizer.md").write_text("It costs $ 5")
    with pytest.raises(ValueError, match="summarizer"):
        prompts.load("summarizer", tmp_path)


@pytest.mark.parametrize(
    ("files", "reason"),
    [({"sumarizer.md": "x"}, "prompt"), ({}, "no prompt"), ({"summarizer.md": "$nothing"}, "unknown placeholder")],
)
def test_a_folder_of_prompts_that_cannot_be_used_is_refused_before_the_run(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=reason):
        check_settings(MLEStarConfig(prompts_dir=tmp_path))


def test_a_folder_of_prompts_that_is_not_there_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        check_settings(MLEStarConfig(prompts_dir=tmp_path / "none"))
