"""The runs that this server knows: their records in memory, written behind into the store.

A run's folder and its checkpoints are the truth; what is kept here is what a list needs. A store that does not answer
therefore holds up nothing but the list.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from mle_star.api.insight import Follower
from mle_star.api.metrics import Metrics
from mle_star.api.problems import Problem
from mle_star.api.records import as_its_thread_says, foreign_record, may_have_changed, news_of, run_folders
from mle_star.api.store import FINAL, RunRecord, RunStore
from mle_star.models.errors import ConfigError
from mle_star.tools.run_folder import About, RunFolder

log = structlog.get_logger(__name__)
FOLLOWED = 256


class RunList:
    """Keeps count of the runs in a folder, whoever started them."""

    def __init__(self, runs_dir: Path, store: RunStore, metrics: Metrics) -> None:
        self.runs_dir, self.store = runs_dir, store
        self._metrics = metrics
        self._open: dict[str, RunRecord] = {}
        """Every run that this server has to see to its end, and others that the store does not know yet."""
        self._dirty: set[str] = set()
        self._flushing = asyncio.Lock()
        self._followers: OrderedDict[str, Follower] = OrderedDict()
        self._changed = asyncio.Condition()
        self._behind = False

    def __iter__(self) -> Iterator[RunRecord]:
        """Give the records of the runs that this server has to see to their end."""
        return iter(list(self._open.values()))

    def __getitem__(self, run_id: str) -> RunRecord:
        """Give the record of a run that this server has to see to its end."""
        return self._open[run_id]

    def __contains__(self, run_id: str) -> bool:
        """Tell whether this server has to see a run to its end."""
        return run_id in self._open

    async def get(self, run_id: str) -> RunRecord:
        """Give a run's record; that of a run which another process drives as its folder has it now.

        Raises:
            Problem: There is no such run.
        """
        record = self._open.get(run_id) or await self.store.get(run_id)
        if record is None:
            record = await self._look(self.runs_dir / run_id)
        elif run_id not in self._open and record.source != "server" and record.status not in FINAL:
            record = await self._look(Path(record.folder)) or record
        if record is None:
            raise Problem(404, f"there is no run {run_id}")
        return record

    def current(self, record: RunRecord) -> RunRecord:
        """Give a record as it is now: the store may be a moment behind."""
        return self._open.get(record.run_id, record)

    async def own(self, run_id: str) -> RunRecord:
        """Give the record of a run that this server may act on.

        Raises:
            Problem: There is no such run, it has ended, or another process is at work on it.
        """
        record = await self.get(run_id)
        if record.status in FINAL:
            raise Problem(409, f"the run has ended: {record.status}")
        if record.source == "langgraph":
            raise Problem(409, "the run belongs to LangGraph: its thread's own API pauses, resumes and cancels it")
        if record.source == "terminal":
            if await asyncio.to_thread(RunFolder(Path(record.folder)).at_work):
                raise Problem(409, "another process is at work on the run")
            self.note(record, source="server")
        return self._open.setdefault(run_id, record)

    def follower(self, record: RunRecord) -> Follower:
        """Give what follows a run's events; the least used are forgotten."""
        follower = self._followers.pop(record.run_id, None) or Follower(RunFolder(Path(record.folder)))
        self._followers[record.run_id] = follower
        while len(self._followers) > FOLLOWED:
            self._followers.popitem(last=False)
        return follower

    async def changed(self, seconds: float) -> None:
        """Wait until some run's status changes, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait()

    def note(self, record: RunRecord, **changes: Any) -> RunRecord:
        """Change a run's record, which is written to the store by the next `flush`."""
        updated = self._open.get(record.run_id, record).model_copy(update=changes)
        self._open[record.run_id] = updated
        self._dirty.add(record.run_id)
        if "status" in changes and changes["status"] != record.status:
            log.info("status", run_id=record.run_id, status=updated.status, reason=updated.reason)
            asyncio.get_running_loop().create_task(self._announce())
        return updated

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def ended(self, record: RunRecord, about: About) -> None:
        """Note what a run came to."""
        result = about.result
        score = result.final_score if result and result.final_score is not None else record.score
        self.note(
            record, status=about.status, queued=None, finished=time.time(), score=score,
            reason=result.message if result else "", seconds=result.seconds if result else record.seconds,
        )  # fmt: skip
        self._metrics.end(record.run_id, about.status, record.seconds)

    async def save(self) -> None:
        """Write what changed now; when the database does not answer, a later `flush` does it."""
        try:
            await self.flush()
        except Exception as error:
            self.fell_behind(error)

    async def flush(self) -> None:
        """Write what changed to the store; raises what the database raises."""
        async with self._flushing:
            for run_id in list(self._dirty):
                record = self._open[run_id]
                self._dirty.discard(run_id)
                try:
                    await self.store.put(record)
                except BaseException:
                    self._dirty.add(run_id)
                    raise
                if record.status in FINAL and run_id not in self._dirty:
                    del self._open[run_id]
            self._behind = False

    def fell_behind(self, error: Exception) -> None:
        """Say once that the store lags."""
        if not self._behind:
            log.warning("the list is behind", error=str(error))
        self._behind = True

    async def discover(self) -> None:
        """Take into the list what other processes have made in the runs' folder, and what has become of it."""
        known = await self.store.ids()
        found = await asyncio.to_thread(run_folders, self.runs_dir)
        wanted = [path for name, path in found.items() if name not in known and name not in self._open]
        foreign = [record for record in await self.store.foreign() if record.run_id not in self._open]
        wanted += await asyncio.to_thread(lambda: [Path(one.folder) for one in foreign if may_have_changed(one)])
        for path in wanted:
            await self._look(path)

    async def _look(self, path: Path) -> RunRecord | None:
        """Take in what a run is that another process made; None where there is none."""
        try:
            record = await asyncio.to_thread(foreign_record, path)
            if record.status not in FINAL:
                follower = self.follower(record)
                await asyncio.to_thread(follower.refresh)
                record = record.model_copy(update=news_of(follower.view) if follower.view else {})
        except (ConfigError, ValueError, OSError) as error:
            log.debug("left out of the list", folder=path.name, error=str(error))
            return None
        record = await as_its_thread_says(record)
        if await self.store.get(record.run_id) != record:
            await self.store.put(record)
        return record
