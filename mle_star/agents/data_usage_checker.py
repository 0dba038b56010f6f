"""A_data: is every provided source of information used? Asked once, before refinement (Algorithm 1, last line)."""

from __future__ import annotations

import re
from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import Draft, InitialState
from mle_star.tools.ask import ask
from mle_star.tools.replies import ReplyError, clean, parse_script
from mle_star.tools.run import Run

ALL_USED = re.compile(r"(?<!not )all the provided information is used", re.IGNORECASE)


async def data_usage_checker(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Revise s_0 to use what it leaves out; no draft when it leaves nothing out."""
    run = await Run.of(runtime)
    solution = state["solution"]
    assert solution is not None, "rank routes here only with a solution"
    step = f"p{state.get('path', 1)}.data"
    answer = await ask(
        run, "data_usage_checker", lambda reply: parse_revision(reply, solution.script), step=step,
        agent="data_usage_checker", script=solution.script,
    )  # fmt: skip
    if not answer.value or answer.value == solution.script:
        return {"draft": None, "usage": answer.usage}
    draft = Draft(
        step=step,
        agent="data_usage_checker",
        script=answer.value,
        models=solution.models,
        note="uses data that was left out",
        cleared=solution.cleared,
    )
    return {"draft": draft, "usage": answer.usage}


def parse_revision(reply: str, script: str = "") -> str:
    """Return the revised script, or nothing when all is used. A patch is applied to the `script`.

    Raises:
        ReplyError: The reply is neither.
    """
    try:
        return parse_script(reply, script)
    except ReplyError:
        if ALL_USED.search(clean(reply)):
            return ""
        raise
