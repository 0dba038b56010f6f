"""Have a block of a script written anew; where no new block can be put in its place, the whole script."""

from __future__ import annotations

from collections.abc import Callable

from mle_star.tools.ask import Answer, ask
from mle_star.tools.blocks import find_block, numbered, substitute
from mle_star.tools.keeping import check_rewrite
from mle_star.tools.replies import ReplyError, parse_code, parse_script
from mle_star.tools.replies.code import script as usable_script
from mle_star.tools.run import Run

QUESTIONS = 2
"""That one replacement may take: for the block, and for the whole script."""


def nothing_more(earlier: str, later: str) -> None:
    """Demand nothing of a replacement but that it fits."""


async def replace_block(
    run: Run,
    prompt: str,
    script: str,
    block: str,
    change: str,
    *,
    step: str,
    agent: str,
    check: Callable[[str, str], None] = nothing_more,
    **values: object,
) -> Answer[str]:
    """Ask `prompt` for the new block and return the script with it, or ask for the whole script with the `change` made.

    `check` refuses, by a ReplyError, a script that does not keep what it has to keep of the earlier one.

    Raises:
        ModelUnavailableError: The model can't be reached.
    """

    def put_in(code: str) -> str:
        try:
            result = substitute(script, block, code)
        except ReplyError:
            if (whole := _as_whole(script, block, code)) is None:
                raise
            result = whole
        check(script, result)
        return result

    def rewritten(reply: str) -> str:
        result = parse_script(reply, script)
        span = find_block(script, block)
        try:
            check_rewrite(script, span, result)
            check(script, result)
        except ReplyError as error:
            raise ReplyError(str(error), numbered(script)) from None
        return result

    first = await ask(
        run, prompt, lambda reply: parse_code(reply, put_in, block), step=step, agent=agent,
        script=script, code_block=block, **values,
    )  # fmt: skip
    if first.value is not None or run.over(step):
        return first
    second = await ask(run, "rewrite", rewritten, step=step, agent=agent, script=script, code_block=block, plan=change)
    return Answer(second.value, first.usage + second.usage, second.problem)


def _as_whole(script: str, block: str, code: str) -> str | None:
    """The reply to the question for a block, if it is the whole script with nothing else changed."""
    try:
        result = usable_script(code)
        check_rewrite(script, find_block(script, block), result)
    except (ReplyError, SyntaxError):
        return None
    return result
