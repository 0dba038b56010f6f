"""Does the checkpoint file grow in step with the work? `python -m benchmarks.checkpoint_growth`

Refines one path with T = K = 4, and with T = K = 12, by a scripted model and without starting scripts, and prints how
many bytes of checkpoint each inner step cost. A state that is written whole at every step would cost three times as
many in the longer run.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from tests.support import ScriptedModel, default_replies, fenced, make_task_folder, script, section, use_model

LINES = 100
"""Of the solution, besides the parts that are refined."""
PLAN = "Use five folds instead of one split, average the models of the folds, and stop each by its own held-out fold. "


def make_model(loops: int) -> ScriptedModel:
    """Make a model for T = K = `loops`: a solution with T parts, plans and summaries of a usual length."""
    parts = "\n".join(f"part_{number} = 0" for number in range(loops))
    rest = "\n".join(f"feature_{number} = prepared + {number}  # as usual" for number in range(LINES))

    def extract(prompt: str) -> str:
        unchanged = re.findall(r"^part_\d+ = 0$", section(prompt, "script"), re.MULTILINE)
        block = next(part for part in unchanged if part not in section(prompt, "earlier_blocks").splitlines())
        return json.dumps({"code_block": block, "plan": PLAN * 4})

    def plan(prompt: str) -> str:
        return f"{PLAN * 4}Take {section(prompt, 'history').count('score:')} of them."

    def code(prompt: str) -> str:
        return fenced(f"{section(prompt, 'code_block').split()[0]} = {len(section(prompt, 'plan'))}.0")

    return ScriptedModel(
        replies=default_replies(
            candidate_evaluator=lambda p: fenced(script(0.5, f"{parts}\n{rest}")),
            ablation_study=lambda p: fenced(f"print({len(section(p, 'earlier_summaries'))})"),
            summarizer=lambda p: PLAN * 8,
            extractor=extract,
            planner=plan,
            coder=code,
        )
    )


def bytes_per_step(loops: int) -> float:
    """Say how many bytes of checkpoint an inner step costs with T = K = `loops`."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        use_model(patch, make_model(loops))
        config = MLEStarConfig(
            out_dir=folder / "run", num_solutions=1, num_retrieved_models=1, ensemble_iterations=0,
            outer_loop_iterations=loops, inner_loop_iterations=loops, model_provider="offline",
        )  # fmt: skip
        task = TaskDescription.from_directory(make_task_folder(folder / "task"))
        result = asyncio.run(MLEStarOrchestrator(config).run(task))
        tried = sum(".k" in record.step for record in result.history)
        if tried != loops**2:
            raise RuntimeError(f"{tried} steps instead of {loops**2}")
        return sum(file.stat().st_size for file in (folder / "run").glob("checkpoint.sqlite*")) / tried


def main() -> None:
    """Print the figures."""
    few, many = bytes_per_step(4), bytes_per_step(12)
    print(f"T = K = 4:  {few:>10,.0f} bytes a step")
    print(f"T = K = 12: {many:>10,.0f} bytes a step, {many / few:.2f} times as many")


if __name__ == "__main__":
    main()
