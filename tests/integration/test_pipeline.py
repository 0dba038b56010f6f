"""Whole runs through the Python entry, with real scripts: how they end, and what they leave behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.run_folder import RunFolder
from tests.integration.driver import SETTINGS, make_model
from tests.support import SUBMISSION, fenced, make_task_folder

pytestmark = pytest.mark.integration


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a tiny task; `replies` replace the model's."""
    make_task_folder(tmp_path / "task")
    model = make_model(tmp_path / "calls")
    monkeypatch.setattr("mle_star.tools.chat.make_model", lambda config: model)

    async def do(**replies: Any) -> RunResult:
        model.replies.update(replies)
        config = MLEStarConfig(out_dir=tmp_path / "run", **(SETTINGS | {"outer_loop_iterations": 1}))
        return await MLEStarOrchestrator(config).run(TaskDescription.from_directory(tmp_path / "task"))

    return do


async def test_a_run_leaves_a_valid_submission_and_the_script_that_scored_best(run: Any, tmp_path: Path) -> None:
    result = await run()
    assert result.status == "succeeded"
    assert Path(result.submission_path).read_text() == SUBMISSION
    scores = [record.score for record in result.history if record.score is not None and "ablation" not in record.step]
    assert result.final_score == max(scores)


async def test_a_run_in_which_no_script_ran_says_so(run: Any) -> None:
    result = await run(
        candidate_evaluator=lambda p: fenced("raise RuntimeError"), debugger=lambda p: fenced("raise ValueError")
    )
    assert (result.status, result.final_solution, result.final_score) == ("no script ran", None, None)


async def test_a_run_without_a_valid_submission_says_so_and_keeps_its_best_solution(run: Any, tmp_path: Path) -> None:
    result = await run(submission=lambda p: fenced("open('final/submission.csv', 'w').write('id,y\\n1,0.5\\n')"))
    assert (result.status, result.submission_path) == ("no submission", None)
    assert re.fullmatch(r"bad submission, from [\w.]+: .*\d+ rows.*", result.message)
    assert result.final_score is not None
    assert not (tmp_path / "run" / "final" / "submission.csv").exists()


async def test_the_result_is_what_run_json_says(run: Any, tmp_path: Path) -> None:
    result = await run()
    about = RunFolder(tmp_path / "run").about()
    assert (about.status, about.result) == ("succeeded", result)


async def test_events_are_numbered_without_a_gap_in_the_order_of_the_file(run: Any, tmp_path: Path) -> None:
    await run()
    numbers = [event.seq for event in RunFolder(tmp_path / "run").events()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_every_script_is_kept_with_its_output_and_its_outcome(run: Any, tmp_path: Path) -> None:
    result = await run()
    scripts = sorted((tmp_path / "run" / "scripts").glob("*.py"))
    assert len(scripts) == result.usage.scripts
    for script in scripts:
        outcome = json.loads(script.with_suffix(".json").read_text())["result"]
        assert outcome["log_path"] == str(script.with_suffix(".log"))
        assert script.with_suffix(".log").exists()


async def test_no_working_folder_is_left_behind(run: Any, tmp_path: Path) -> None:
    await run()
    assert list((tmp_path / "run" / "work").iterdir()) == []


async def test_a_submission_that_lay_in_the_folder_before_is_not_taken_for_the_runs(run: Any, tmp_path: Path) -> None:
    stale = tmp_path / "run" / "final" / "submission.csv"
    stale.parent.mkdir(parents=True)
    stale.write_text(SUBMISSION)
    result = await run(submission=lambda p: fenced("x = 1"))
    assert (result.status, result.submission_path) == ("no submission", None)
