"""Have a block of a script written anew; where no new block can be put in its place, the whole script."""

from __future__ import annotations

from collections.abc import Callable

from mle_star.tools.ask import Answer, ask
from mle_star.tools.blocks import find_block, numbered, substitute
from mle_star.tools.keeping import check_rewrite
from mle_star.tools.replies import ReplyError, parse_code, parse_script
from mle_star.tools.replies.code import script as usable_script
from mle_star.tools.run import Run

Check = Callable[[str, str], None]
"""Refuses, by a ReplyError, a script that does not keep what it has to keep of the earlier one: (earlier, later)."""


def nothing_more(earlier: str, later: str) -> None:
    """Demand nothing of a replacement but that it fits."""


def parse_block(script: str, block: str, reply: str, check: Check = nothing_more) -> str:
    """Return the script with the new block of a reply; the reply may be the whole script, with nothing else changed.

    Raises:
        ReplyError: No code in the reply can take the block's place. Shows the script.
    """

    def put_in(code: str) -> str:
        try:
            result = substitute(script, block, code)
        except ReplyError:
            result = _as_whole(script, block, code)
            if not result:
                raise
        check(script, result)
        return result

    return parse_code(reply, put_in, block)


def parse_rewrite(script: str, block: str, reply: str, check: Check = nothing_more) -> str:
    """Return the whole script in a reply, in which the block alone was changed.

    Raises:
        ReplyError: It is not there, or more was changed. Shows the script.
    """
    try:
        result = parse_script(reply, script)
        check_rewrite(script, find_block(script, block), result)
        check(script, result)
    except ReplyError as error:
        raise ReplyError(str(error), numbered(script)) from None
    return result


async def replace_block(
    run: Run,
    prompt: str,
    script: str,
    block: str,
    change: str,
    *,
    step: str,
    agent: str,
    check: Check = nothing_more,
    **values: object,
) -> Answer[str]:
    """Ask `prompt` for the new block and return the script with it, or ask for the whole script with the `change` made.

    Raises:
        ModelUnavailableError: The model can't be reached.
    """
    first = await ask(
        run, prompt, lambda reply: parse_block(script, block, reply, check), step=step, agent=agent,
        script=script, code_block=block, **values,
    )  # fmt: skip
    if first.value is not None or run.time_left(step) <= 0:
        return first
    second = await ask(
        run, "rewrite", lambda reply: parse_rewrite(script, block, reply, check), step=step, agent=agent,
        script=script, code_block=block, plan=change,
    )  # fmt: skip
    return Answer(second.value, first.usage + second.usage, second.problem)


def _as_whole(script: str, block: str, code: str) -> str:
    """The reply to the question for a block, if it is the whole script with nothing else changed; else nothing."""
    try:
        result = usable_script(code)
        check_rewrite(script, find_block(script, block), result)
    except ReplyError:
        return ""
    return result
