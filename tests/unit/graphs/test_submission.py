"""From the winner to a valid submission."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphs import pipeline
from mle_star.tools.clock import Clock
from tests.stage import GARBAGE, Play, Stage, extraction, play
from tests.support import SUBMISSION, fenced, section

SETTINGS = {
    "num_solutions": 2, "num_retrieved_models": 1, "outer_loop_iterations": 0, "ensemble_iterations": 0,
    "leakage_check": False, "reply_retries": 0,
}  # fmt: skip


def with_candidates() -> Stage:
    """Set a stage with a solution on each path, the second the best."""
    scores = {"1": 0.5, "2": 0.6, "3": 0.55}

    def candidate(prompt: str) -> str:
        path = path_of(prompt)
        return stage.answer(scores[path], "rows = rows.sample(30_000)", f"path = {path}")

    stage = Stage(
        candidate_evaluator=candidate,
        submission=lambda p: fenced(f"# submits\nfor_path = {section(p, 'script').partition('path = ')[2][0]}"),
        subsampling_extract=lambda p: json.dumps({"code_block": "rows = rows.sample(30_000)"}),
        subsampling_remove=lambda p: fenced("rows = rows.copy()"),
    )
    return stage


def path_of(prompt: str) -> str:
    """Tell the path by the seed that the candidate was given: 42 + 100 for each path."""
    return next(path for path in "123" if f"{path}43" in prompt)


def submit(stage: Stage, **settings: object) -> Play:
    """Run to the end."""
    return play(pipeline.graph, stage, **(SETTINGS | settings), look=files)


def files(folder: Path) -> tuple[str, ...]:
    """Read the submission and the script that is kept beside it."""
    kept = [folder / "final" / "submission.csv", folder / "final" / "solution.py"]
    return tuple(path.read_text() for path in kept if path.exists())


def test_the_submission_prompt_sees_the_winner_without_its_subsampling() -> None:
    stage = with_candidates()
    submit(stage)
    script = stage.asked("submission")[0].part("script")
    assert "rows = rows.copy()" in script
    assert "sample(30_000)" not in script


def test_the_block_that_subsamples_is_found_then_rewritten_before_the_submission_is_written() -> None:
    stage = with_candidates()
    submit(stage)
    asked = [one.name for one in stage.asked("subsampling_extract", "subsampling_remove", "submission")]
    assert asked == ["subsampling_extract", "subsampling_remove", "submission"]


def test_the_rewriter_is_shown_the_block_that_subsamples() -> None:
    stage = with_candidates()
    submit(stage)
    assert stage.asked("subsampling_remove")[0].part("code_block") == "rows = rows.sample(30_000)"


def test_a_solution_without_subsampling_goes_on_as_it_is() -> None:
    stage = with_candidates()
    stage.replies["subsampling_extract"] = lambda p: json.dumps({"code_block": ""})
    submit(stage)
    assert stage.counts()["subsampling_remove"] == 0
    assert "sample(30_000)" in stage.asked("submission")[0].part("script")


def test_the_whole_script_without_its_subsampling_is_taken_as_well() -> None:
    stage = with_candidates()
    whole = [lambda p: fenced(section(p, "script").replace("rows = rows.sample(30_000)\n", "")), lambda p: ""]
    for first, second in (whole, whole[::-1]):
        stage.replies["subsampling_remove"], stage.replies["rewrite"] = first, second
        submit(stage)
        assert "sample(30_000)" not in stage.asked("submission")[-1].part("script")


def test_a_solution_goes_on_as_it_is_when_its_subsampling_cannot_be_removed() -> None:
    stage = with_candidates()
    stage.replies["subsampling_remove"] = stage.replies["rewrite"] = lambda p: ""
    submit(stage)
    assert "sample(30_000)" in stage.asked("submission")[0].part("script")


def test_the_final_solution_is_the_script_that_scored_and_not_the_one_that_submits() -> None:
    stage = with_candidates()
    state = submit(stage).state
    assert (state["final_score"], "path = 2" in state["final_solution"]) == (0.6, True)
    assert "# submits" not in state["final_solution"]


def test_a_valid_submission_is_kept_with_the_script_that_wrote_it() -> None:
    assert submit(with_candidates()).folder_listing == (SUBMISSION, "# submits\nfor_path = 2\n")


def test_the_next_best_solution_is_submitted_when_the_winners_submission_fails() -> None:
    stage = with_candidates()
    stage.submissions = ["fails"]
    state = submit(stage).state
    assert (state["final_score"], "path = 1" in state["final_solution"]) == (0.5, True)
    assert state["submission_path"] is not None


def test_solutions_that_were_not_the_winner_are_tried_best_first() -> None:
    stage = with_candidates()
    stage.submissions = ["fails", "fails"]
    submit(stage, num_solutions=3)
    assert [stage.comes_to(question.part("script")) for question in stage.asked("submission")] == [0.6, 0.55, 0.5]


def test_the_next_best_solution_is_submitted_when_the_winners_cannot_be_written() -> None:
    stage = with_candidates()
    stage.replies["submission"] = lambda p: GARBAGE if "path = 2" in p else fenced("# submits\nfor_path = 1")
    assert submit(stage).state["final_score"] == 0.5


def test_a_submission_in_the_wrong_form_is_repaired() -> None:
    stage = with_candidates()
    stage.submissions = ["no file", "submits"]
    stage.replies["debugger"] = lambda p: fenced(section(p, "script") + "\nrepaired = 1")
    state = submit(stage, max_debug_retries=1).state
    assert "submission.csv" in stage.asked("debugger")[0].part("error")
    assert state["final_score"] == 0.6


def test_the_winner_is_the_result_when_no_solution_can_be_submitted() -> None:
    stage = with_candidates()
    stage.submissions = ["fails", "no file"]
    played = submit(stage)
    assert (played.state["final_score"], played.state["submission_path"]) == (0.6, None)
    assert played.folder_listing == ()


def test_a_first_solution_that_nothing_improves_on_is_submitted_once() -> None:
    stage = with_candidates()
    stage.replies["ablation_study"] = lambda p: GARBAGE
    stage.replies["extractor"] = lambda p: GARBAGE
    played = submit(stage, num_solutions=1, outer_loop_iterations=1)
    assert [ran.agent for ran in stage.ran("submission")] == ["submission"]
    assert [record.note for record in played.state["history"] if record.step == "submission"] == ["from p1.candidate1"]
    assert played.folder_listing == (SUBMISSION, "# submits\nfor_path = 1\n")


def test_the_clock_learns_from_a_submission_that_was_stopped_how_long_it_takes_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt: list[tuple[str, bool]] = []
    monkeypatch.setattr(Clock, "submitted", lambda clock, step, seconds, *, stopped: learnt.append((step, stopped)))
    stage = with_candidates()
    stage.submissions = ["too long", "fails", "submits"]
    submit(stage, num_solutions=3, time_limit=1_000, script_timeout=3_600)
    # The second one told nothing of its time.
    assert learnt == [("p2.candidate1", True), ("p1.candidate1", False)]


def test_a_path_without_refinement_submits_nothing_early() -> None:
    played = submit(with_candidates())
    assert not [record.step for record in played.state["history"] if record.step.endswith(".submission")]


def test_the_first_solution_is_the_result_when_nothing_better_can_be_submitted() -> None:
    stage = with_candidates()
    stage.replies["ablation_study"] = lambda p: GARBAGE
    stage.replies["extractor"] = lambda p: extraction("rows = rows.sample(30_000)", "Plan.")
    stage.replies["coder"] = lambda p: fenced(f"rows = 2  {stage.mark(0.9)}")
    stage.replies["submission"] = lambda p: fenced(f"# submits\nfrom_script = {hash(p)}")
    stage.submissions = ["submits", "fails"]
    state = submit(stage, num_solutions=1, outer_loop_iterations=1, inner_loop_iterations=1).state
    assert (state["final_score"], "sample(30_000)" in state["final_solution"]) == (0.5, True)
    assert state["submission_path"] is not None
