"""Drives the runs that have a place, and queues the others.

A run is driven by an orchestrator of its own in this process.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from mle_star.api.hub import Hub
from mle_star.api.metrics import Metrics
from mle_star.api.records import news_of
from mle_star.api.reviewing import answers_for, forget_answers, kept_answers
from mle_star.api.run_list import RunList
from mle_star.api.settings import ServerSettings
from mle_star.api.store import FINAL, RunRecord
from mle_star.api.waiting import what_it_waits_for
from mle_star.models.config import MLEStarConfig
from mle_star.models.review import WAITING
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.checkpoints import Checkpoints
from mle_star.tools.run_folder import RunFolder

log = structlog.get_logger(__name__)
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


class Driver:
    """Gives each run its turn."""

    def __init__(
        self, settings: ServerSettings, runs: RunList, hub: Hub, metrics: Metrics, checkpoints: Checkpoints
    ) -> None:
        self.live: dict[str, Live] = {}
        self.closing = False
        self._settings, self._runs, self._hub, self._metrics = settings, runs, hub, metrics
        self._checkpoints = checkpoints

    def queue(self) -> list[RunRecord]:
        """Give the runs that wait for their turn, the next one first."""
        waiting = [one for one in self._runs if one.queued is not None and one.run_id not in self.live]
        return sorted(waiting, key=lambda one: (one.queued or 0.0, one.created, one.run_id))

    def pump(self) -> None:
        """Give free places to those who have waited longest."""
        if self.closing:
            return
        for record in self.queue()[: self._settings.max_concurrent_runs - len(self.live)]:
            status = "stopping" if record.wish == "stop" else "running"
            self._runs.note(record, status=status, queued=None, reason="")
            orchestrator = self.orchestrator(record)
            task = asyncio.create_task(self._drive(record.run_id, orchestrator), name=f"run {record.run_id}")
            self.live[record.run_id] = Live(orchestrator, task)

    def orchestrator(self, record: RunRecord) -> MLEStarOrchestrator:
        """Make what drives a run."""
        config = MLEStarConfig.model_construct(runs_dir=Path(record.folder).parent)
        return MLEStarOrchestrator(config, self._checkpoints)

    async def _drive(self, run_id: str, orchestrator: MLEStarOrchestrator) -> None:
        structlog.contextvars.bind_contextvars(run_id=run_id)
        record, error = self._runs[run_id], None
        folder = Path(record.folder)
        follower = self._runs.follower(record)
        with suppress(OSError):
            await asyncio.to_thread(follower.refresh)
        self._metrics.begin(run_id, follower.usage)
        self.live[run_id].told = follower.view.seq if follower.view else 0
        try:
            kept = await asyncio.to_thread(kept_answers, folder)
            answers = await answers_for(orchestrator, folder, kept, stopped=record.wish == "stop")
            async with aclosing(orchestrator.stream_resume(folder, answers)) as events:
                async for event in events:
                    self._hub.poke(run_id)
                    log.info(event.kind, step=event.step, agent=event.agent, score=event.score, error=event.error)
            await asyncio.to_thread(forget_answers, folder)
        except asyncio.CancelledError:
            log.info("cut off after the grace time")
        except Exception as caught:
            error = caught
            log.warning("the run broke off", exc_info=caught)
        finally:
            live = self.live[run_id]
            if live.cut:
                live.cut.cancel()
            with suppress(Exception):
                await self.look_at(run_id)
            await self._settle(run_id, orchestrator, error, live.because)
            self.live.pop(run_id)
            self._hub.poke(run_id)
            await self._runs.save()
            self.pump()

    async def _settle(
        self, run_id: str, orchestrator: MLEStarOrchestrator, error: Exception | None, because: str
    ) -> None:
        """Say what became of a run that is not driven any more."""
        record, result = self._runs[run_id], orchestrator.result
        if error is None and result is not None and result.status in FINAL:
            folder = RunFolder(Path(record.folder))
            self._runs.ended(record, await asyncio.to_thread(folder.about))
        elif error is not None and (waits := what_it_waits_for(error)):
            self._runs.note(record, status="paused", reason=waits)
        elif error is not None:
            reason = " ".join(str(error).split()) or type(error).__name__
            self._runs.note(
                record, status="failed", wish="pause" if record.wish != "stop" else "stop", reason=reason[:1_000]
            )
            self._metrics.end(run_id, "failed", record.seconds)
        elif orchestrator.reviews and record.wish != "stop":
            self._runs.note(record, status="paused", wish="pause", reason=WAITING)
        elif record.wish == "pause":
            self._runs.note(record, status="paused", reason="")
        elif because:
            self._runs.note(record, status="paused", reason=because)
        else:  # it was to pause, and meanwhile someone had it go on, or stop
            self._runs.note(record, status="stopping" if record.wish == "stop" else "queued", queued=time.time())

    def drain(self, run_id: str, because: str = "") -> None:
        """Pause a run: at the end of its steps, or when the grace time is over."""
        live = self.live.get(run_id)
        if live is None:
            return
        live.because = because
        live.orchestrator.pause()
        if live.cut is None:
            live.cut = asyncio.get_running_loop().call_later(self._settings.grace, live.task.cancel)

    async def look_at(self, run_id: str) -> None:
        """Take in what a run has told since the last look."""
        live = self.live.get(run_id)
        if live is None or run_id not in self._runs:
            return
        follower = self._runs.follower(self._runs[run_id])
        for event, asked in await asyncio.to_thread(follower.refresh):
            if event.seq > live.told:
                self._metrics.event(run_id, event, asked)
        if view := follower.view:
            live.told = max(live.told, view.seq)
            self._metrics.usage(run_id, follower.usage)
            news = news_of(view)
            if run_id in self._runs and news.items() - self._runs[run_id].model_dump().items():
                self._runs.note(self._runs[run_id], **news)

    async def close(self) -> None:
        """Pause all runs within the grace time, so that they can be taken up again."""
        self.closing = True
        for live in self.live.values():
            live.because = live.because or SHUT_DOWN
            live.orchestrator.pause()
        tasks = [live.task for live in self.live.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._settings.grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=30)
