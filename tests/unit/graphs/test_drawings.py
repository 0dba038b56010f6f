"""What a drawing of the graphs shows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from graphs import ensemble, evaluation, initial, pipeline, refinement, submission

BUILDERS = {
    "candidate": initial.candidate_builder,
    "path": pipeline.path_builder,
    "early_submission": submission.draw_up("execute"),
} | {
    module.__name__: module.builder
    for module in (ensemble, evaluation, initial, pipeline, refinement, submission)
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_every_label_of_a_branch_is_drawn(name: str) -> None:
    """Of two labels with the same target LangGraph draws only the last."""
    builder: Any = BUILDERS[name]
    for node, branches in builder.branches.items():
        for router, branch in branches.items():
            targets = Counter((branch.ends or {}).values())
            assert set(targets.values()) <= {1}, f"{router} after {node}: {branch.ends}"
