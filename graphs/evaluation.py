"""The one place where a script is run and repaired: leakage_checker -> execute <-> debugger."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from mle_star.agents.debugger import debugger
from mle_star.agents.leakage_checker import leakage_checker
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Usage
from mle_star.models.state import EvaluationInput, EvaluationOutput, EvaluationState, Outcome
from mle_star.tools.preparation import is_cleared
from mle_star.tools.run import Run


async def execute(state: EvaluationState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Run the draft. That it fails is a result like any other."""
    run = await Run.of(runtime)
    draft = state["draft"]
    result, ran = await run.execute(draft)
    usage = Usage(scripts=1, script_seconds=result.seconds) if ran else Usage()
    return {"outcome": Outcome(draft=draft, result=result), "usage": usage}


def needs_leakage_check(
    state: EvaluationState, runtime: Runtime[MLEStarConfig]
) -> Literal["new preprocessing", "judged before"]:
    """Check what prints a score that is to be believed, unless its preprocessing was judged before."""
    draft = state["draft"]
    wanted = (runtime.context or MLEStarConfig()).leakage_check and draft.delivers == "score"
    return "new preprocessing" if wanted and not is_cleared(draft.script, draft.cleared) else "judged before"


def can_be_repaired(
    state: EvaluationState, runtime: Runtime[MLEStarConfig]
) -> Literal["failed, tries left", "ran, or given up"]:
    """Repair a failure while tries are left; there is nothing to repair when time ran out for the whole phase."""
    result = state["outcome"].result
    if result.ok:
        return "ran, or given up"
    tries = 0 if result.error == "no time left" else (runtime.context or MLEStarConfig()).max_debug_retries
    return "failed, tries left" if state.get("repairs", 0) < tries else "ran, or given up"


builder = StateGraph(EvaluationState, MLEStarConfig, input_schema=EvaluationInput, output_schema=EvaluationOutput)
builder.add_node(leakage_checker)
builder.add_node(execute)
builder.add_node(debugger)
builder.add_conditional_edges(
    START, needs_leakage_check, {"new preprocessing": "leakage_checker", "judged before": "execute"}
)
builder.add_edge("leakage_checker", "execute")
builder.add_conditional_edges("execute", can_be_repaired, {"failed, tries left": "debugger", "ran, or given up": END})
builder.add_conditional_edges(
    "debugger", needs_leakage_check, {"new preprocessing": "leakage_checker", "judged before": "execute"}
)
graph = builder.compile(name="evaluation")
