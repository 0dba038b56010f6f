"""A_coder: the code block written anew as a plan says, and put in its place (Algorithm 2, lines 8 and 9)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import Draft, RefinementState
from mle_star.tools.keeping import check_kept
from mle_star.tools.replacing import replace_block
from mle_star.tools.run import Run


async def coder(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Substitute the new block into s_t, which the outer step began with. No draft when no reply can be used."""
    run = await Run.of(runtime)
    solution, block, plan = state["solution"], state["block"], state["plan"] or ""
    step = f"p{state.get('path', 1)}.t{state['outer']}.k{state['inner']}"
    answer = await replace_block(
        run, "coder", solution.script, block, plan, step=step, agent="coder", check=check_kept, plan=plan
    )
    if answer.value is None:
        return {"draft": None, "usage": answer.usage}
    draft = Draft(
        step=step,
        agent="coder",
        script=answer.value,
        models=solution.models,
        note=plan,
        cleared=solution.cleared,
    )
    return {"draft": draft, "usage": answer.usage}
