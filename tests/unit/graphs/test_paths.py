"""Solution paths side by side: what becomes of a run when one of them comes to nothing."""

from __future__ import annotations

import json
from pathlib import Path

from graphs import pipeline
from tests.stage import Stage, play
from tests.unit.graphs.test_submission import SETTINGS, path_of


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


def test_a_run_of_which_no_path_has_a_solution_ends_once() -> None:
    stage = Stage(candidate_evaluator=lambda p: "no code")
    played = play(pipeline.graph, stage, **SETTINGS, look=kinds)
    assert played.folder_listing.count("run finished") == 1
    assert not played.state.get("submission_path")
