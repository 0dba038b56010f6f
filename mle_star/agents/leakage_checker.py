"""A_leakage: can the validation score be believed? Asked before the first run of a solution."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from langgraph.runtime import Runtime
from pydantic import BaseModel

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import Draft, EvaluationState
from mle_star.tools.ask import ask
from mle_star.tools.blocks import new_block, quote_block, stands_in
from mle_star.tools.keeping import check_kept
from mle_star.tools.preparation import learning_calls
from mle_star.tools.replacing import replace_block
from mle_star.tools.replies import ReplyError, parse_json
from mle_star.tools.run import Run

FIT_APART = "Fit everything that is fitted on training rows alone, and then apply it to validation rows."
NO_LEAK = re.compile(
    r"\b(?:no|not|none|without|free)\b[^.,;:]*\bleak"
    r"|\bleak\w*[\s:,-]*(?:(?:is|was|has|have|were|could|can)\s+)?(?:not?|none|free|absent)\b"
)
"""A negation counts next to the word alone: `leakage: fitted without a split` is leakage."""


class Verdict(BaseModel):
    """The reply to the first question."""

    verdict: str
    code_block: str = ""
    reason: str = ""

    @property
    def leaks(self) -> bool:
        """Whether information of validation rows reaches the training."""
        text = self.verdict.strip().lower()
        return text.startswith("yes") or text == "true" or ("leak" in text and not NO_LEAK.search(text))


async def leakage_checker(state: EvaluationState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Have the preprocessing block judged, and put right and substituted when it leaks.

    What was judged is remembered in `cleared`: it is not paid for again while it stands unchanged. A verdict that does
    not come, and a leak that can't be put right, are told, and the script runs as it is.
    """
    run = await Run.of(runtime)
    draft = state["draft"]
    names = {"step": draft.step, "agent": "leakage_checker"}
    answer = await ask(
        run, "leakage_detect", partial(parse_verdict, draft.script), **names, schema=Verdict, script=draft.script
    )
    verdict, usage = answer.value, answer.usage
    if verdict is None or not verdict.leaks:
        if verdict and verdict.code_block:
            draft = _cleared(draft, draft.script, verdict.code_block)
        return {"draft": draft, "usage": usage}
    await run.emit("note", **names, message=f"leakage: {verdict.reason}")
    mended = await replace_block(
        run, "leakage_correct", draft.script, verdict.code_block, f"{FIT_APART} {verdict.reason}", **names,
        check=check_kept, reason=verdict.reason,
    )  # fmt: skip
    if mended.value:
        draft = _cleared(draft, mended.value, new_block(draft.script, verdict.code_block, mended.value))
    return {"draft": draft, "usage": usage + mended.usage}


def _cleared(draft: Draft, script: str, block: str) -> Draft:
    """Remember what the verdict covers."""
    judged = (block,) if stands_in(script, block) else ()
    cleared = dict.fromkeys((*draft.cleared, *judged, *learning_calls(script)))
    return draft.model_copy(update={"script": script, "cleared": tuple(cleared)})


def parse_verdict(script: str, reply: str) -> Verdict:
    """Read a verdict, its block as it stands in the script.

    Raises:
        ReplyError: It has not the form, or it finds leakage in a block that is not in the script.
    """
    verdict = parse_json(reply, Verdict)
    try:
        return verdict.model_copy(update={"code_block": quote_block(script, verdict.code_block)})
    except ReplyError:
        if verdict.leaks:
            raise
        return verdict.model_copy(update={"code_block": ""})
