"""A_init: a first, simple script for one candidate model (Algorithm 1, line 3)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import CandidateState, Draft
from mle_star.tools.ask import ask
from mle_star.tools.ledger import record_skip
from mle_star.tools.replies import parse_script
from mle_star.tools.run import Run


async def candidate_evaluator(state: CandidateState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Write s_i for the model card i."""
    run = await Run.of(runtime)
    card, path, number = state["card"], state["path"], state["number"]
    step = f"p{path}.candidate{number}"
    answer = await ask(
        run, "candidate_evaluator", parse_script, step=step, agent="candidate_evaluator",
        model_name=card.name, model_description=card.description, example_code=card.example_code,
        split_seed=run.config.seed, seed=run.config.seed + 100 * path + number,
    )  # fmt: skip
    if answer.value is None:
        skipped = await record_skip(run, step, "candidate_evaluator", answer.problem)
        return {"draft": None, "history": skipped, "usage": answer.usage}
    draft = Draft(step=step, agent="candidate_evaluator", script=answer.value, models=(card.name,), note=card.name)
    return {"draft": draft, "usage": answer.usage}
