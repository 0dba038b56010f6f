"""What may be asked of the runs of this server: start, pause, resume, stop, review. It looks after them meanwhile."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import structlog

from mle_star.api.driver import Driver
from mle_star.api.hub import Hub
from mle_star.api.metrics import Metrics
from mle_star.api.problems import FieldProblem, Problem
from mle_star.api.records import end_before_it_began, record_of
from mle_star.api.reviewing import Answers, keep_answers
from mle_star.api.run_list import RunList
from mle_star.api.settings import ServerSettings
from mle_star.api.store import RunRecord, RunStore
from mle_star.api.waiting import DATABASE, DISK, disk_is_full
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.models.review import WAITING, Review
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.checkpoints import Checkpoints
from mle_star.tools.run_folder import RunFolder

log = structlog.get_logger(__name__)
TICK = 1.0
DISCOVER = 15.0


class RunService:
    """Starts and steers runs, and takes them up again after whatever happened."""

    def __init__(self, settings: ServerSettings, store: RunStore, checkpoints: Checkpoints, metrics: Metrics) -> None:
        self.settings, self.store, self.metrics = settings, store, metrics
        self.hub = Hub()
        self.runs = RunList(settings.runs_dir, store, metrics)
        self._driver = Driver(settings, self.runs, self.hub, metrics, checkpoints)
        self._checkpoints = checkpoints
        self._watcher: asyncio.Task[None] | None = None
        self._answering = asyncio.Lock()
        self._unanswered = 0

    # The server's life

    async def open(self) -> None:
        """Take up what an earlier process left, then look after the runs."""
        for record in await self.store.unfinished():
            if record.source == "server":
                await self._take_up(record)
        await self.runs.discover()
        self._watcher = asyncio.create_task(self._watch())
        self._driver.pump()

    async def _take_up(self, record: RunRecord) -> None:
        try:
            about = await asyncio.to_thread(RunFolder(Path(record.folder)).about)
        except ConfigError as error:
            self.runs.note(record, status="failed", wish="pause", reason=str(error))
            return
        if not about.resumable:  # it ended, and only the list was not told
            self.runs.ended(record, about)
        elif record.wish == "pause" or record.status == "failed":
            status = "failed" if record.status == "failed" else "paused"
            self.runs.note(record, status=status, queued=None)
        elif record.wish == "run" and self.settings.on_restart == "wait" and record.status != "queued":
            self.runs.note(record, status="paused", wish="pause", queued=None, reason="the server was restarted")
        else:
            status = "stopping" if record.wish == "stop" else "queued"
            self.runs.note(record, status=status, queued=record.queued or record.created)
        log.info("taken up", run_id=record.run_id, status=self.runs[record.run_id].status)

    async def close(self) -> None:
        """Pause all runs within the grace time, so that they can be taken up again."""
        if self._watcher:
            self._watcher.cancel()
        await self._driver.close()
        with suppress(Exception):
            await self.runs.flush()

    @property
    def closing(self) -> bool:
        """Whether the server shuts down, and takes no more runs."""
        return self._driver.closing

    # What a person may ask for

    async def start(self, task: TaskDescription, config: MLEStarConfig) -> RunRecord:
        """Check a task, make its run and queue it.

        Raises:
            TaskError: As `MLEStarOrchestrator.prepare`.
            Problem: The disk is full, or the server shuts down.
        """
        self._refuse_when_closing()
        if await asyncio.to_thread(disk_is_full, self.settings.runs_dir, self.settings.min_free):
            raise Problem(503, "there is no room left on the disk for another run")
        folder = await MLEStarOrchestrator(config, self._checkpoints).prepare(task)
        record = record_of(folder, await asyncio.to_thread(folder.about), "server")
        self.runs.note(record, status="queued", wish="run", queued=time.time())
        await self.runs.save()
        self._driver.pump()
        log.info("queued", run_id=record.run_id, task=record.task)
        return self.runs.current(record)

    async def pause(self, run_id: str) -> RunRecord:
        """Have a run stop at the end of the steps that are under way."""
        record = await self.runs.own(run_id)
        if record.status == "stopping":
            raise Problem(409, "the run is being stopped: it goes on to its submission and ends")
        if record.status in ("queued", "paused"):
            reason = WAITING if record.reason == WAITING else ""
            self.runs.note(record, status="paused", wish="pause", queued=None, reason=reason)
        elif record.status == "running":
            self.runs.note(record, status="pausing", wish="pause", reason="")
            self._driver.drain(run_id)
        elif record.status == "failed":
            raise Problem(409, f"the run failed and is not at work: {record.reason}")
        elif record.wish != "stop":
            self.runs.note(record, wish="pause")
        await self.runs.save()
        return await self.runs.get(run_id)

    async def resume(self, run_id: str) -> RunRecord:
        """Have a run go on from its last checkpoint."""
        record = await self.runs.own(run_id)
        self._refuse_when_closing()
        if record.status == "stopping":
            raise Problem(409, "the run is being stopped: it goes on to its submission and ends")
        if record.status == "paused" and record.reason == WAITING:
            raise Problem(409, "the run waits for a person's review: answer it")
        if record.status in ("paused", "failed", "killed"):
            stopped = await asyncio.to_thread(lambda: RunFolder(Path(record.folder)).stopped)
            wish = "stop" if stopped else "run"
            status = "stopping" if wish == "stop" else "queued"
            self.runs.note(record, status=status, wish=wish, queued=time.time(), reason="")
        elif record.status == "pausing":
            self.runs.note(record, wish="run")
        await self.runs.save()
        self._driver.pump()
        return await self.runs.get(run_id)

    async def reviews(self, run_id: str) -> tuple[Review, ...]:
        """List what a run waits for a person to answer; nothing while it is at work."""
        record = await self.runs.get(run_id)
        if run_id in self._driver.live or record.status not in ("paused", "failed", "killed"):
            return ()
        return await self._driver.orchestrator(record).pending(Path(record.folder))

    async def answer(self, run_id: str, answers: Answers) -> RunRecord:
        """Have a run go on with what a person answered; what was not answered is asked again."""
        async with self._answering:
            record = await self.runs.own(run_id)
            self._refuse_when_closing()
            pending = {review.id for review in await self.reviews(run_id)}
            if not pending:
                raise Problem(409, "the run waits for no review")
            if unknown := sorted(answers.keys() - pending):
                message = "there is no such review: it may have been answered already"
                raise Problem(
                    422, message, [FieldProblem(field=f"answers.{name}", message=message) for name in unknown]
                )
            await asyncio.to_thread(keep_answers, Path(record.folder), answers)
            if run_id in self._driver.live or (await self.runs.own(run_id)).queued is not None:
                raise Problem(409, "someone else had the run go on meanwhile")
            self.runs.note(record, status="queued", wish="run", queued=time.time(), reason="")
        await self.runs.save()
        self._driver.pump()
        return await self.runs.get(run_id)

    async def stop(self, run_id: str) -> RunRecord:
        """Have a run go straight to its submission with the best so far, and end."""
        record = await self.runs.own(run_id)
        self._refuse_when_closing()
        folder = RunFolder(Path(record.folder))
        if record.status != "stopping":
            await asyncio.to_thread(folder.mark_stopped)
        begun = await asyncio.to_thread((folder.path / "events.jsonl").exists)
        record = await self.runs.own(run_id)  # it may have ended meanwhile
        if record.status == "queued" and not begun:
            await asyncio.to_thread(end_before_it_began, folder)
            self.runs.ended(record, await asyncio.to_thread(folder.about))
        elif record.status in ("queued", "paused", "failed", "killed"):
            self.runs.note(
                record, status="stopping", wish="stop", queued=0.0, reason=""
            )  # it comes first: it ends soon
        elif record.status == "running":
            self.runs.note(record, status="stopping", wish="stop", reason="")
            await self._driver.live[run_id].orchestrator.stop(self.settings.grace)
        elif record.status == "pausing":
            self.runs.note(record, wish="stop")
        await self.runs.save()
        self._driver.pump()
        return await self.runs.get(run_id)

    # The queue

    def place(self, run_id: str) -> int | None:
        """Give a run's place in the queue, from 1; None when it does not wait."""
        names = [record.run_id for record in self._driver.queue()]
        return names.index(run_id) + 1 if run_id in names else None

    @property
    def queue_length(self) -> int:
        """How many runs wait."""
        return len(self._driver.queue())

    # Looking after the runs

    async def _watch(self) -> None:
        waited = unlisted = 0.0
        while True:
            await asyncio.sleep(TICK)
            waited, unlisted = waited + TICK, unlisted + TICK
            try:
                for run_id in list(self._driver.live):
                    await self._driver.look_at(run_id)
                if waited >= self.settings.retry_seconds:
                    waited = 0.0
                    await self._look_after()
                await self.runs.flush()
                if unlisted >= DISCOVER:
                    unlisted = 0.0
                    await self.runs.discover()
            except Exception as error:
                self.runs.fell_behind(error)

    async def _look_after(self) -> None:
        """See to runs that wait for a disk or a database."""
        full = await asyncio.to_thread(disk_is_full, self.settings.runs_dir, self.settings.min_free)
        if not await self._database_answers():
            for run_id, live in self._driver.live.items():
                if self._unanswered > 1 and not live.because:
                    log.warning("cut off: the database does not answer", run_id=run_id)
                    live.because = DATABASE
                    live.task.cancel()
        elif full:
            for record in self.runs:
                if record.run_id in self._driver.live and record.status == "running":
                    log.warning("paused: the disk is full", run_id=record.run_id)
                    self._driver.drain(record.run_id, DISK)
        else:
            for record in self.runs:
                waits = record.status == "paused" and record.wish in ("run", "stop") and record.source == "server"
                if waits and record.run_id not in self._driver.live:
                    status = "stopping" if record.wish == "stop" else "queued"
                    self.runs.note(record, status=status, queued=record.created)
        self._driver.pump()

    async def _database_answers(self) -> bool:
        try:
            async with asyncio.timeout(5):
                await self.store.ping()
        except Exception:
            self._unanswered += 1
            return False
        self._unanswered = 0
        return True

    def _refuse_when_closing(self) -> None:
        if self.closing:
            raise Problem(503, "the server is shutting down")
