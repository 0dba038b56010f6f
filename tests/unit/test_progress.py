"""The state of the live view, from events."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.events import Event
from mle_star.models.metric import Metric
from mle_star.tools.progress import View, advance, new_view, schedule

ACCURACY = Metric(name="accuracy", maximize=True)
RMSE = Metric(name="rmse", maximize=False)
SMALL = MLEStarConfig(
    num_retrieved_models=2, outer_loop_iterations=1, inner_loop_iterations=2, ensemble_iterations=2, num_solutions=2
)


def view_of(*events: dict[str, Any], metric: Metric = ACCURACY, config: MLEStarConfig = SMALL) -> View:
    numbers = count(1)
    return new_view("titanic", metric, config, [Event(**{"seq": next(numbers), "elapsed": 1.0} | e) for e in events])


def step(name: str, score: float | None = None, **more: Any) -> dict[str, Any]:
    return {"kind": "step", "step": name, "score": score} | more


def started(name: str, agent: str) -> dict[str, Any]:
    return {"kind": "agent started", "step": name, "agent": agent}


def test_the_schedule_counts_every_step_that_a_path_can_take() -> None:
    assert schedule(SMALL) == (
        "retrieve", "candidate1", "candidate2", "merge1", "data", "t0.ablation", "t0.k0", "t0.k1",
    )  # fmt: skip


def test_the_papers_settings_give_29_steps_a_path() -> None:
    assert len(schedule(MLEStarConfig())) == 1 + 4 + 3 + 1 + 4 * 5


def test_a_new_view_has_every_path_at_its_beginning() -> None:
    view = view_of()
    assert [(path.number, path.done, path.total) for path in view.paths] == [(1, 0, 8), (2, 0, 8)]
    assert (view.best, view.trail, view.phase) == (None, (), None)


def test_candidates_are_counted_in_whatever_order_they_end() -> None:
    view = view_of(step("p1.candidate2", 0.8))
    assert view.paths[0].done == 2
    assert view.paths[1].done == 0


def test_a_candidate_that_is_noted_again_after_a_crash_counts_once() -> None:
    assert view_of(step("p1.candidate2", 0.8), step("p1.candidate2", 0.8)).paths[0].done == 2


def test_a_step_that_begins_puts_what_was_skipped_behind_it() -> None:
    view = view_of(step("p1.candidate1", 0.8), started("p1.t0.ablation", "ablation_study"))
    assert view.paths[0].done == 5
    assert (view.paths[0].step, view.paths[0].agent) == ("t0.ablation", "ablation_study")
    assert view.phase == "refinement"


def test_a_step_without_a_place_in_the_schedule_moves_nothing() -> None:
    view = view_of(step("p1.t0.ablation"), started("p1.t0.extract", "extractor"))
    assert view.paths[0].done == 6


def test_the_last_step_finishes_its_path() -> None:
    assert view_of(step("p1.t0.k1", 0.8)).paths[0].finished


def test_a_path_with_more_plans_than_the_settings_say_stays_within_its_total() -> None:
    path = view_of(step("p1.t0.k1", 0.8), step("p1.t7.k9", 0.9)).paths[0]
    assert path.done == path.total


def test_a_path_beyond_the_settings_is_ignored() -> None:
    assert len(view_of(step("p9.candidate1", 0.8)).paths) == 2


def test_the_trail_follows_the_best_score_upwards() -> None:
    view = view_of(step("p1.candidate1", 0.80), step("p1.candidate2", 0.79), step("p2.candidate1", 0.85))
    assert view.trail == (0.80, 0.85)
    assert (view.best, view.best_step) == (0.85, "p2.candidate1")


def test_the_trail_goes_down_where_lower_is_better() -> None:
    view = view_of(step("p1.candidate1", 9.0), step("p1.candidate2", 11.0), step("p2.candidate1", 7.5), metric=RMSE)
    assert view.trail == (9.0, 7.5)


def test_a_merge_that_was_not_accepted_does_not_lead() -> None:
    view = view_of(step("p1.candidate1", 0.80), step("p1.merge1", 0.9, accepted=False))
    assert view.best == 0.80


def test_an_accepted_revision_counts_though_it_scores_lower() -> None:
    view = view_of(step("p1.candidate1", 0.80), step("p1.data", 0.79, accepted=True))
    assert view.trail == (0.80, 0.79)


@pytest.mark.parametrize(
    "event",
    [
        step("p1.t0.ablation", 0.99, agent="ablation_study", accepted=True),
        step("submission", 0.99, agent="submission", accepted=True),
    ],
)
def test_scores_of_no_solution_do_not_lead(event: dict[str, Any]) -> None:
    assert view_of(step("p1.candidate1", 0.80), event).best == 0.80


def test_an_accepted_ensemble_leads() -> None:
    view = view_of(step("p1.candidate1", 0.80), step("ensemble.r0", 0.81, accepted=True), step("ensemble.r1", 0.7))
    assert (view.best, view.best_step, view.ensemble_done) == (0.81, "ensemble.r0", 2)


def test_the_ensemble_ends_all_paths() -> None:
    view = view_of(step("p1.candidate1", 0.80), started("ensemble.r0", "ensemble_planner"))
    assert all(path.finished for path in view.paths)
    assert (view.phase, view.ensemble_done, view.ensemble_total) == ("ensemble", 0, 2)


def test_one_path_has_nothing_to_ensemble() -> None:
    assert view_of(config=SMALL.model_copy(update={"num_solutions": 1})).ensemble_total == 0


def test_only_an_accepted_submission_is_one() -> None:
    failed = step("submission", agent="submission", error="bad submission", accepted=False)
    assert not view_of(failed).submitted
    assert view_of(failed, step("submission.1", agent="submission", accepted=True)).submitted


def test_scripts_failures_and_questions_are_counted() -> None:
    view = view_of(
        started("p1.candidate1", "candidate_evaluator"),
        {"kind": "script started", "step": "p1.candidate1"},
        {"kind": "script finished", "step": "p1.candidate1", "error": "exception"},
        started("p1.candidate1", "debugger"),
        {"kind": "script started", "step": "p1.candidate1"},
        {"kind": "script finished", "step": "p1.candidate1", "score": 0.5},
    )
    assert (view.scripts, view.failed, view.questions) == (2, 1, 2)
    assert not view.paths[0].running


def test_a_script_that_runs_shows_on_its_path() -> None:
    view = view_of({"kind": "script started", "step": "p2.merge1"})
    assert [path.running for path in view.paths] == [False, True]


def test_an_event_that_was_seen_before_changes_nothing() -> None:
    view = view_of(started("p1.retrieve", "retriever"))
    assert advance(view, Event(seq=1, elapsed=9.0, kind="agent started", step="p1.retrieve")) == view


def test_only_the_last_steps_and_notes_are_kept() -> None:
    view = view_of(*[step(f"p1.candidate{number}") for number in range(20)], started("p1.merge1", "merger"))
    assert [event.step for event in view.recent] == [f"p1.candidate{number}" for number in range(14, 20)]
