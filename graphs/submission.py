"""From solutions to a submission: the first in line that can be made to predict the test set.

It is used twice: for each path's first solution, beside the refinement, so that there is a submission early on; and for
the winner at the end, with the other solutions behind it. Where one that is sure to be in time goes first, the better
one is tried after it, in the time that is left.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from graphs import evaluation
from mle_star.agents.submission import step_name, submission
from mle_star.models.config import MLEStarConfig
from mle_star.models.state import SubmissionInput, SubmissionOutput, SubmissionState
from mle_star.tools.ledger import record, record_submission
from mle_star.tools.run import Run

More = Literal["next solution", "submitted early"]
Line = More | Literal["none left"]


def next_in_line(state: SubmissionState) -> Line:
    """Fall back on the next best solution when one can't be made to predict the test set."""
    tried = state.get("submitted", 0)
    if tried >= len(state["ranked"]):
        return "none left"
    return "submitted early" if state["ranked"][tried].step in state["ready"] else "next solution"


def has_script(state: SubmissionState) -> Line | Literal["run"]:
    """Run the submission script, if it could be written."""
    if state["draft"]:
        return "run"
    return "none left" if state.get("hopes") else next_in_line(state)


async def finish(state: SubmissionState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Take on a valid submission, with the solution that it comes from."""
    run = await Run.of(runtime)
    outcome = state["outcome"]
    accepted = outcome.result.ok
    history = await record(run, outcome, accepted=accepted)
    source = state["ranked"][state["submitted"] - 1]
    if accepted or outcome.result.error == "no time left":
        run.clock.submitted(source.step, outcome.result.seconds, stopped=not accepted)
    if not accepted:
        return {"history": history}
    await run.keep(source, outcome.result)
    came = _came_from(state, run, state["submitted"] - 1) | {"history": history, "submissions": [source]}
    metric = (await run.brief()).metric
    for place, solution in enumerate(state["ranked"][state["submitted"] :], start=state["submitted"]):
        if metric.is_better(solution.score, source.score) and run.clock.may_submit(solution.step):
            return came | {"submitted": place, "hopes": True}
    return came | {"hopes": False}


async def take(state: SubmissionState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """The best solution that is left was submitted before, while the search went on."""
    run = await Run.of(runtime)
    tried = state.get("submitted", 0)
    history = await record_submission(run, step_name(state), state["ranked"][tried])
    return _came_from(state, run, tried) | {"history": history}


def _came_from(state: SubmissionState, run: Run, index: int) -> dict[str, Any]:
    source = state["ranked"][index]
    return {
        "final_score": source.score,
        "final_solution": source.script,
        "submission_path": str(run.submission_file),
    }


def is_valid(state: SubmissionState) -> More | Literal["valid, or none left"]:
    """End with the first valid submission, but for a better solution that there is time to try."""
    if state["outcome"].result.ok:
        return "next solution" if state["hopes"] else "valid, or none left"
    following = "none left" if state.get("hopes") else next_in_line(state)
    return "valid, or none left" if following == "none left" else following


def draw_up(execute: str) -> StateGraph[SubmissionState, MLEStarConfig, SubmissionInput, SubmissionOutput]:
    """Build the graph; a drawing of the whole needs another name for the node `execute` in each place."""
    builder = StateGraph(SubmissionState, MLEStarConfig, input_schema=SubmissionInput, output_schema=SubmissionOutput)
    builder.add_node(submission)
    builder.add_node(execute, evaluation.graph)
    builder.add_node(finish)
    builder.add_node(take)
    more: dict[Hashable, str] = {"next solution": "submission", "submitted early": "take"}
    builder.add_conditional_edges(START, next_in_line, {**more, "none left": END})
    builder.add_conditional_edges("submission", has_script, {"run": execute, **more, "none left": END})
    builder.add_edge(execute, "finish")
    builder.add_conditional_edges("finish", is_valid, {**more, "valid, or none left": END})
    builder.add_edge("take", END)
    return builder


builder = draw_up("execute_submission")
graph = builder.compile(name="submission")
early_graph = draw_up("execute_early_submission").compile(name="early_submission")
