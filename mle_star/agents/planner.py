"""A_planner: the next plan for a block, from all earlier (plan, score) pairs (Algorithm 2, line 14)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import RefinementState
from mle_star.tools.ask import ask
from mle_star.tools.listing import attempts_text
from mle_star.tools.replies import parse_text
from mle_star.tools.run import Run


async def planner(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Propose p_k."""
    run = await Run.of(runtime)
    step = f"p{state.get('path', 1)}.t{state['outer']}.k{state['inner']}"
    answer = await ask(
        run, "planner", parse_text, step=step, agent="planner",
        code_block=state["block"], baseline=state["solution"].score, history=attempts_text(state["attempts"]),
    )  # fmt: skip
    return {"plan": answer.value, "usage": answer.usage}
