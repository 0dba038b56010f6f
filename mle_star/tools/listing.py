"""How lists of things are shown in prompts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from mle_star.models.data_models import Attempt, Solution


def numbered(items: Iterable[str]) -> str:
    """Number texts from 1; `none` when there are none."""
    return "\n\n".join(f"{number}.\n{item}" for number, item in enumerate(items, 1)) or "none"


def attempts_text(attempts: Iterable[Attempt]) -> str:
    """Show (plan, score) pairs in the order in which they were tried."""
    shown = []
    for number, attempt in enumerate(attempts, 1):
        score = "failed" if attempt.score is None else repr(attempt.score)
        shown.append(f"{number}. score: {score}\n{textwrap.indent(attempt.plan, '   ')}")
    return "\n\n".join(shown) or "none"


def solutions_text(solutions: Iterable[Solution]) -> str:
    """Show whole solutions with their scores."""
    return "\n".join(
        f'<solution index="{number}" score="{solution.score}">\n{solution.script}\n</solution>'
        for number, solution in enumerate(solutions, 1)
    )
