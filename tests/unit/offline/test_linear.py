"""How many rows a script's linear model learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mle_star.offline.parts import functions

ROWS, SEED = 60_400, 3
LEFT_OUT = np.random.default_rng(SEED).permutation(ROWS)[60_000:]
"""The rows that a model on 60,000 of them does not see."""


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("many_values", [True, False])
def test_each_of_many_values_is_learnt_from_all_rows_and_numbers_from_a_part(kind: str, many_values: bool) -> None:
    """A value that only the left-out rows have foretells their target, if they are learnt from."""
    scope: dict[str, Any] = {"np": np, "SEED": SEED, "classes": [0, 1]}
    for name in ("spread", "fewer", "linear"):
        exec(functions(kind).get(name, ""), scope)
    matrix = np.zeros((ROWS, 2))
    matrix[LEFT_OUT, 1] = 1
    matrix[::2, 0] = 1
    target = matrix[:, 1].astype(int)
    target[::100] = 1
    new = np.array([[0.0, 0.0], [0.0, 1.0]])
    written = sparse.csr_matrix if many_values else np.asarray
    told = scope["linear"](written(matrix), target, written(new))
    without, having = told[:, 1] if kind == "classification" else told
    assert (having - without > 0.5) == many_values
