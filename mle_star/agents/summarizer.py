"""A_summarize: what the ablation study found (Algorithm 2, line 5)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import RefinementState
from mle_star.tools.ask import ask
from mle_star.tools.ledger import record
from mle_star.tools.replies import parse_text
from mle_star.tools.run import Run

SUMMARY_LENGTH = 3_000


async def summarizer(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Sum up r_t; the raw output stands in for a summary that does not come."""
    run = await Run.of(runtime)
    outcome = state["outcome"]
    printed = f"{outcome.result.output}\n{outcome.result.message}".strip()
    answer = await ask(
        run, "summarizer", parse_text, step=outcome.draft.step, agent="summarizer",
        script=outcome.draft.script, output=printed,
    )  # fmt: skip
    summary = (answer.value or printed)[:SUMMARY_LENGTH]
    noted = outcome.model_copy(update={"draft": outcome.draft.model_copy(update={"note": summary})})
    history = await record(run, noted, accepted=outcome.result.ok)
    return {"summary": summary, "summaries": [summary], "history": history, "usage": answer.usage}
