"""A_test: the final solution, trained on all the data, predicts the test set."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from pydantic import BaseModel

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Usage
from mle_star.models.state import Draft, SubmissionState
from mle_star.tools.ask import ask
from mle_star.tools.blocks import quote_block
from mle_star.tools.ledger import record_skip
from mle_star.tools.replacing import replace_block
from mle_star.tools.replies import parse_json, parse_script
from mle_star.tools.run import Run

USE_EVERY_ROW = "The block limits the training rows: have it use every row."


class Subsampling(BaseModel):
    """The reply to the first question."""

    code_block: str


def step_name(state: SubmissionState) -> str:
    """Name the step that the next solution in line is submitted in."""
    tried = state.get("submitted", 0)
    if "path" in state:
        return f"p{state['path']}.submission"
    return f"submission.{tried}" if tried else "submission"


async def submission(state: SubmissionState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Remove the subsampling from the next solution in line, then have it write the submission."""
    run = await Run.of(runtime)
    tried = state.get("submitted", 0)
    solution, step = state["ranked"][tried], step_name(state)
    script, usage = await without_subsampling(run, solution.script, step)
    answer = await ask(
        run, "submission", lambda reply: parse_script(reply, script), step=step, agent="submission", script=script
    )
    usage += answer.usage
    if answer.value is None:
        skipped = await record_skip(run, step, "submission", answer.problem)
        return {"draft": None, "submitted": tried + 1, "history": skipped, "usage": usage}
    draft = Draft(
        step=step,
        agent="submission",
        script=answer.value,
        models=solution.models,
        note=f"from {solution.step}",
        delivers="submission",
    )
    return {"draft": draft, "submitted": tried + 1, "usage": usage}


async def without_subsampling(run: Run, script: str, step: str) -> tuple[str, Usage]:
    """Have the block that subsamples quoted and rewritten; the script stays as it is if there is none."""

    def quoted(reply: str) -> str:
        block = parse_json(reply, Subsampling).code_block
        return quote_block(script, block) if block.strip() else ""

    found = await ask(
        run, "subsampling_extract", quoted, step=step, agent="submission", schema=Subsampling, script=script
    )
    if not found.value:
        return script, found.usage
    whole = await replace_block(
        run, "subsampling_remove", script, found.value, USE_EVERY_ROW, step=step, agent="submission"
    )
    return whole.value or script, found.usage + whole.usage
