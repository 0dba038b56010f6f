"""MLE-STAR: L solution paths side by side (Algorithms 1 and 2), their ensemble (Algorithm 3), the submission."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send

from graphs import ensemble, evaluation, initial, refinement
from mle_star import __version__
from mle_star.agents.submission import submission
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Usage
from mle_star.models.state import PathInput, PathOutput, PathState, PipelineInput, PipelineOutput, PipelineState
from mle_star.tools.ledger import record
from mle_star.tools.run import Run

# One solution path.


def has_solution(state: PathState) -> Literal["refine", "no candidate ran"]:
    """Refine s_0, if there is one."""
    return "refine" if state.get("solution") else "no candidate ran"


def hand_over(state: PathState) -> dict[str, Any]:
    """Give the path's solution to the ensemble."""
    return {"solutions": [state["solution"]]}


path_builder = StateGraph(PathState, MLEStarConfig, input_schema=PathInput, output_schema=PathOutput)
path_builder.add_node("initial", initial.graph)
path_builder.add_node("refinement", refinement.graph)
path_builder.add_node(hand_over)
path_builder.add_edge(START, "initial")
path_builder.add_conditional_edges("initial", has_solution, {"refine": "refinement", "no candidate ran": END})
path_builder.add_edge("refinement", "hand_over")
path_builder.add_edge("hand_over", END)
path_graph = path_builder.compile(name="solution_path")


# The whole.


async def inspect(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Measure the data before anything is spent, and leave behind what an earlier run in this thread came to."""
    run = await Run.of(runtime)
    await run.begin(state["task"])
    await run.emit("run started", message=f"mle-star {__version__}")
    return {"solutions": Overwrite([]), "history": Overwrite([]), "usage": Overwrite(Usage())} | dict.fromkeys(
        ("final_score", "final_solution", "submission_path")
    )


def each_path(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> list[Send]:
    """Start L solution paths."""
    paths = (runtime.context or MLEStarConfig()).num_solutions
    return [Send("solution_path", {"task": state["task"], "path": number}) for number in range(1, paths + 1)]


async def choose(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Put the winner first, then the other solutions, best first, should the winner fail to predict the test set."""
    run = await Run.of(runtime)
    metric = (await run.brief()).metric
    winner = state["solution"]
    assert winner is not None, "the ensemble hands on the best single solution at least"
    others = [solution for solution in state["solutions"] if solution.script != winner.script]
    others.sort(key=lambda solution: (*metric.sort_key(solution.score), solution.step))
    return {
        "ranked": (winner, *others),
        "submitted": 0,
        "final_score": winner.score,
        "final_solution": winner.script,
        "submission_path": None,
    }


def any_solution(state: PipelineState) -> Literal["combine", "no script ran"]:
    """Go on when at least one path came to a solution."""
    return "combine" if state["solutions"] else "no script ran"


def has_script(state: PipelineState) -> Literal["run", "next solution", "none left"]:
    """Run the submission script, if it could be written."""
    if state["draft"]:
        return "run"
    return "next solution" if state["submitted"] < len(state["ranked"]) else "none left"


async def finish(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Take on a valid submission, with the solution that it comes from."""
    run = await Run.of(runtime)
    outcome = state["outcome"]
    accepted = outcome.result.ok
    history = await record(run, outcome, accepted=accepted)
    if not accepted:
        return {"history": history}
    source = state["ranked"][state["submitted"] - 1]
    return {
        "final_score": source.score,
        "final_solution": source.script,
        "submission_path": str(run.submission_file),
        "history": history,
    }


def is_valid(state: PipelineState) -> Literal["valid", "next solution", "none left"]:
    """Fall back on the next best solution when one can't be made to predict the test set."""
    if state["submission_path"]:
        return "valid"
    return "next solution" if state["submitted"] < len(state["ranked"]) else "none left"


builder = StateGraph(PipelineState, MLEStarConfig, input_schema=PipelineInput, output_schema=PipelineOutput)
builder.add_node(inspect)
builder.add_node("solution_path", path_graph)
builder.add_node("ensemble", ensemble.graph)
builder.add_node(choose)
builder.add_node(submission)
builder.add_node("execute_submission", evaluation.graph)
builder.add_node(finish)
builder.add_edge(START, "inspect")
builder.add_conditional_edges("inspect", each_path, ["solution_path"])
builder.add_conditional_edges("solution_path", any_solution, {"combine": "ensemble", "no script ran": END})
builder.add_edge("ensemble", "choose")
builder.add_edge("choose", "submission")
builder.add_conditional_edges(
    "submission", has_script, {"run": "execute_submission", "next solution": "submission", "none left": END}
)
builder.add_edge("execute_submission", "finish")
builder.add_conditional_edges("finish", is_valid, {"valid": END, "next solution": "submission", "none left": END})
graph = builder.compile(name="mle_star")
