"""The runs of this server: started, queued, paused, stopped, and taken up again after whatever happened.

A run is driven by an orchestrator of its own in this process. Its folder and its checkpoints are the truth; what is
kept here in memory, and written behind into the store, is what a list needs. A store that does not answer therefore
holds up nothing but the list.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from mle_star.api.hub import Hub
from mle_star.api.insight import Follower
from mle_star.api.metrics import Metrics
from mle_star.api.problems import FieldProblem, Problem
from mle_star.api.reviewing import Answers, answers_for, forget_answers, keep_answers, kept_answers
from mle_star.api.settings import ServerSettings
from mle_star.api.store import FINAL, RunRecord, RunStore, Source
from mle_star.api.waiting import DATABASE, DISK, disk_is_full, what_it_waits_for
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.models.review import WAITING, Review
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.checkpoints import Checkpoints
from mle_star.tools.progress import task_name
from mle_star.tools.run_folder import About, RunFolder

log = structlog.get_logger(__name__)
TICK = 1.0
DISCOVER = 15.0
FOLLOWED = 256
SHUT_DOWN = "the server was shut down"


@dataclass
class Live:
    """A run that is driven now."""

    orchestrator: MLEStarOrchestrator
    task: asyncio.Task[None]
    cut: asyncio.TimerHandle | None = None
    because: str = ""
    """Why it was told to pause, where no person did."""
    told: int = 0
    """The last event that the figures know."""


class RunService:
    """Starts, drives and keeps count of runs."""

    def __init__(self, settings: ServerSettings, store: RunStore, checkpoints: Checkpoints, metrics: Metrics) -> None:
        self.settings, self.store, self.metrics = settings, store, metrics
        self.hub = Hub()
        self.closing = False
        self._checkpoints = checkpoints
        self._open: dict[str, RunRecord] = {}
        """Every run that this server has to see to its end, and others that the store does not know yet."""
        self._live: dict[str, Live] = {}
        self._dirty: set[str] = set()
        self._flushing = asyncio.Lock()
        self._followers: OrderedDict[str, Follower] = OrderedDict()
        self._watcher: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._answering = asyncio.Lock()
        self._unanswered = 0
        self._behind = False

    # The server's life

    async def open(self) -> None:
        """Take up what an earlier process left, then look after the runs."""
        for record in await self.store.unfinished():
            if record.source == "server":
                await self._take_up(record)
        await self.discover()
        self._watcher = asyncio.create_task(self._watch())
        self._pump()

    async def _take_up(self, record: RunRecord) -> None:
        try:
            about = await asyncio.to_thread(RunFolder(Path(record.folder)).about)
        except ConfigError as error:
            self._note(record, status="failed", wish="pause", reason=str(error))
            return
        if not about.resumable:  # it ended, and only the list was not told
            self._ended(record, about)
        elif record.wish == "pause" or record.status == "failed":
            status = "failed" if record.status == "failed" else "paused"
            self._note(record, status=status, queued=None)
        elif record.wish == "run" and self.settings.on_restart == "wait" and record.status != "queued":
            self._note(record, status="paused", wish="pause", queued=None, reason="the server was restarted")
        else:
            status = "stopping" if record.wish == "stop" else "queued"
            self._note(record, status=status, queued=record.queued or record.created)
        log.info("taken up", run_id=record.run_id, status=self._open[record.run_id].status)

    async def close(self) -> None:
        """Pause all runs within the grace time, so that they can be taken up again."""
        self.closing = True
        if self._watcher:
            self._watcher.cancel()
        for live in self._live.values():
            live.because = live.because or SHUT_DOWN
            live.orchestrator.pause()
        tasks = [live.task for live in self._live.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.settings.grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=30)
        with suppress(Exception):
            await self._flush()

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
        record = _record_of(folder, await asyncio.to_thread(folder.about), "server")
        self._note(record, status="queued", wish="run", queued=time.time())
        await self._save()
        self._pump()
        log.info("queued", run_id=record.run_id, task=record.task)
        return self._open.get(record.run_id, record)

    async def pause(self, run_id: str) -> RunRecord:
        """Have a run stop at the end of the steps that are under way."""
        record = await self._own(run_id)
        if record.status == "stopping":
            raise Problem(409, "the run is being stopped: it goes on to its submission and ends")
        if record.status in ("queued", "paused"):
            reason = WAITING if record.reason == WAITING else ""
            self._note(record, status="paused", wish="pause", queued=None, reason=reason)
        elif record.status == "running":
            self._note(record, status="pausing", wish="pause", reason="")
            self._drain(run_id)
        elif record.status == "failed":
            raise Problem(409, f"the run failed and is not at work: {record.reason}")
        elif record.wish != "stop":
            self._note(record, wish="pause")
        await self._save()
        return await self.get(run_id)

    async def resume(self, run_id: str) -> RunRecord:
        """Have a run go on from its last checkpoint."""
        record = await self._own(run_id)
        self._refuse_when_closing()
        if record.status == "stopping":
            raise Problem(409, "the run is being stopped: it goes on to its submission and ends")
        if record.status == "paused" and record.reason == WAITING:
            raise Problem(409, "the run waits for a person's review: answer it")
        if record.status in ("paused", "failed", "killed"):
            stopped = await asyncio.to_thread(lambda: RunFolder(Path(record.folder)).stopped)
            wish = "stop" if stopped else "run"
            status = "stopping" if wish == "stop" else "queued"
            self._note(record, status=status, wish=wish, queued=time.time(), reason="")
        elif record.status == "pausing":
            self._note(record, wish="run")
        await self._save()
        self._pump()
        return await self.get(run_id)

    async def reviews(self, run_id: str) -> tuple[Review, ...]:
        """List what a run waits for a person to answer; nothing while it is at work."""
        record = await self.get(run_id)
        if run_id in self._live or record.status not in ("paused", "failed", "killed"):
            return ()
        return await self._orchestrator(record).pending(Path(record.folder))

    async def answer(self, run_id: str, answers: Answers) -> RunRecord:
        """Have a run go on with what a person answered; what was not answered is asked again."""
        async with self._answering:
            record = await self._own(run_id)
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
            if run_id in self._live or self._open[run_id].queued is not None:
                raise Problem(409, "someone else had the run go on meanwhile")
            self._note(record, status="queued", wish="run", queued=time.time(), reason="")
        await self._save()
        self._pump()
        return await self.get(run_id)

    async def stop(self, run_id: str) -> RunRecord:
        """Have a run go straight to its submission with the best so far, and end."""
        record = await self._own(run_id)
        self._refuse_when_closing()
        folder = RunFolder(Path(record.folder))
        if record.status != "stopping":
            await asyncio.to_thread(folder.mark_stopped)
        begun = await asyncio.to_thread((folder.path / "events.jsonl").exists)
        record = self._open[run_id]
        if record.status == "queued" and not begun:
            await asyncio.to_thread(_end_before_it_began, folder)
            self._ended(record, await asyncio.to_thread(folder.about))
        elif record.status in ("queued", "paused", "failed", "killed"):
            self._note(record, status="stopping", wish="stop", queued=0.0, reason="")  # it comes first: it ends soon
        elif record.status == "running":
            self._note(record, status="stopping", wish="stop", reason="")
            await self._live[run_id].orchestrator.stop(self.settings.grace)
        elif record.status == "pausing":
            self._note(record, wish="stop")
        await self._save()
        self._pump()
        return await self.get(run_id)

    # What a person may ask

    async def get(self, run_id: str) -> RunRecord:
        """Give a run's record.

        Raises:
            Problem: There is no such run.
        """
        record = self._open.get(run_id) or await self.store.get(run_id)
        if record is None:
            await self.discover(run_id)
            record = self._open.get(run_id)
        if record is None:
            raise Problem(404, f"there is no run {run_id}")
        return record

    def current(self, record: RunRecord) -> RunRecord:
        """Give a record as it is now: the store may be a moment behind."""
        return self._open.get(record.run_id, record)

    def place(self, run_id: str) -> int | None:
        """Give a run's place in the queue, from 1; None when it does not wait."""
        names = [record.run_id for record in self._queue()]
        return names.index(run_id) + 1 if run_id in names else None

    def follower(self, record: RunRecord) -> Follower:
        """Give what follows a run's events; the least used are forgotten."""
        follower = self._followers.pop(record.run_id, None) or Follower(RunFolder(Path(record.folder)))
        self._followers[record.run_id] = follower
        while len(self._followers) > FOLLOWED:
            self._followers.popitem(last=False)
        return follower

    @property
    def queue_length(self) -> int:
        """How many runs wait."""
        return len(self._queue())

    async def changed(self, seconds: float) -> None:
        """Wait until some run's status changes, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait()

    # Driving

    def _queue(self) -> list[RunRecord]:
        waiting = [one for one in self._open.values() if one.queued is not None and one.run_id not in self._live]
        return sorted(waiting, key=lambda one: (one.queued or 0.0, one.created, one.run_id))

    def _pump(self) -> None:
        """Give free places to those who have waited longest."""
        if self.closing:
            return
        for record in self._queue()[: self.settings.max_concurrent_runs - len(self._live)]:
            status = "stopping" if record.wish == "stop" else "running"
            self._note(record, status=status, queued=None, reason="")
            orchestrator = self._orchestrator(record)
            task = asyncio.create_task(self._drive(record.run_id, orchestrator), name=f"run {record.run_id}")
            self._live[record.run_id] = Live(orchestrator, task)

    def _orchestrator(self, record: RunRecord) -> MLEStarOrchestrator:
        config = MLEStarConfig.model_construct(runs_dir=Path(record.folder).parent)
        return MLEStarOrchestrator(config, self._checkpoints)

    async def _drive(self, run_id: str, orchestrator: MLEStarOrchestrator) -> None:
        structlog.contextvars.bind_contextvars(run_id=run_id)
        record, error = self._open[run_id], None
        folder = Path(record.folder)
        follower = self.follower(record)
        with suppress(OSError):
            await asyncio.to_thread(follower.refresh)
        self.metrics.begin(run_id, follower.usage)
        self._live[run_id].told = follower.view.seq if follower.view else 0
        try:
            kept = await asyncio.to_thread(kept_answers, folder)
            answers = await answers_for(orchestrator, folder, kept, stopped=record.wish == "stop")
            async with aclosing(orchestrator.stream_resume(folder, answers)) as events:
                async for event in events:
                    self.hub.poke(run_id)
                    log.info(event.kind, step=event.step, agent=event.agent, score=event.score, error=event.error)
            await asyncio.to_thread(forget_answers, folder)
        except asyncio.CancelledError:
            log.info("cut off after the grace time")
        except Exception as caught:
            error = caught
            log.warning("the run broke off", exc_info=caught)
        finally:
            live = self._live[run_id]
            if live.cut:
                live.cut.cancel()
            with suppress(Exception):
                await self._look_at(run_id)
            await self._settle(run_id, orchestrator, error, live.because)
            self._live.pop(run_id)
            self.hub.poke(run_id)
            await self._save()
            self._pump()

    async def _settle(
        self, run_id: str, orchestrator: MLEStarOrchestrator, error: Exception | None, because: str
    ) -> None:
        """Say what became of a run that is not driven any more."""
        record, result = self._open[run_id], orchestrator.result
        if error is None and result is not None and result.status in FINAL:
            folder = RunFolder(Path(record.folder))
            self._ended(record, await asyncio.to_thread(folder.about))
        elif error is not None and (waits := what_it_waits_for(error)):
            self._note(record, status="paused", reason=waits)
        elif error is not None:
            reason = " ".join(str(error).split()) or type(error).__name__
            self._note(
                record, status="failed", wish="pause" if record.wish != "stop" else "stop", reason=reason[:1_000]
            )
            self.metrics.end(run_id, "failed", record.seconds)
        elif orchestrator.reviews and record.wish != "stop":
            self._note(record, status="paused", wish="pause", reason=WAITING)
        elif record.wish == "pause":
            self._note(record, status="paused", reason="")
        elif because:
            self._note(record, status="paused", reason=because)
        else:  # it was to pause, and meanwhile someone had it go on, or stop
            self._note(record, status="stopping" if record.wish == "stop" else "queued", queued=time.time())

    def _drain(self, run_id: str, because: str = "") -> None:
        """Pause a run: at the end of its steps, or when the grace time is over."""
        live = self._live.get(run_id)
        if live is None:
            return
        live.because = because
        live.orchestrator.pause()
        if live.cut is None:
            live.cut = asyncio.get_running_loop().call_later(self.settings.grace, live.task.cancel)

    # Keeping count

    async def _watch(self) -> None:
        waited = unlisted = 0.0
        while True:
            await asyncio.sleep(TICK)
            waited, unlisted = waited + TICK, unlisted + TICK
            try:
                for run_id in list(self._live):
                    await self._look_at(run_id)
                if waited >= self.settings.retry_seconds:
                    waited = 0.0
                    await self._look_after()
                await self._flush()
                if unlisted >= DISCOVER:
                    unlisted = 0.0
                    await self.discover()
            except Exception as error:
                self._fell_behind(error)

    async def _look_at(self, run_id: str) -> None:
        """Take in what a run has told since the last look."""
        record, live = self._open.get(run_id), self._live.get(run_id)
        if record is None or live is None:
            return
        follower = self.follower(record)
        for event, asked in await asyncio.to_thread(follower.refresh):
            if event.seq > live.told:
                self.metrics.event(run_id, event, asked)
        if view := follower.view:
            live.told = max(live.told, view.seq)
            self.metrics.usage(run_id, follower.usage)
            news = {"phase": view.phase, "score": view.best, "seconds": view.elapsed, "events": view.seq}
            record = self._open[run_id]
            if any(getattr(record, name) != value for name, value in news.items()):
                self._note(record, **news)

    async def _look_after(self) -> None:
        """See to runs that wait for a disk or a database."""
        full = await asyncio.to_thread(disk_is_full, self.settings.runs_dir, self.settings.min_free)
        if not await self._database_answers():
            for run_id, live in self._live.items():
                if self._unanswered > 1 and not live.because:
                    log.warning("cut off: the database does not answer", run_id=run_id)
                    live.because = DATABASE
                    live.task.cancel()
        elif full:
            for run_id, record in list(self._open.items()):
                if run_id in self._live and record.status == "running":
                    log.warning("paused: the disk is full", run_id=run_id)
                    self._drain(run_id, DISK)
        else:
            for record in list(self._open.values()):
                waits = record.status == "paused" and record.wish in ("run", "stop") and record.source == "server"
                if waits and record.run_id not in self._live:
                    status = "stopping" if record.wish == "stop" else "queued"
                    self._note(record, status=status, queued=record.created)
        self._pump()

    async def _database_answers(self) -> bool:
        try:
            async with asyncio.timeout(5):
                await self.store.ping()
        except Exception:
            self._unanswered += 1
            return False
        self._unanswered = 0
        return True

    def _fell_behind(self, error: Exception) -> None:
        if not self._behind:
            log.warning("the list is behind", error=str(error))
        self._behind = True

    async def discover(self, only: str | None = None) -> None:
        """Take into the list what other processes have made in the runs' folder, or what has become of it."""
        known = await self.store.ids()
        found = await asyncio.to_thread(_folders, self.settings.runs_dir)
        wanted = {name: path for name, path in found.items() if name not in known and name not in self._open}
        if only is not None:
            wanted = {name: path for name, path in wanted.items() if name == only}
        else:
            wanted |= {
                record.run_id: Path(record.folder)
                for record in await self.store.unfinished()
                if record.source != "server" and record.run_id not in self._live
            }
        for path in wanted.values():
            try:
                record = await asyncio.to_thread(_foreign, path)
            except (ConfigError, ValueError, OSError) as error:
                log.debug("left out of the list", folder=path.name, error=str(error))
                continue
            if record is not None and await self.store.get(record.run_id) != record:
                await self.store.put(record)

    def _note(self, record: RunRecord, **changes: Any) -> None:
        updated = self._open.get(record.run_id, record).model_copy(update=changes)
        self._open[record.run_id] = updated
        self._dirty.add(record.run_id)
        if "status" in changes and changes["status"] != record.status:
            log.info("status", run_id=record.run_id, status=updated.status, reason=updated.reason)
            asyncio.get_running_loop().create_task(self._announce())

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _ended(self, record: RunRecord, about: About) -> None:
        result = about.result
        score = result.final_score if result and result.final_score is not None else record.score
        self._note(
            record, status=about.status, queued=None, finished=time.time(), score=score,
            reason=result.message if result else "", seconds=result.seconds if result else record.seconds,
        )  # fmt: skip
        self.metrics.end(record.run_id, about.status, record.seconds)

    async def _save(self) -> None:
        """Write the list now; when the database does not answer, the watcher does it later."""
        try:
            await self._flush()
        except Exception as error:
            self._fell_behind(error)

    async def _flush(self) -> None:
        async with self._flushing:
            for run_id in list(self._dirty):
                record = self._open[run_id]
                self._dirty.discard(run_id)
                try:
                    await self.store.put(record)
                except BaseException:
                    self._dirty.add(run_id)
                    raise
                if record.status in FINAL and run_id not in self._live and run_id not in self._dirty:
                    del self._open[run_id]
            self._behind = False

    async def _own(self, run_id: str) -> RunRecord:
        """Give the record of a run that this server may act on.

        Raises:
            Problem: There is no such run, it has ended, or another process is at work on it.
        """
        record = await self.get(run_id)
        if record.status in FINAL:
            raise Problem(409, f"the run has ended: {record.status}")
        if record.source == "langgraph":
            raise Problem(409, "the run belongs to a LangGraph Server: use its own API for it")
        if record.source == "terminal":
            if await asyncio.to_thread(RunFolder(Path(record.folder)).at_work):
                raise Problem(409, "another process is at work on the run")
            record = record.model_copy(update={"source": "server"})
            self._note(record)
        if run_id not in self._open:
            self._open[run_id] = record
        return self._open[run_id]

    def _refuse_when_closing(self) -> None:
        if self.closing:
            raise Problem(503, "the server is shutting down")


