"""The one place where a script is checked for leakage, run and repaired."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphs import evaluation
from mle_star.agents.debugger import what_is_installed
from mle_star.models.state import Draft
from tests.stage import GARBAGE, Play, Stage, play, verdict
from tests.support import fenced, section


def evaluate(
    stage: Stage,
    script: str,
    *,
    step: str = "p1.candidate1",
    cleared: tuple[str, ...] = (),
    delivers: Any = "score",
    **settings: Any,
) -> Play:
    """Evaluate a draft."""
    draft = Draft(step=step, agent="candidate_evaluator", script=script, delivers=delivers, cleared=cleared)
    return play(evaluation.graph, stage, {"draft": draft}, **settings)


def outcome(played: Play) -> Any:
    """Say what became of the draft."""
    return played.state["outcome"]


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_the_debugger_is_asked_as_often_as_is_allowed(allowed: int) -> None:
    stage = Stage(debugger=lambda p: stage.answer("fails", f"repair = {len(stage.outcomes)}"))
    evaluate(stage, stage.write("fails"), max_debug_retries=allowed)
    assert stage.counts()["debugger"] == allowed


def test_the_debugger_is_asked_anew_when_its_last_reply_could_not_be_used() -> None:
    replies = iter([GARBAGE, ""])
    stage = Stage(debugger=lambda p: next(replies, "") or stage.answer(0.5, "repaired = 1"))
    evaluate(stage, stage.write("fails"), max_debug_retries=3, reply_retries=0)
    assert [type(one).__name__ for one in stage.log if getattr(one, "name", "") != "leakage_detect"].count("Ran") == 2


def test_the_debugger_gets_the_script_that_failed_last_and_its_error() -> None:
    stage = Stage(debugger=lambda p: stage.answer("fails", "first = 1"))
    first = stage.write("fails")
    evaluate(stage, first, max_debug_retries=2)
    scripts = [question.part("script").strip() for question in stage.asked("debugger")]
    assert scripts == [first.strip(), stage.ran()[1].script.strip()]
    assert "RuntimeError" in stage.asked("debugger")[0].part("error")


def test_the_repaired_script_goes_on_with_its_own_score() -> None:
    stage = Stage(debugger=lambda p: stage.answer(0.6, "repaired = True"))
    played = evaluate(stage, stage.write("fails"), max_debug_retries=2)
    assert "repaired = True" in outcome(played).solution.script
    assert outcome(played).solution.score == 0.6


def test_a_script_that_runs_is_not_repaired() -> None:
    stage = Stage()
    evaluate(stage, stage.write(0.5), max_debug_retries=2)
    assert stage.counts()["debugger"] == 0


def test_a_script_that_prints_no_score_is_repaired() -> None:
    stage = Stage(debugger=lambda p: stage.answer(0.6))
    assert outcome(evaluate(stage, stage.write("no score"), max_debug_retries=1)).solution.score == 0.6


def test_a_study_needs_no_score() -> None:
    stage = Stage()
    assert outcome(evaluate(stage, stage.write("no score"), delivers="output", max_debug_retries=1)).result.ok
    assert stage.counts()["debugger"] == 0


def test_a_script_that_fails_for_good_has_no_score() -> None:
    stage = Stage(debugger=lambda p: GARBAGE)
    assert outcome(evaluate(stage, stage.write("fails"), max_debug_retries=2)).solution.score is None


def test_a_script_that_did_not_change_is_not_run_again() -> None:
    stage = Stage(debugger=lambda p: fenced(section(p, "script")))
    evaluate(stage, stage.write("fails"), max_debug_retries=3)
    assert len(stage.ran()) == 1


def test_leakage_is_checked_before_the_first_run() -> None:
    stage = Stage()
    evaluate(stage, stage.write(0.5))
    assert [getattr(one, "name", "run") for one in stage.log] == ["leakage_detect", "run"]


def test_leakage_is_not_checked_when_it_is_switched_off() -> None:
    stage = Stage()
    evaluate(stage, stage.write(0.5), leakage_check=False)
    assert stage.counts()["leakage_detect"] == 0


@pytest.mark.parametrize("delivers", ["output", "submission"])
def test_what_prints_no_score_to_be_believed_is_not_checked_for_leakage(delivers: str) -> None:
    stage = Stage()
    script = stage.write("no score") if delivers == "output" else "# submits\nx = 1\n"
    evaluate(stage, script, delivers=delivers)
    assert stage.counts()["leakage_detect"] == 0


def test_a_leaking_block_is_put_right_in_its_place_before_the_script_runs() -> None:
    stage = Stage(leakage_detect=lambda p: verdict("prepared = 1", leaks=True))
    script = stage.write(0.5, "after = 1")
    evaluate(stage, script)
    assert [ran.script for ran in stage.ran()] == [script.replace("prepared = 1", "prepared = 2")]


def test_the_corrector_is_told_which_block_leaks_and_why() -> None:
    stage = Stage(leakage_detect=lambda p: verdict("prepared = 1", leaks=True))
    evaluate(stage, stage.write(0.5))
    question = stage.asked("leakage_correct")[0]
    assert (question.part("code_block"), question.part("reason")) == ("prepared = 1", "r")


def test_a_corrected_block_counts_as_judged() -> None:
    stage = Stage(leakage_detect=lambda p: verdict("prepared = 1", leaks=True))
    assert outcome(evaluate(stage, stage.write(0.5))).solution.cleared == ("prepared = 2",)


def test_a_corrected_block_inside_of_a_function_counts_as_judged() -> None:
    stage = Stage(leakage_detect=lambda p: verdict("prepared = 1", leaks=True))
    script = stage.write(0.5, prepared="def prepare():\n    prepared = 1\n    return prepared")
    assert outcome(evaluate(stage, script)).solution.cleared == ("    prepared = 2",)


def test_a_block_that_was_judged_is_not_judged_again_while_it_stands_unchanged() -> None:
    stage = Stage()
    evaluate(stage, stage.write(0.5), cleared=("prepared = 1",))
    assert stage.counts()["leakage_detect"] == 0


def test_a_changed_block_is_judged_again() -> None:
    stage = Stage()
    evaluate(stage, stage.write(0.5, prepared="prepared = 3"), cleared=("prepared = 1",))
    assert stage.counts()["leakage_detect"] == 1


def test_a_script_runs_as_it_is_when_no_verdict_can_be_had() -> None:
    stage = Stage(leakage_detect=lambda p: GARBAGE)
    script = stage.write(0.5)
    played = evaluate(stage, script)
    assert [ran.script for ran in stage.ran()] == [script]
    assert outcome(played).solution.cleared == ()


def test_a_leak_in_a_block_that_is_not_in_the_script_is_asked_about_again() -> None:
    replies = iter([verdict("elsewhere = 1", leaks=True), verdict("prepared = 1", leaks=False)])
    stage = Stage(leakage_detect=lambda p: next(replies))
    evaluate(stage, stage.write(0.5))
    assert stage.calls() == 2


@pytest.mark.parametrize("word", ["leakage", "Leakage", "Yes", "Data leakage", "yes, leakage", "LEAKAGE FOUND", "true"])
def test_a_leak_is_recognised_however_it_is_worded(word: str) -> None:
    stage = Stage(leakage_detect=lambda p: json.dumps({"verdict": word, "code_block": "prepared = 1", "reason": "r"}))
    evaluate(stage, stage.write(0.5))
    assert stage.counts()["leakage_correct"] == 1


@pytest.mark.parametrize("word", ["no leakage", "No Leakage", "No Data Leakage", "none", "false", "no"])
def test_a_clean_verdict_is_recognised_however_it_is_worded(word: str) -> None:
    stage = Stage(leakage_detect=lambda p: json.dumps({"verdict": word, "code_block": "prepared = 1", "reason": "r"}))
    evaluate(stage, stage.write(0.5))
    assert stage.counts()["leakage_correct"] == 0


def test_a_script_is_run_once_even_if_two_paths_wrote_it() -> None:
    stage = Stage()
    script = stage.write(0.5)
    played = evaluate(stage, script)
    assert played.state["usage"].scripts == len(stage.ran()) == 1


def test_no_script_is_started_and_no_repair_asked_for_when_the_time_is_over() -> None:
    stage = Stage()
    played = evaluate(stage, stage.write(0.5), time_limit=1e-9, max_debug_retries=2)
    assert outcome(played).result.error == "no time left"
    assert stage.log == []


def test_a_script_that_the_end_of_its_phase_cut_off_is_not_repaired() -> None:
    stage = Stage()
    limits = {"time_limit": 1_000, "script_timeout": 3_600}
    played = evaluate(stage, stage.write("too long"), step="ensemble.r0", max_debug_retries=2, **limits)
    assert outcome(played).result.error == "no time left"
    assert stage.counts()["debugger"] == 0


@pytest.mark.parametrize("limits", [(10_000, 10), (1_000, 3_600)])
def test_a_script_that_took_all_the_time_that_a_script_may_take_is_repaired(limits: tuple[int, int]) -> None:
    stage = Stage(debugger=lambda p: stage.answer(0.6, "lighter = True"))
    limit, timeout = limits
    script = stage.write("too long")
    played = evaluate(stage, script, time_limit=limit, script_timeout=timeout, max_debug_retries=2)
    assert outcome(played).solution.score == 0.6


LEARNING = "prepared = scaler.fit_transform(rows)"


def test_a_repair_that_learns_from_other_rows_is_judged_again_before_it_runs() -> None:
    stage = Stage(
        leakage_detect=lambda p: verdict("prepared = 1", leaks=False),
        debugger=lambda p: stage.answer(0.5, LEARNING.replace("prepared", "more")),
    )
    evaluate(stage, stage.write("fails"), max_debug_retries=1)
    assert stage.counts()["leakage_detect"] == 2


def test_a_repair_that_leaves_the_preparation_alone_is_not_judged_again() -> None:
    stage = Stage(
        leakage_detect=lambda p: verdict(LEARNING, leaks=False),
        debugger=lambda p: stage.answer(0.5, "repaired = True", prepared=LEARNING),
    )
    evaluate(stage, stage.write("fails", prepared=LEARNING), max_debug_retries=1)
    assert stage.counts()["leakage_detect"] == 1


def test_a_script_with_a_judged_block_is_judged_again_when_something_else_in_it_learns_from_rows() -> None:
    stage = Stage()
    evaluate(stage, stage.write(0.5, LEARNING.replace("prepared", "more")), cleared=("prepared = 1",))
    assert stage.counts()["leakage_detect"] == 1


def test_a_repair_is_told_which_rules_hold_for_what_the_script_delivers() -> None:
    told = {}
    for delivers in ("score", "output", "submission"):
        stage = Stage(debugger=lambda p: "no code")
        evaluate(stage, stage.write("fails"), max_debug_retries=1, delivers=delivers)
        told[delivers] = stage.asked("debugger")[0].text
    assert "reads the test data" in told["submission"]
    assert "reads the test data" not in told["score"] + told["output"]
    assert "needs no score" in told["output"]


def test_a_script_of_which_everything_was_judged_is_not_judged_again() -> None:
    stage = Stage()
    cleared = ("prepared = 1", "other = encoder.fit(names)", "fit(names)")
    evaluate(stage, stage.write(0.5, "other = encoder.fit(names)"), cleared=cleared)
    assert stage.counts()["leakage_detect"] == 0


def test_a_leak_whose_block_is_never_put_right_is_asked_for_within_the_whole_script() -> None:
    stage = Stage(
        leakage_detect=lambda p: verdict("prepared = 1", leaks=True),
        leakage_correct=lambda p: GARBAGE,
        rewrite=lambda p: fenced(section(p, "script").replace("prepared = 1", "prepared = 3")),
    )
    script = stage.write(0.5)
    played = evaluate(stage, script)
    assert [ran.script for ran in stage.ran()] == [script.replace("prepared = 1", "prepared = 3")]
    assert outcome(played).solution.cleared == ("prepared = 3",)


def test_the_debugger_is_told_what_is_installed_when_an_import_fails() -> None:
    assert "scikit-learn" in what_is_installed("Traceback:\nModuleNotFoundError: No module named 'xgboost'")
    assert what_is_installed("KeyError: 'ImportError'") == ""


def test_a_repair_that_drops_the_score_is_refused() -> None:
    line = "print('Final Validation Performance: 1')"
    replies = iter([False, True])
    stage = Stage(debugger=lambda p: stage.answer(0.5, "repaired = 1", *([line] if next(replies) else [])))
    evaluate(stage, stage.write("fails", line), max_debug_retries=1)
    assert [ran.script.count(line) for ran in stage.ran()] == [1, 1]
    assert stage.calls() == 3
