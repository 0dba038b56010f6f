"""A_leakage: can the validation score be believed? Asked before the first run of a solution."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import Any

from langgraph.runtime import Runtime
from pydantic import BaseModel

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import EvaluationState
from mle_star.tools.ask import ask
from mle_star.tools.blocks import quote_block, substitute
from mle_star.tools.replies import ReplyError, parse_block, parse_json
from mle_star.tools.run import Run

NEGATION = re.compile(r"\b(?:no|not|none|without|free)\b")


class Verdict(BaseModel):
    """The reply to the first question."""

    verdict: str
    code_block: str = ""
    reason: str = ""

    @property
    def leaks(self) -> bool:
        """Whether information of validation rows reaches the training."""
        text = self.verdict.strip().lower()
        return text.startswith("yes") or text == "true" or ("leak" in text and not NEGATION.search(text))


async def leakage_checker(state: EvaluationState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Have the preprocessing block judged, and put right and substituted when it leaks.

    A block that was judged is remembered in `cleared`: it is not paid for again while it stands unchanged.
    """
    run = await Run.of(runtime)
    draft = state["draft"]
    names = {"step": draft.step, "agent": "leakage_checker"}
    answer = await ask(
        run, "leakage_detect", partial(parse_verdict, draft.script), **names, schema=Verdict, script=draft.script
    )
    verdict, usage = answer.value, answer.usage
    if verdict is None or not verdict.leaks:
        judged = (verdict.code_block,) if verdict and verdict.code_block else ()
        return {"draft": draft.model_copy(update={"cleared": draft.cleared + judged}), "usage": usage}

    def corrected(reply: str) -> tuple[str, str]:
        block = parse_block(reply)
        return substitute(draft.script, verdict.code_block, block), block

    await run.emit("note", **names, message=f"leakage: {verdict.reason}")
    mended = await ask(
        run, "leakage_correct", corrected, **names,
        script=draft.script, code_block=verdict.code_block, reason=verdict.reason,
    )  # fmt: skip
    if mended.value:
        script, block = mended.value
        draft = draft.model_copy(update={"script": script})
        with suppress(ReplyError):  # as it stands in the script, indented perhaps
            draft = draft.model_copy(update={"cleared": (*draft.cleared, quote_block(script, block))})
    return {"draft": draft, "usage": usage + mended.usage}


def is_cleared(script: str, cleared: tuple[str, ...]) -> bool:
    """Tell whether a preprocessing block that was judged before stands unchanged in `script`."""
    for block in cleared:
        try:
            quote_block(script, block)
        except ReplyError:
            continue
        return True
    return False


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
