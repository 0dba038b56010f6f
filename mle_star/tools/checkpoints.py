"""How checkpoints are written: our own types and no others are read back, and the text in them is compressed.

A checkpoint holds the scripts that a step works on, several times over and each like the one before it: compressed, a
run's checkpoints take a quarter of the room.
"""

from __future__ import annotations

import zlib
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from mle_star.models.state import CHECKPOINTED_TYPES

LEAST_BYTES = 512
"""What is shorter is not worth compressing."""
MARK = "+zlib"


class CheckpointSerializer(JsonPlusSerializer):
    """LangGraph's own serializer, with what is long compressed; reads what was written without compression as well."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=CHECKPOINTED_TYPES)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Write a value as (type, bytes); the type says whether the bytes are compressed."""
        kind, data = super().dumps_typed(obj)
        return (kind + MARK, zlib.compress(data, 1)) if len(data) >= LEAST_BYTES else (kind, data)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Read back what `dumps_typed` wrote."""
        kind, written = data
        if kind.endswith(MARK):
            return super().loads_typed((kind.removesuffix(MARK), zlib.decompress(written)))
        return super().loads_typed(data)