def _record_of(folder: RunFolder, about: About, source: Source) -> RunRecord:
    """Make the record of a run from its folder."""
    brief, result = folder.brief(), about.result
    created = datetime.fromisoformat(about.started).timestamp()
    return RunRecord(
        run_id=about.run_id, folder=str(folder.path), source=source,
        task=task_name(about.task.dataset_path), dataset_path=about.task.dataset_path, metric=about.metric,
        maximize=brief.metric.maximize if brief else None, model_provider=about.config.model_provider,
        model_id=about.config.model_id, status=about.status, created=created,
        score=result.final_score if result else None, reason=result.message if result else "",
        seconds=result.seconds if result else 0.0,
        finished=(created + result.seconds) if result and about.status in FINAL else None,
    )  # fmt: skip


def _foreign(path: Path) -> RunRecord | None:
    """Look at a run that another process made."""
    folder = RunFolder(path)
    record = _record_of(folder, folder.about(), "terminal")
    if record.status == "running" and not folder.at_work():
        record = record.model_copy(update={"status": "killed"})
    if record.status not in FINAL:
        follower = Follower(folder)
        follower.refresh()
        if view := follower.view:
            news = {"phase": view.phase, "score": view.best, "seconds": view.elapsed, "events": view.seq}
            record = record.model_copy(update=news)
    return record


def _folders(runs_dir: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in runs_dir.absolute().glob("*/run.json")}


def _end_before_it_began(folder: RunFolder) -> None:
    about, brief = folder.about(), folder.brief()
    assert brief is not None, "a run is made with its brief"
    result = RunResult(
        run_id=about.run_id, status="no submission", metric=brief.metric, message="stopped before it began"
    )
    folder.write(about.model_copy(update={"status": result.status, "result": result}))
