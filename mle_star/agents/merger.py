"""A_merger: two solutions made one (Algorithm 1, line 9)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.state import Draft, InitialState
from mle_star.tools.ask import ask
from mle_star.tools.ledger import record_skip
from mle_star.tools.replies import parse_script
from mle_star.tools.run import Run


async def merger(state: InitialState, runtime: Runtime[MLEStarConfig]) -> dict[str, Any]:
    """Add the model of the best candidate still to merge to s_0."""
    run = await Run.of(runtime)
    base, reference = state["solution"], state["ranked"][0]
    assert base is not None, "rank routes to the merger only with a solution"
    step = f"p{state.get('path', 1)}.merge{state['merges']}"
    answer = await ask(
        run, "merger", parse_script, step=step, agent="merger",
        base_script=base.script, reference_script=reference.script,
    )  # fmt: skip
    if answer.value is None:
        skipped = await record_skip(run, step, "merger", answer.problem)
        return {"draft": None, "history": skipped, "usage": answer.usage}
    draft = Draft(
        step=step,
        agent="merger",
        script=answer.value,
        models=base.models + reference.models,
        note=f"{' + '.join(base.models)} + {' + '.join(reference.models)}",
        cleared=base.cleared,  # what was clean in the reference may be given other rows here
    )
    return {"draft": draft, "usage": answer.usage}
