"""Where checkpoints are kept, and how they are written.

Our own types and no others are read back, and the text in them is compressed.

A checkpoint holds the scripts that a step works on, several times over and each like the one before it: compressed, a
run's checkpoints take a quarter of the room.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from mle_star.models.state import CHECKPOINTED_TYPES

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from psycopg import AsyncConnection
    from psycopg.rows import DictRow
    from psycopg_pool import AsyncConnectionPool

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


class Checkpoints(Protocol):
    """Where the checkpoints of runs are kept."""

    @property
    def name(self) -> str:
        """Of the kind of database; a run is resumed where its checkpoints are."""
        ...

    def of(self, folder: Path) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
        """Open the checkpoints of the run in a folder."""
        ...


class SqliteCheckpoints:
    """Each run's in a file of its own, in its folder."""

    name = "sqlite"

    @asynccontextmanager
    async def of(self, folder: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """Open the file."""
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoint.sqlite")) as saver:
            await saver.conn.execute("PRAGMA synchronous=NORMAL")  # a power cut may cost the last steps; a kill nothing
            saver.serde = CheckpointSerializer()
            yield saver


class PostgresCheckpoints:
    """All runs' in one PostgreSQL database, through LangGraph's own saver and one pool of connections."""

    name = "postgresql"

    def __init__(self, url: str, connections: int = 8, wait: float = 5.0) -> None:
        self._url, self._connections, self._wait = url, connections, wait
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] | None = None

    async def open(self) -> None:
        """Connect, and make the tables where they are missing.

        Raises:
            psycopg.Error: The database can't be reached.
        """
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import AsyncConnection
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool

        pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            self._url, min_size=1, max_size=self._connections, timeout=self._wait, open=False,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
            check=AsyncConnectionPool.check_connection, connection_class=AsyncConnection[Any],
        )  # fmt: skip
        await pool.open(wait=True, timeout=self._wait)
        self._pool = pool
        await AsyncPostgresSaver(pool).setup()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._pool is not None:
            await self._pool.close()

    @asynccontextmanager
    async def of(self, folder: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """Give the saver of all runs; a thread's id tells them apart."""
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        assert self._pool is not None, "opened before"
        yield AsyncPostgresSaver(self._pool, serde=CheckpointSerializer())
