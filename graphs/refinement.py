"""Algorithm 2: T times, find the code block that matters most by an ablation study, and try K plans for it alone."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite, interrupt
from pydantic import ValidationError

from graphs import evaluation
from mle_star.agents.ablation_study import ablation_study
from mle_star.agents.coder import coder
from mle_star.agents.extractor import extractor
from mle_star.agents.planner import planner
from mle_star.agents.summarizer import summarizer
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Attempt, Solution
from mle_star.models.review import Review, ReviewAnswer
from mle_star.models.state import RefinementInput, RefinementOutput, RefinementState
from mle_star.tools.blocks import quote_block
from mle_star.tools.ledger import record, record_skip
from mle_star.tools.replies import ReplyError
from mle_star.tools.run import Run


async def begin(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Set out at t = 0 with nothing studied and nothing refined."""
    run = await Run.of(runtime)
    await run.brief(state["task"])
    return {"outer": 0, "summaries": Overwrite([]), "blocks": Overwrite([]), "summary": "", "best": None}


def any_block(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> Literal["first block", "no refinement"]:
    """Refine, unless T is 0."""
    return "first block" if (runtime.context or MLEStarConfig()).outer_loop_iterations else "no refinement"


def has_study(state: RefinementState) -> Literal["run", "no usable script"]:
    """Run the ablation study; without one, the extractor chooses by the script alone."""
    return "run" if state["draft"] else "no usable script"


def has_block(state: RefinementState) -> Literal["refine", "no usable block"]:
    """Go into the inner loop with c_t and p_0."""
    return "refine" if state["plan"] else "no usable block"


async def review(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Ask a person, where that is wanted; an answer that can't be used is refused with the reason and asked again."""
    if (runtime.context or MLEStarConfig()).review == "off":
        return {"decision": "go on"}
    block, plan = state["block"], state["plan"] or ""
    step = f"p{state.get('path', 1)}.t{state['outer']}.review"
    script = state["solution"].script
    question = Review(step=step, summary=state["summary"], script=script, code_block=block, plan=plan)
    while True:
        try:
            answer = ReviewAnswer.read(interrupt(question.model_dump(exclude={"id"})))
            if answer.code_block and answer.code_block.strip():
                block = quote_block(script, answer.code_block)
            break
        except (ValidationError, ReplyError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            question = question.model_copy(update={"refused": reason})
    before = state["blocks"][:-1]
    match answer.action:
        case "edit":
            plan = (answer.plan or "").strip() or plan
            return {"decision": "go on", "block": block, "plan": plan, "blocks": Overwrite([*before, block])}
        case "instruct":
            return {"decision": "instruct", "summary": answer.instruction, "blocks": Overwrite(before)}
        case "skip":
            skipped = await record_skip(await Run.of(runtime), step, "review", "a person had it skipped")
            return {"decision": "skip", "history": skipped}
    return {"decision": "go on"}


def after_review(state: RefinementState) -> Literal["go on", "instruction", "skip"]:
    """Refine the block, choose another as a person says, or leave it."""
    decisions: dict[str, Literal["instruction", "skip"]] = {"instruct": "instruction", "skip": "skip"}
    return decisions.get(state["decision"], "go on")


def has_plan(state: RefinementState) -> Literal["plan", "no usable plan"]:
    """A plan that did not come costs its step and nothing else."""
    return "plan" if state["plan"] else "no usable plan"


def has_candidate(state: RefinementState) -> Literal["run", "no usable block"]:
    """Run the candidate, if the new block could be put in place."""
    return "run" if state["draft"] else "no usable block"


async def judge(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Note (p_k, h_k) and keep the best of the block's candidates so far (lines 10 to 13)."""
    run = await Run.of(runtime)
    metric = (await run.brief()).metric
    best, candidate = state["best"], state["outcome"].solution
    leads = metric.is_better(candidate.score, best.score if best else state["solution"].score)
    return {
        "attempts": [Attempt(plan=state["plan"] or "", score=candidate.score)],
        "best": candidate if leads else best,
        "inner": state["inner"] + 1,
        "spent": run.over(),
        "history": await record(run, state["outcome"], accepted=leads),
    }


async def skip(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Count an inner step for which no plan or no block could be used."""
    run = await Run.of(runtime)
    step = f"p{state.get('path', 1)}.t{state['outer']}.k{state['inner']}"
    attempts = [Attempt(plan=state["plan"], score=None)] if state["plan"] else []
    return {
        "attempts": attempts,
        "inner": state["inner"] + 1,
        "spent": run.over(),
        "history": await record_skip(run, step, "coder" if state["plan"] else "planner", "no usable reply"),
    }


def after_candidate(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> Literal["more plans", "block done"]:
    """Try K plans for the block."""
    plans = (runtime.context or MLEStarConfig()).inner_loop_iterations
    return "more plans" if state["inner"] < plans and not state["spent"] else "block done"


async def adopt(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """End the outer step: its best candidate replaces the solution if it improves on it (line 16)."""
    run = await Run.of(runtime)
    best: Solution | None = state["best"]
    return {
        "solution": best or state["solution"],
        "outer": state["outer"] + 1,
        "best": None,
        "spent": run.over(),
    }


def after_block(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> Literal["next block", "done"]:
    """Refine T blocks."""
    blocks = (runtime.context or MLEStarConfig()).outer_loop_iterations
    return "next block" if state["outer"] < blocks and not state["spent"] else "done"


builder = StateGraph(RefinementState, MLEStarConfig, input_schema=RefinementInput, output_schema=RefinementOutput)
builder.add_node(begin)
builder.add_node(ablation_study)
builder.add_node("execute_ablation", evaluation.graph)
builder.add_node(summarizer)
builder.add_node(extractor)
builder.add_node(review)
builder.add_node(coder)
builder.add_node("execute_attempt", evaluation.graph)
builder.add_node(judge)
builder.add_node(skip)
builder.add_node(planner)
builder.add_node(adopt)
builder.add_edge(START, "begin")
builder.add_conditional_edges("begin", any_block, {"first block": "ablation_study", "no refinement": END})
# the outer loop
builder.add_conditional_edges("ablation_study", has_study, {"run": "execute_ablation", "no usable script": "extractor"})
builder.add_edge("execute_ablation", "summarizer")
builder.add_edge("summarizer", "extractor")
builder.add_conditional_edges("extractor", has_block, {"refine": "review", "no usable block": "adopt"})
builder.add_conditional_edges("review", after_review, {"go on": "coder", "instruction": "extractor", "skip": "adopt"})
# the inner loop
builder.add_conditional_edges("coder", has_candidate, {"run": "execute_attempt", "no usable block": "skip"})
builder.add_edge("execute_attempt", "judge")
builder.add_conditional_edges("judge", after_candidate, {"more plans": "planner", "block done": "adopt"})
builder.add_conditional_edges("skip", after_candidate, {"more plans": "planner", "block done": "adopt"})
builder.add_conditional_edges("planner", has_plan, {"plan": "coder", "no usable plan": "skip"})
builder.add_conditional_edges("adopt", after_block, {"next block": "ablation_study", "done": END})
graph = builder.compile(name="refinement")
