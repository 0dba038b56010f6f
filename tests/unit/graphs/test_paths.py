"""Solution paths side by side: what becomes of a run when one of them comes to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphs import pipeline
from mle_star.tools.clock import Clock
from tests.stage import Stage, play
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


def test_a_winner_that_is_likely_to_be_late_waits_where_nothing_has_been_submitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Clock, "late", lambda clock, step: 9.0 if step.startswith("p2") else 0.0)
    played = play(pipeline.graph, with_candidates(), **SETTINGS, look=files)
    assert played.state["final_score"] == 0.5  # p2 has 0.6
    assert played.folder_listing[1] == "# submits\nfor_path = 1\n"


def test_a_run_of_which_no_path_has_a_solution_ends_once() -> None:
    stage = Stage(candidate_evaluator=lambda p: "no code")
    played = play(pipeline.graph, stage, **SETTINGS, look=kinds)
    assert played.folder_listing.count("run finished") == 1
    assert not played.state.get("submission_path")
