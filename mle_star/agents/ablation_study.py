"""A_abl: a script that shows which part of the solution matters (Algorithm 2, line 3)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import Draft, RefinementState
from mle_star.tools.ask import ask
from mle_star.tools.ledger import record_skip
from mle_star.tools.listing import numbered
from mle_star.tools.replies import parse_script
from mle_star.tools.run import Run


async def ablation_study(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Write a_t for s_t, away from what the earlier summaries cover."""
    run = await Run.of(runtime)
    step = f"p{state.get('path', 1)}.t{state['outer']}.ablation"
    answer = await ask(
        run, "ablation_study", parse_script, step=step, agent="ablation_study",
        script=state["solution"].script, earlier_summaries=numbered(state["summaries"]),
    )  # fmt: skip
    if answer.value is None:
        skipped = await record_skip(run, step, "ablation_study", answer.problem)
        return {"draft": None, "summary": "", "history": skipped, "usage": answer.usage}
    draft = Draft(step=step, agent="ablation_study", script=answer.value, delivers="output")
    return {"draft": draft, "usage": answer.usage}
