"""What a run is refused for before it costs anything, and how long LangGraph lets it go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs import refinement
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.orchestrator import RECURSION_LIMIT, MLEStarOrchestrator
from mle_star.tools import preflight


async def test_a_folder_that_holds_a_run_is_refused_before_any_model_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def model_problem(spec: object) -> None:
        pytest.fail("a model was asked")

    monkeypatch.setattr(preflight, "model_problem", model_problem)
    for name, content in {"train.csv": "id,y\n1,2\n3,4\n", "test.csv": "id\n5\n", "run/run.json": "{}"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    task = TaskDescription(dataset_path=str(tmp_path), evaluation_metric="rmse", target="y")
    with pytest.raises(ConfigError, match="holds a run already"):
        await MLEStarOrchestrator(MLEStarConfig(out_dir=tmp_path / "run", search_engine="none")).run(task)


def most(field: str) -> int:
    """Read the upper bound of a setting."""
    return next(int(rule.le) for rule in MLEStarConfig.model_fields[field].metadata if hasattr(rule, "le"))


def test_the_longest_loops_that_the_settings_allow_end_before_langgraphs_guard() -> None:
    """No node of a graph runs more often than the refinement's run together: T K times each."""
    steps = len(refinement.graph.nodes) * most("outer_loop_iterations") * most("inner_loop_iterations")
    others = ("num_retrieved_models", "ensemble_iterations", "max_debug_retries")
    assert max(map(most, others)) <= most("inner_loop_iterations")
    assert steps < RECURSION_LIMIT
