"""A_ens_planner: how to combine the solutions (Algorithm 3, lines 1 and 5)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import EnsembleState
from mle_star.tools.ask import ask
from mle_star.tools.listing import attempts_text, solutions_text
from mle_star.tools.replies import parse_text
from mle_star.tools.run import Run


async def ensemble_planner(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Propose e_0, or e_r in the light of every earlier (plan, score)."""
    run = await Run.of(runtime)
    await run.brief(state["task"])
    attempts = state.get("attempts", [])
    values = {"solutions": solutions_text(state["solutions"])}
    prompt = "ensemble_planner"
    if attempts:
        prompt, values = "ensemble_planner_next", values | {"history": attempts_text(attempts)}
    step = f"ensemble.r{state.get('round', 0)}"
    answer = await ask(run, prompt, parse_text, step=step, agent="ensemble_planner", **values)
    return {"plan": answer.value, "usage": answer.usage}
