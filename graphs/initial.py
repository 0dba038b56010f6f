"""Algorithm 1: find M models, try each by itself, merge the best ones while that helps."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from graphs import evaluation
from mle_star.agents.candidate_evaluator import candidate_evaluator
from mle_star.agents.data_usage_checker import data_usage_checker
from mle_star.agents.merger import merger
from mle_star.agents.retriever import retriever
from mle_star.models.config import MLEStarConfig
from mle_star.models.state import (
    CandidateInput,
    CandidateOutput,
    CandidateState,
    InitialOutput,
    InitialState,
    PathInput,
)
from mle_star.tools.ledger import promote, record
from mle_star.tools.run import Run
from mle_star.tools.sources import newly_named

# One candidate: written, run, noted.


async def note_candidate(state: CandidateState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Hand over s_i with h(s_i); a candidate that never ran is noted and left behind."""
    run = await Run.of(runtime)
    solution = state["outcome"].solution
    history = await record(run, state["outcome"])
    return {"candidates": [solution] if solution.score is not None else [], "history": history}


def has_draft(state: CandidateState) -> Literal["run", "no usable script"]:
    """Run what was written, if anything was."""
    return "run" if state["draft"] else "no usable script"


candidate_builder = StateGraph(
    CandidateState, MLEStarConfig, input_schema=CandidateInput, output_schema=CandidateOutput
)
candidate_builder.add_node(candidate_evaluator)
candidate_builder.add_node("execute_candidate", evaluation.graph)
candidate_builder.add_node(note_candidate)
candidate_builder.add_edge(START, "candidate_evaluator")
candidate_builder.add_conditional_edges(
    "candidate_evaluator", has_draft, {"run": "execute_candidate", "no usable script": END}
)
candidate_builder.add_edge("execute_candidate", "note_candidate")
candidate_builder.add_edge("note_candidate", END)
candidate_graph = candidate_builder.compile(name="candidate")


# All of them.


def each_candidate(state: InitialState) -> list[Send]:
    """Evaluate the candidates side by side (lines 2 to 5)."""
    path = state.get("path", 1)
    return [
        Send("candidate", {"path": path, "number": number, "card": card})
        for number, card in enumerate(state["cards"], 1)
    ]


async def rank(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Sort the candidates best first; the best is s_0 (lines 6 and 7)."""
    run = await Run.of(runtime)
    metric = (await run.brief()).metric
    ordered = sorted(state["candidates"], key=lambda found: (*metric.sort_key(found.score), found.step))
    if not ordered:
        return {"solution": None, "ranked": ()}
    history = await promote(run, ordered[0])
    return {"solution": ordered[0], "ranked": tuple(ordered[1:]), "merges": 1, "history": history}


def after_ranking(state: InitialState) -> Literal["merge", "nothing to merge", "no candidate ran"]:
    """Go on with what ran."""
    if state["solution"] is None:
        return "no candidate ran"
    return "merge" if state["ranked"] else "nothing to merge"


def has_merge(state: InitialState) -> Literal["run", "no usable script"]:
    """Run the merge, if it could be written."""
    return "run" if state["draft"] else "no usable script"


async def judge_merge(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Accept a merge that scores at least h_best (lines 10 to 14)."""
    run = await Run.of(runtime)
    best, merged = state["solution"], state["outcome"].solution
    better = best is not None and (await run.brief()).metric.is_at_least(merged.score, best.score)
    return {
        "solution": merged if better else best,
        "better": better,
        "ranked": state["ranked"][1:],
        "merges": state["merges"] + 1,
        "spent": run.over(),
        "history": await record(run, state["outcome"], accepted=better),
    }


def after_merge(state: InitialState) -> Literal["better", "worse, or merged all"]:
    """Stop merging at the first merge that scores worse."""
    goes_on = state["better"] and state["ranked"] and not state["spent"]
    return "better" if goes_on else "worse, or merged all"


def has_revision(state: InitialState) -> Literal["data was left out", "all used"]:
    """Run the revision, if there is one."""
    return "data was left out" if state["draft"] else "all used"


async def judge_revision(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Accept a revision that scores at least as well, or that uses a file which was unused before."""
    run = await Run.of(runtime)
    brief = await run.brief()
    base, revised = state["solution"], state["outcome"].solution
    assert base is not None, "only a solution is revised"
    reads_more = bool(newly_named(brief.profile, base.script, revised.script))
    accepted = revised.score is not None and (reads_more or brief.metric.is_at_least(revised.score, base.score))
    history = await record(run, state["outcome"], accepted=accepted)
    return {"solution": revised if accepted else base, "history": history}


builder = StateGraph(InitialState, MLEStarConfig, input_schema=PathInput, output_schema=InitialOutput)
builder.add_node(retriever)
builder.add_node("candidate", candidate_graph)
builder.add_node(rank)
builder.add_node(merger)
builder.add_node("execute_merge", evaluation.graph)
builder.add_node(judge_merge)
builder.add_node(data_usage_checker)
builder.add_node("execute_revision", evaluation.graph)
builder.add_node(judge_revision)
builder.add_edge(START, "retriever")
builder.add_conditional_edges("retriever", each_candidate, ["candidate"])
builder.add_edge("candidate", "rank")
builder.add_conditional_edges(
    "rank",
    after_ranking,
    {"merge": "merger", "nothing to merge": "data_usage_checker", "no candidate ran": END},
)
builder.add_conditional_edges("merger", has_merge, {"run": "execute_merge", "no usable script": "data_usage_checker"})
builder.add_edge("execute_merge", "judge_merge")
builder.add_conditional_edges(
    "judge_merge", after_merge, {"better": "merger", "worse, or merged all": "data_usage_checker"}
)
builder.add_conditional_edges(
    "data_usage_checker", has_revision, {"data was left out": "execute_revision", "all used": END}
)
builder.add_edge("execute_revision", "judge_revision")
builder.add_edge("judge_revision", END)
graph = builder.compile(name="initial")
