"""Steering by a person: the run waits before a block is refined, and does what is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.models.review import ReviewAnswer
from mle_star.orchestrator import MLEStarOrchestrator
from tests.support import ScriptedModel, default_replies, make_task_folder, use_model

SMALL: dict[str, Any] = {
    "num_solutions": 2, "num_retrieved_models": 1, "outer_loop_iterations": 1, "inner_loop_iterations": 1,
    "ensemble_iterations": 0, "leakage_check": False, "review": "plan", "model_provider": "offline",
}  # fmt: skip


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    made = ScriptedModel(replies=default_replies())
    use_model(monkeypatch, made)
    return made


async def begin(folder: Path) -> MLEStarOrchestrator:
    orchestrator = MLEStarOrchestrator(MLEStarConfig(out_dir=folder / "run", _env_file=None, **SMALL))
    await orchestrator.run(TaskDescription.from_directory(make_task_folder(folder / "task")))
    return orchestrator


async def answer(orchestrator: MLEStarOrchestrator, *answers: ReviewAnswer) -> None:
    assert orchestrator.folder is not None
    by_id = {review.id: one for review, one in zip(orchestrator.reviews, answers, strict=True)}
    await orchestrator.resume(orchestrator.folder.path, by_id)


def coders(model: ScriptedModel) -> list[str]:
    return sorted(text for name, text in model.asked if name == "coder")


async def test_both_paths_wait_with_their_plans_and_nothing_is_written_before(
    model: ScriptedModel, tmp_path: Path
) -> None:
    orchestrator = await begin(tmp_path)
    assert orchestrator.result is not None
    assert orchestrator.result.status == "paused"
    assert {review.step for review in orchestrator.reviews} == {"p1.t0.review", "p2.t0.review"}
    assert {(review.plan, review.summary) for review in orchestrator.reviews} == {("first plan", "x matters most")}
    assert len({review.id for review in orchestrator.reviews}) == 2
    assert not coders(model)


async def test_a_run_goes_on_with_what_was_edited_or_skipped(model: ScriptedModel, tmp_path: Path) -> None:
    orchestrator = await begin(tmp_path)
    await answer(orchestrator, ReviewAnswer(action="edit", plan="my own plan"), ReviewAnswer(action="skip"))
    assert orchestrator.result is not None
    assert orchestrator.result.status == "succeeded"
    assert ["my own plan" in text for text in coders(model)] == [True]


async def test_an_instruction_has_the_block_and_the_plan_chosen_anew(model: ScriptedModel, tmp_path: Path) -> None:
    orchestrator = await begin(tmp_path)
    await answer(
        orchestrator, ReviewAnswer(action="instruct", instruction="Look at the folds."), ReviewAnswer(action="skip")
    )
    assert [review.summary for review in orchestrator.reviews] == ["Look at the folds."]
    assert any("Look at the folds." in text for name, text in model.asked if name == "extractor")
    await answer(orchestrator, ReviewAnswer())
    assert orchestrator.result is not None
    assert orchestrator.result.status == "succeeded"


async def test_a_block_that_is_not_in_the_script_is_refused_and_asked_again(
    model: ScriptedModel, tmp_path: Path
) -> None:
    orchestrator = await begin(tmp_path)
    wrong = ReviewAnswer(action="edit", code_block="nowhere = to_be_found_in_the_script()")
    await answer(orchestrator, wrong, ReviewAnswer())
    (again,) = orchestrator.reviews
    assert "code block" in again.refused
    await answer(orchestrator, ReviewAnswer())
    assert orchestrator.result is not None
    assert orchestrator.result.status == "succeeded"
