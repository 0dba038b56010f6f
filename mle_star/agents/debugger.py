"""A_debugger: repair a script that failed; asked until it runs or the tries are spent."""

from __future__ import annotations

import re
from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import EvaluationState
from mle_star.tools.ask import ask
from mle_star.tools.environment import installed_packages
from mle_star.tools.keeping import check_kept
from mle_star.tools.replies import parse_script
from mle_star.tools.run import Run

EXCEPTIONS = {
    "score": "These rules hold for this script.",
    "output": "This script studies a solution: it prints what it measures, and needs no score as its last line.",
    "submission": "This script writes the submission, so two of these rules do not hold: it trains on every row, and "
    "it reads the test data, predicts each of its rows, and writes `./final/submission.csv`.",
}
"""By what a script has to deliver."""


async def debugger(state: EvaluationState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Ask for the whole script, mended; it stays as it is when no usable one comes."""
    run = await Run.of(runtime)
    draft, result = state["draft"], state["outcome"].result
    told = what_is_installed(result.message)
    message = f"{result.message}\n\n{told}" if told else result.message
    output = f"{message}\n\nBefore that it printed:\n{result.output}" if result.output else message

    def repaired(reply: str) -> str:
        script = parse_script(reply, draft.script)
        check_kept(draft.script, script)
        return script

    answer = await ask(
        run, "debugger", repaired, step=draft.step, agent="debugger", attempt=state.get("repairs", 0),
        script=draft.script, error=output, exceptions=EXCEPTIONS[draft.delivers],
    )  # fmt: skip
    script = answer.value or draft.script
    return {
        "draft": draft.model_copy(update={"script": script}),
        "repairs": state.get("repairs", 0) + 1,
        "usage": answer.usage,
    }


def what_is_installed(message: str) -> str:
    """Say what a script may import, when one failed to import something; nothing after any other failure."""
    if not re.search(r"^(?:ModuleNotFoundError|ImportError)\b", message, re.MULTILINE):
        return ""
    return (
        "Nothing can be installed here. Do without what could not be imported; besides Python's own modules, these "
        f"packages are there, in these versions: {', '.join(installed_packages())}."
    )
