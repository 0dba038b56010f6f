"""The list of runs, in SQLite or PostgreSQL: what can be listed and searched.

What a run is, its folder and its checkpoints say. This table can be made anew from the folders at any time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    event,
    func,
    inspect,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mle_star.models.frozen import Frozen

RunStatus = Literal[
    "queued", "running", "pausing", "stopping", "paused", "killed", "failed", "succeeded", "no submission",
    "no script ran",
]  # fmt: skip
FINAL = ("succeeded", "no submission", "no script ran")
"""Nothing is left to do."""
Wish = Literal["run", "pause", "stop"]
Source = Literal["server", "terminal", "langgraph"]


class RunRecord(Frozen):
    """One row: a run as the list shows it."""

    run_id: str
    folder: str
    source: Source = "server"
    task: str
    dataset_path: str
    metric: str
    maximize: bool | None = None
    model_provider: str
    model_id: str
    status: RunStatus
    wish: Wish = "run"
    """What a person wants of it; survives a restart."""
    reason: str = ""
    """Why it has the status that it has, where that needs saying."""
    phase: str | None = None
    score: float | None = None
    seconds: float = 0.0
    events: int = 0
    """The last event's number."""
    created: float
    """Seconds since 1970, as all times here."""
    queued: float | None = None
    """Since when it waits for its turn; None when it does not."""
    finished: float | None = None


METADATA = MetaData()
COLUMNS: dict[str, Any] = {
    "maximize": Integer, "score": Float, "seconds": Float, "events": Integer, "created": Float, "queued": Float,
    "finished": Float,
}  # fmt: skip
RUNS = Table(
    "mle_star_runs",
    METADATA,
    *(Column(name, COLUMNS.get(name, String), primary_key=name == "run_id") for name in RunRecord.model_fields),
    Index("mle_star_runs_by_time", "created", "run_id"),
    Index("mle_star_runs_by_status", "status", "created"),
)


class RunStore:
    """Keeps the records."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url)

    async def open(self) -> None:
        """Make the table; one of an earlier version is made anew, the folders say what was in it."""
        async with self._engine.begin() as connection:
            found = await connection.run_sync(_columns)
            if found is not None and found != {column.name for column in RUNS.columns}:
                await connection.run_sync(RUNS.drop)
            await connection.run_sync(METADATA.create_all)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._engine.dispose()

    async def ping(self) -> None:
        """Raise where the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def put(self, record: RunRecord) -> None:
        """Write a record, in place of an earlier one of the same run."""
        values = record.model_dump()
        async with self._engine.begin() as connection:
            await connection.execute(_upsert(self._engine.dialect.name, values))

    async def get(self, run_id: str) -> RunRecord | None:
        """Read a record."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(RUNS).where(RUNS.c.run_id == run_id))).mappings().first()
        return RunRecord(**row) if row else None

    async def ids(self) -> set[str]:
        """All runs that are known."""
        async with self._engine.connect() as connection:
            return set((await connection.execute(select(RUNS.c.run_id))).scalars())

    async def unfinished(self) -> list[RunRecord]:
        """Those with something left to do, oldest first."""
        query = select(RUNS).where(RUNS.c.status.not_in(FINAL)).order_by(RUNS.c.created)
        async with self._engine.connect() as connection:
            return [RunRecord(**row) for row in (await connection.execute(query)).mappings()]

    async def foreign(self) -> list[RunRecord]:
        """Those that other processes drive, and what LangGraph drove: a thread may run anew."""
        going_on = and_(RUNS.c.source != "server", RUNS.c.status.not_in(FINAL))
        query = select(RUNS).where(or_(going_on, RUNS.c.source == "langgraph"))
        async with self._engine.connect() as connection:
            return [RunRecord(**row) for row in (await connection.execute(query)).mappings()]

    async def page(
        self, limit: int, before: tuple[float, str] | None = None, status: str | None = None, search: str = ""
    ) -> list[RunRecord]:
        """Read up to `limit` records, newest first; `before` is (created, run_id) of the last one seen."""
        query = select(RUNS).where(*self._filters(status, search))
        if before is not None:
            created, run_id = before
            earlier = RUNS.c.created < created
            query = query.where(or_(earlier, and_(RUNS.c.created == created, RUNS.c.run_id < run_id)))
        query = query.order_by(RUNS.c.created.desc(), RUNS.c.run_id.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [RunRecord(**row) for row in (await connection.execute(query)).mappings()]

    async def count(self, status: str | None = None, search: str = "") -> int:
        """Count the records that a list would have."""
        query = select(func.count()).select_from(RUNS).where(*self._filters(status, search))
        async with self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def by_status(self) -> dict[str, int]:
        """Count the records by status."""
        query = select(RUNS.c.status, func.count()).group_by(RUNS.c.status)
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    @staticmethod
    def _filters(status: str | None, search: str) -> list[Any]:
        filters: list[Any] = [RUNS.c.status == status] if status else []
        if search:
            filters.append(
                or_(
                    *(
                        RUNS.c[name].icontains(search, autoescape=True)
                        for name in ("run_id", "task", "metric", "model_id")
                    )
                )
            )
        return filters


def make_engine(url: str) -> AsyncEngine:
    """Connect to the database of a URL, `sqlite:///file` or `postgresql://...`."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return create_async_engine(f"postgresql+psycopg://{rest}", pool_pre_ping=True, pool_timeout=10, pool_size=8)
    engine = create_async_engine(f"sqlite+aiosqlite://{rest}", connect_args={"timeout": 30})

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("pragma journal_mode=wal")
        cursor.execute("pragma synchronous=normal")
        cursor.close()

    return engine


def sqlite_url(folder: Path) -> str:
    """Name the database that needs no setting up."""
    return f"sqlite:///{folder.absolute() / 'runs.sqlite'}"


def _columns(connection: Any) -> set[str] | None:
    found = inspect(connection)
    return {column["name"] for column in found.get_columns(RUNS.name)} if found.has_table(RUNS.name) else None


def _upsert(dialect: str, values: dict[str, Any]) -> Any:
    from sqlalchemy.dialects import postgresql, sqlite

    values = {name: int(value) if name == "maximize" and value is not None else value for name, value in values.items()}
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(RUNS).values(**values)
    return insert.on_conflict_do_update(index_elements=["run_id"], set_=values)
