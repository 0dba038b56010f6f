"""A whole script with one block changed: asked for where the new block by itself could not be put in place."""

from __future__ import annotations

import re
import textwrap

from mle_star.offline.checking import leakage_correct
from mle_star.offline.drafting import fenced
from mle_star.offline.reading import Prompt, unfenced
from mle_star.offline.refining import coder
from mle_star.offline.submitting import subsampling_remove


def rewrite(prompt: Prompt) -> str:
    """The script with the block that its plan asks for: without a leak, without the row limit, or refined."""
    script, block, plan = prompt.part("script"), prompt.part("code_block"), prompt.part("plan")
    operation = coder
    if re.search(r"training rows alone", plan):
        operation = leakage_correct
    elif re.search(r"limits the training rows", plan):
        operation = subsampling_remove
    new = textwrap.dedent(unfenced(operation(prompt)))
    margin = block[: len(block) - len(block.lstrip())]
    return fenced(script.replace(block, textwrap.indent(new, margin), 1))
