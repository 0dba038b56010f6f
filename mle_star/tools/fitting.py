"""Prompts fit the model: what is too long for its context loses the middle of its longest parts, with a mark."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mle_star.tools.accounting import BYTES_PER_TOKEN, estimate_tokens
from mle_star.tools.brief import cut_middle

LEAST = 600
"""Characters of a part that stay."""
LOGS = ("output", "error", "history", "earlier_summaries", "earlier_blocks", "example_code", "summary")
"""What is cut before the scripts are."""
WHOLE = ("task", "environment", "direction", "subsample")
"""What every prompt says, and is never cut here: the description of the task was, its facts stay."""


def fit(render: Callable[[Mapping[str, object]], str], values: Mapping[str, object], tokens: int) -> str:
    """Render a prompt in at most `tokens`; what can't be cut short enough goes as it is, for the server to refuse."""
    text = render(values)
    for name in _longest_first(values):
        excess = (estimate_tokens([text]) - tokens) * BYTES_PER_TOKEN
        if excess <= 0:
            break
        part = str(values[name])
        values = {**values, name: cut_middle(part, max(LEAST, len(part) - excess - 60))}
        text = render(values)
    return text


def _longest_first(values: Mapping[str, object]) -> list[str]:
    names = [name for name, value in values.items() if name not in WHOLE and isinstance(value, str)]
    return sorted(names, key=lambda name: (name not in LOGS, -len(str(values[name]))))


def window(tokens: int, most: int | None) -> int:
    """Say how long an Ollama context to ask for: in few sizes, since the server loads the model anew for each."""
    size = 8_192
    while size < tokens:
        size *= 2
    return min(size, most) if most else size
