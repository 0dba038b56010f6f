"""Solution paths side by side: what becomes of a run when one of them comes to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphs import pipeline
from mle_star.tools.clock import Clock
from tests.stage import Stage, play
from tests.support import fenced
from tests.unit.graphs.test_submission import SETTINGS, files, path_of, with_candidates


def kinds(folder: Path) -> tuple[str, ...]:
    """List the events' kinds."""
    return tuple(json.loads(line)["kind"] for line in (folder / "events.jsonl").read_text().splitlines())


def test_a_path_without_a_solution_does_not_end_the_run_for_the_other() -> None:
    stage = Stage()
    stage.replies["candidate_evaluator"] = lambda p: stage.answer("garbage" if path_of(p) == "1" else 0.6)
    played = play(pipeline.graph, stage, **SETTINGS, look=kinds)
    assert played.folder_listing.count("run finished") == 1
    assert played.folder_listing[-1] == "run finished"
    assert (played.state["final_score"], played.state["submission_path"] is not None) == (0.6, True)


@pytest.mark.parametrize(
    ("submissions", "is_time", "score", "runs"),
    [
        (["submits"], False, 0.5, 1),
        (["submits", "submits"], True, 0.6, 2),
        (["submits", "fails"], True, 0.5, 2),
        (["fails", "submits"], True, 0.6, 2),
    ],
    ids=["it is too late", "it is tried after all", "it fails", "the other one fails"],
)
def test_a_winner_that_is_likely_to_be_late_waits_where_nothing_has_been_submitted(
    monkeypatch: pytest.MonkeyPatch, submissions: list[str], is_time: bool, score: float, runs: int
) -> None:
    monkeypatch.setattr(Clock, "late", lambda clock, step: 9.0 if step.startswith("p2") else 0.0)
    monkeypatch.setattr(Clock, "may_submit", lambda clock, step: is_time)
    stage = with_candidates()  # p1 has 0.5, p2 0.6
    stage.submissions = list(submissions)
    played = play(pipeline.graph, stage, **SETTINGS, look=files)
    assert played.state["final_score"] == score
    assert played.folder_listing[1] == f"# submits\nfor_path = {1 if score == 0.5 else 2}\n"
    assert len(stage.ran("submission")) == runs


def test_a_late_winner_whose_submission_cannot_be_written_leaves_the_other_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Clock, "late", lambda clock, step: 9.0 if step.startswith("p2") else 0.0)
    stage = with_candidates()
    stage.replies["submission"] = lambda p: "no code" if "path = 2" in p else fenced("# submits\nfor_path = 1")
    played = play(pipeline.graph, stage, **SETTINGS, look=files)
    assert played.state["final_score"] == 0.5
    assert played.folder_listing[1] == "# submits\nfor_path = 1\n"


def test_a_run_of_which_no_path_has_a_solution_ends_once() -> None:
    stage = Stage(candidate_evaluator=lambda p: "no code")
    played = play(pipeline.graph, stage, **SETTINGS, look=kinds)
    assert played.folder_listing.count("run finished") == 1
    assert not played.state.get("submission_path")
