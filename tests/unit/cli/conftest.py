"""Runs that nobody ran: a folder with the files of a run, as the orchestrator would leave them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ModelUse, RunResult, TaskBrief, TaskDescription, Usage
from mle_star.models.events import Event
from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile
from mle_star.tools.run_folder import About, RunFolder
from mle_star.tools.submissions import Kept

METRIC = Metric(name="accuracy", maximize=True)
EVENTS: tuple[dict[str, Any], ...] = (
    {"kind": "agent started", "step": "p1.retrieve", "agent": "retriever"},
    {"kind": "script started", "step": "p1.candidate1", "agent": "candidate_evaluator", "message": "001-x.py"},
    {"kind": "script finished", "step": "p1.candidate1", "score": 0.8, "seconds": 1.5},
    {"kind": "step", "step": "p1.candidate1", "agent": "candidate_evaluator", "score": 0.8, "message": "LightGBM"},
    {"kind": "step", "step": "p2.candidate1", "agent": "candidate_evaluator", "error": "timeout", "message": "SVM"},
    {"kind": "step", "step": "p1.t0.ablation", "agent": "ablation_study", "accepted": True, "message": "age\nmatters"},
    {"kind": "step", "step": "p1.t0.k0", "agent": "coder", "score": 0.85, "accepted": True, "message": "bin the age"},
    {"kind": "step", "step": "submission", "agent": "submission", "accepted": True, "message": "from p1.t0.k0"},
)

USAGE = Usage(
    scripts=4,
    model_uses=(
        ModelUse(agent="coder", model="openai/gpt-4o", phase="refinement", calls=8, input_tokens=900, output_tokens=200,
                 cost=0.00425),
        ModelUse(agent="merger", model="openai/gpt-4o", phase="initial", calls=1, input_tokens=100, output_tokens=34,
                 cost=0.00059),
    ),
)  # fmt: skip

MakeRun = Callable[..., RunFolder]


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Make a run's folder in `runs` of a new working folder."""
    monkeypatch.chdir(tmp_path)

    def make(status: str = "succeeded", run_id: str = "one", where: str | None = None, **more: Any) -> RunFolder:
        folder = RunFolder(tmp_path / (where or f"runs/{run_id}"))
        task = TaskDescription(dataset_path="/tasks/titanic/data")
        brief = TaskBrief(task=task, metric=METRIC, profile=DataProfile(files=()))
        config = MLEStarConfig(num_solutions=2, num_retrieved_models=2, out_dir=folder.path)
        values = {"run_id": run_id, "metric": METRIC, "seconds": 754.0, "message": "the model went away"}
        if status == "succeeded":
            values |= {"message": ""}
            values |= {"final_score": 0.85, "submission_path": str(folder.path / "final" / "submission.csv")}
            values |= {"usage": USAGE}
        result = RunResult(status=status, **values) if status != "running" else None  # type: ignore[arg-type]
        about = About(
            run_id=run_id, started=more.get("started", "2026-01-02T03:04:05+00:00"), version="0.1.0", task=task,
            status=status, metric="accuracy", config=config, result=result,  # type: ignore[arg-type]
        )  # fmt: skip
        folder.create(about, brief)
        for name in ("scripts", "replies", "final"):
            (folder.path / name).mkdir()
        (folder.path / "scripts" / "001-x.py").write_text("print('hello')\n")
        reply = {"reply": "ok", "input_tokens": 10, "output_tokens": 5}
        (folder.path / "replies" / "a.json").write_text(json.dumps(reply))
        if status == "succeeded":
            (folder.path / "final" / "submission.csv").write_text("id,y\n1,0\n")
            (folder.path / "final" / "solution.py").write_text("pass\n")
            kept = Kept(step="p1.t0.k0", score=0.85, made_by="009-submission.py")
            (folder.path / "final" / "submission.json").write_text(kept.model_dump_json())
        events = [Event(**{"seq": seq, "elapsed": float(seq)} | event) for seq, event in enumerate(EVENTS, 1)]
        lines = "".join(event.model_dump_json(exclude_defaults=True) + "\n" for event in events)
        (folder.path / "events.jsonl").write_text(lines)
        return folder

    return make
