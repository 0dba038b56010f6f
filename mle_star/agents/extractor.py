"""A_extractor: the code block that matters most, and a first plan for it (Algorithm 2, line 6)."""

from __future__ import annotations

from functools import partial
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from pydantic import BaseModel

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import RefinementState
from mle_star.tools.ask import ask
from mle_star.tools.blocks import quote_block
from mle_star.tools.ledger import record_skip
from mle_star.tools.listing import numbered
from mle_star.tools.replies import ReplyError, parse_json
from mle_star.tools.run import Run


class Extraction(BaseModel):
    """c_t and p_0."""

    code_block: str
    plan: str


async def extractor(state: RefinementState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Choose c_t, which was not refined before, and p_0. No plan means that no usable reply came."""
    run = await Run.of(runtime)
    script, blocks = state["solution"].script, state["blocks"]
    step = f"p{state.get('path', 1)}.t{state['outer']}.extract"
    answer = await ask(
        run, "extractor", partial(parse_extraction, script, blocks), step=step, agent="extractor",
        schema=Extraction,
        script=script, summary=state["summary"] or "No study was possible.",
        earlier_blocks=numbered([f"```python\n{block}\n```" for block in blocks]),
    )  # fmt: skip
    fresh = {"inner": 0, "attempts": Overwrite([]), "best": None, "usage": answer.usage}
    if answer.value is None:
        return fresh | {"plan": None, "history": await record_skip(run, step, "extractor", answer.problem)}
    return fresh | {"plan": answer.value.plan, "block": answer.value.code_block, "blocks": [answer.value.code_block]}


def parse_extraction(script: str, blocks: list[str], reply: str) -> Extraction:
    """Read (c_t, p_0), the block as it stands in the script.

    Raises:
        ReplyError: It has not the form, or the block is not in the script once, or was refined before.
    """
    found = parse_json(reply, Extraction)
    block = quote_block(script, found.code_block)
    if block in blocks:
        raise ReplyError("This code block was refined before; choose another.")
    if not found.plan.strip():
        raise ReplyError("The plan is empty.")
    return Extraction(code_block=block, plan=found.plan.strip())
