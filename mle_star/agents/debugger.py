"""A_debugger: repair a script that failed; asked until it runs or the tries are spent."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import EvaluationState
from mle_star.tools.ask import ask
from mle_star.tools.replies import parse_script
from mle_star.tools.run import Run


async def debugger(state: EvaluationState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Ask for the whole script, mended; it stays as it is when no usable one comes."""
    run = await Run.of(runtime)
    draft, result = state["draft"], state["outcome"].result
    output = f"{result.message}\n\nBefore that it printed:\n{result.output}" if result.output else result.message
    answer = await ask(
        run, "debugger", parse_script, step=draft.step, agent="debugger", attempt=state.get("repairs", 0),
        script=draft.script, error=output,
    )  # fmt: skip
    script = answer.value or draft.script
    return {
        "draft": draft.model_copy(update={"script": script}),
        "repairs": state.get("repairs", 0) + 1,
        "usage": answer.usage,
    }
