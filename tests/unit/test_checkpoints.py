"""What is written into a checkpoint comes back as it was, in less room."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from mle_star.models.data_models import ExecutionResult, Solution
from mle_star.models.state import CHECKPOINTED_TYPES, Draft, Outcome
from mle_star.tools.checkpoints import CheckpointSerializer

SCRIPT = "\n".join(f"feature_{number} = prepared[:, {number}]" for number in range(200))


@pytest.mark.parametrize(
    "value", [None, b"", "x", SCRIPT, Draft(step="p1.t0.k0", agent="coder", script=SCRIPT), [Solution(script=SCRIPT)]]
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    serializer = CheckpointSerializer()
    assert serializer.loads_typed(serializer.dumps_typed(value)) == value


def test_a_script_takes_a_fraction_of_its_room() -> None:
    _, written = CheckpointSerializer().dumps_typed(Draft(step="p1.t0.k0", agent="coder", script=SCRIPT))
    assert len(written) < len(SCRIPT) / 3


def test_what_was_written_without_compression_is_read() -> None:
    written = JsonPlusSerializer(allowed_msgpack_modules=CHECKPOINTED_TYPES).dumps_typed(Solution(script=SCRIPT))
    assert CheckpointSerializer().loads_typed(written) == Solution(script=SCRIPT)


def test_a_type_that_is_not_ours_is_not_made() -> None:
    class Stranger(Outcome):
        pass

    Stranger.__module__ = "elsewhere"
    draft = Draft(step="p1.t0.k0", agent="coder", script=SCRIPT)
    serializer = CheckpointSerializer()
    written = serializer.dumps_typed(Stranger(draft=draft, result=ExecutionResult()))
    assert not isinstance(serializer.loads_typed(written), Outcome)
