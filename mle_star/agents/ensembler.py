"""A_ensembler: one script that produces all solutions and combines them (Algorithm 3, lines 2 and 6)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import Draft, EnsembleState
from mle_star.tools.ask import ask
from mle_star.tools.listing import solutions_text
from mle_star.tools.replies import parse_script
from mle_star.tools.run import Run


async def ensembler(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Write the ensemble that e_r describes."""
    run = await Run.of(runtime)
    solutions, plan = state["solutions"], state["plan"] or ""
    step = f"ensemble.r{state.get('round', 0)}"
    answer = await ask(
        run, "ensembler", parse_script, step=step, agent="ensembler",
        solutions=solutions_text(solutions), plan=plan,
    )  # fmt: skip
    if answer.value is None:
        return {"draft": None, "usage": answer.usage}
    models = tuple(dict.fromkeys(name for solution in solutions for name in solution.models))
    draft = Draft(step=step, agent="ensembler", script=answer.value, models=models, note=plan)
    return {"draft": draft, "usage": answer.usage}
