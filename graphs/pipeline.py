"""MLE-STAR: L solution paths side by side (Algorithms 1 and 2), their ensemble (Algorithm 3), the submission."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send

from graphs import ensemble, initial, refinement, submission
from mle_star import __version__
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskBrief, Usage
from mle_star.models.state import PathInput, PathOutput, PathState, PipelineInput, PipelineOutput, PipelineState
from mle_star.tools.preflight import check_isolation
from mle_star.tools.run import Run

# One solution path.


def after_initial(state: PathState, runtime: Runtime[MLEStarConfig]) -> list[Any]:
    """Refine s_0, if there is one; beside that, have it submitted, so that there is a submission early on."""
    solution = state.get("solution")
    if solution is None:
        return ["no candidate ran"]
    blocks = (runtime.context or MLEStarConfig()).outer_loop_iterations
    early = {"path": state.get("path", 1), "ranked": (solution,), "ready": ()}
    return ["refine", Send("early_submission", early)] if blocks else ["refine"]


def hand_over(state: PathState) -> dict[str, Any]:
    """Give the path's solution to the ensemble."""
    return {"solutions": [state["solution"]]}


path_builder = StateGraph(PathState, MLEStarConfig, input_schema=PathInput, output_schema=PathOutput)
path_builder.add_node("initial", initial.graph)
path_builder.add_node("refinement", refinement.graph)
path_builder.add_node("early_submission", submission.early_graph)
path_builder.add_node(hand_over)
path_builder.add_edge(START, "initial")
path_builder.add_conditional_edges(
    "initial",
    after_initial,
    {"refine": "refinement", "submit early": "early_submission", "no candidate ran": END},
)
path_builder.add_edge("refinement", "hand_over")
path_builder.add_edge("early_submission", "hand_over")
path_builder.add_edge("hand_over", END)
path_graph = path_builder.compile(name="solution_path")


# The whole.


async def inspect(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Measure the data before anything is spent, and leave behind what an earlier run in this thread came to."""
    run = await Run.of(runtime)
    await run.begin(state["task"])
    await run.emit("run started", message=f"mle-star {__version__}")
    await run.emit("note", message=await check_isolation(run.config))
    for remark in remarks(run.config, await run.brief()):
        await run.emit("note", message=remark)
    fresh = {name: Overwrite([]) for name in ("solutions", "submissions", "history")} | {"usage": Overwrite(Usage())}
    return fresh | dict.fromkeys(("final_score", "final_solution", "submission_path"))


def remarks(config: MLEStarConfig, brief: TaskBrief) -> tuple[str, ...]:
    """Say what looks odd in the data, and which score the embedded model prints for a metric that it can't compute."""
    odd = brief.profile.warnings
    if config.model_spec("candidate_evaluator").provider != "offline":
        return odd
    from mle_star.offline.remarks import remark

    said = remark(brief)
    return (*odd, said) if said else odd


def each_path(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> list[Send]:
    """Start L solution paths."""
    paths = (runtime.context or MLEStarConfig()).num_solutions
    return [Send("solution_path", {"task": state["task"], "path": number}) for number in range(1, paths + 1)]


async def choose(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Put the winner first, then the other solutions, best first, should the winner fail to predict the test set.

    Without an early submission to fall back on, those go first that are likely to be submitted in the time left.
    """
    run = await Run.of(runtime)
    metric = (await run.brief()).metric
    winner, early = state["solution"], state.get("submissions", [])
    assert winner is not None, "the ensemble hands on the best single solution at least"
    others = sorted(
        {one.step: one for one in [*early, *state["solutions"]] if one.script != winner.script}.values(),
        key=lambda solution: (*metric.sort_key(solution.score), solution.step),
    )
    ranked = [winner, *others]
    if not early:
        ranked.sort(key=lambda solution: run.clock.late(solution.step))
    return {
        "ranked": tuple(ranked),
        "ready": tuple(solution.step for solution in early),
        "final_score": winner.score,
        "final_solution": winner.script,
        "submission_path": None,
    }


async def conclude(state: PipelineState, runtime: Runtime[MLEStarConfig]) -> None:
    """Write down what the run came to, where LangGraph drives the graph by itself."""
    run = await Run.of(runtime)
    await run.conclude(state)


def any_solution(state: PipelineState) -> Literal["a solution", "no script ran"]:
    """Go on when at least one path came to a solution."""
    return "a solution" if state["solutions"] else "no script ran"


builder = StateGraph(PipelineState, MLEStarConfig, input_schema=PipelineInput, output_schema=PipelineOutput)
builder.add_node(inspect)
builder.add_node("solution_path", path_graph)
builder.add_node("ensemble", ensemble.graph)
builder.add_node(choose)
builder.add_node("submission", submission.graph)
builder.add_node(conclude)
builder.add_edge(START, "inspect")
builder.add_conditional_edges("inspect", each_path, ["solution_path"])
builder.add_edge("solution_path", "ensemble")  # joins the paths: a condition here would see each path's state alone
builder.add_conditional_edges("ensemble", any_solution, {"a solution": "choose", "no script ran": "conclude"})
builder.add_edge("choose", "submission")
builder.add_edge("submission", "conclude")
builder.add_edge("conclude", END)
graph = builder.compile(name="mle_star")
