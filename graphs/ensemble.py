"""Algorithm 3: R rounds of planning how to combine the L solutions; an ensemble has to beat the best of them."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from graphs import evaluation
from mle_star.agents.ensemble_planner import ensemble_planner
from mle_star.agents.ensembler import ensembler
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Attempt
from mle_star.models.state import EnsembleInput, EnsembleOutput, EnsembleState
from mle_star.tools.ledger import record, record_skip
from mle_star.tools.run import Run


async def best_single(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Begin with the best solution: what an ensemble has to beat."""
    run = await Run.of(runtime)
    metric = (await run.brief(state["task"])).metric
    spent = run.time_left("ensemble") <= 0
    ordered = sorted(state["solutions"], key=lambda solution: (*metric.sort_key(solution.score), solution.step))
    return {"solution": ordered[0] if ordered else None, "round": 0, "attempts": Overwrite([]), "spent": spent}


def begin(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> Literal["several solutions", "nothing to combine"]:
    """Combine two solutions or more."""
    rounds = (runtime.context or MLEStarConfig()).ensemble_iterations
    combine = len(state["solutions"]) > 1 and rounds > 0 and not state["spent"]
    return "several solutions" if combine else "nothing to combine"


def has_plan(state: EnsembleState) -> Literal["plan", "no usable plan"]:
    """A plan that did not come costs its round and nothing else."""
    return "plan" if state["plan"] else "no usable plan"


def has_ensemble(state: EnsembleState) -> Literal["run", "no usable script"]:
    """Run the ensemble, if it could be written."""
    return "run" if state["draft"] else "no usable script"


async def judge(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Note (e_r, h_r); an ensemble that beats all before is the solution now (lines 3, 7 and 9)."""
    run = await Run.of(runtime)
    best, ensemble = state["solution"], state["outcome"].solution
    better = (await run.brief()).metric.is_better(ensemble.score, best.score if best else None)
    return {
        "attempts": [Attempt(plan=state["plan"] or "", score=ensemble.score)],
        "solution": ensemble if better else best,
        "round": state["round"] + 1,
        "spent": run.time_left("ensemble") <= 0,
        "history": await record(run, state["outcome"], accepted=better),
    }


async def skip(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Count a round for which no plan or no script could be used."""
    run = await Run.of(runtime)
    agent = "ensembler" if state["plan"] else "ensemble_planner"
    return {
        "attempts": [Attempt(plan=state["plan"], score=None)] if state["plan"] else [],
        "round": state["round"] + 1,
        "spent": run.time_left("ensemble") <= 0,
        "history": await record_skip(run, f"ensemble.r{state['round']}", agent, "no usable reply"),
    }


def after_round(state: EnsembleState, runtime: Runtime[MLEStarConfig]) -> Literal["more rounds", "done"]:
    """Go R rounds."""
    rounds = (runtime.context or MLEStarConfig()).ensemble_iterations
    return "more rounds" if state["round"] < rounds and not state["spent"] else "done"


builder = StateGraph(EnsembleState, MLEStarConfig, input_schema=EnsembleInput, output_schema=EnsembleOutput)
builder.add_node(best_single)
builder.add_node(ensemble_planner)
builder.add_node(ensembler)
builder.add_node("execute_ensemble", evaluation.graph)
builder.add_node(judge)
builder.add_node(skip)
builder.add_edge(START, "best_single")
builder.add_conditional_edges(
    "best_single", begin, {"several solutions": "ensemble_planner", "nothing to combine": END}
)
builder.add_conditional_edges("ensemble_planner", has_plan, {"plan": "ensembler", "no usable plan": "skip"})
builder.add_conditional_edges("ensembler", has_ensemble, {"run": "execute_ensemble", "no usable script": "skip"})
builder.add_edge("execute_ensemble", "judge")
builder.add_conditional_edges("judge", after_round, {"more rounds": "ensemble_planner", "done": END})
builder.add_conditional_edges("skip", after_round, {"more rounds": "ensemble_planner", "done": END})
graph = builder.compile(name="ensemble")
