"""One run: its folder, task, clock, events and replies. What the graph's state refers to, but does not hold."""

from __future__ import annotations

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, Solution, TaskBrief, TaskDescription, Usage
from mle_star.models.events import Event, Kind, phase_of
from mle_star.models.state import Draft
from mle_star.tools.accounting import BYTES_PER_TOKEN, estimate_tokens, usage_in
from mle_star.tools.brief import LIMIT, render_brief
from mle_star.tools.budget import Budget
from mle_star.tools.clock import Clock
from mle_star.tools.environment import render_environment
from mle_star.tools.files import append_line, last_line, write_atomically
from mle_star.tools.graph_record import GraphRecord
from mle_star.tools.preflight import check_isolation
from mle_star.tools.prices import Price, check_prices, price_of
from mle_star.tools.reply_files import ReplyFiles
from mle_star.tools.run_folder import RunFolder
from mle_star.tools.scripts import Scripts
from mle_star.tools.submissions import discard, keep, kept

if TYPE_CHECKING:
    from mle_star.models.language_model import ModelSpec
    from mle_star.tools.client import ModelClient


class Run:
    """What the nodes of one run share. Kept for the process's life; everything durable is in the folder."""

    def __init__(self, run_id: str, config: MLEStarConfig) -> None:
        self.run_id = run_id
        self.config = config
        self.runs_dir = config.runs_dir
        self.folder = config.out_dir or config.runs_dir / run_id
        self._brief: TaskBrief | None = None
        self._lock = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._values: dict[int, dict[str, str]] = {}
        self._seq = 0
        self._scripts = Scripts(self)
        self._record: GraphRecord
        self._opened = False
        self._clients: dict[ModelSpec, ModelClient] = {}
        self._prices: dict[ModelSpec, Price | None] = {}
        self._replies: ReplyFiles
        self.clock = Clock(config.time_limit)
        self.budget = Budget(config)
        self.cut_short = ""
        """Which limit ended a phase of the run before its time; the first one that did."""
        self.slots = asyncio.Semaphore(config.parallel_calls)
        """What a model call holds while it is under way."""

    @classmethod
    async def of(cls, runtime: Runtime[MLEStarConfig]) -> Run:
        """Return the run that a node belongs to, opened."""
        info = runtime.execution_info
        run_id = info.thread_id if info else None
        key = run_id or runtime.control
        config = runtime.context or await asyncio.to_thread(MLEStarConfig)
        run = _RUNS.get(key)
        if run is None or run.config != config:
            run = _RUNS[key] = cls(run_id or uuid4().hex[:12], config)
        await run.open()
        return run

    @classmethod
    def known(cls, run_id: str) -> Run | None:
        """Return a run that this process is at work on."""
        return _RUNS.get(run_id)

    @classmethod
    def forget(cls, run_id: str) -> Run | None:
        """Drop what the process remembers of a run; the next node that asks opens it anew from its folder."""
        return _RUNS.pop(run_id, None)

    async def open(self) -> None:
        """Make the folder, or take up what an earlier process left in it."""
        async with self._lock:
            if not self._opened:
                await asyncio.to_thread(self._open)
                self._opened = True

    def _open(self) -> None:
        self.runs_dir, self.folder = self.runs_dir.absolute(), self.folder.absolute()
        self._record = GraphRecord(RunFolder(self.folder), self.run_id)
        for name in ("scripts", "replies", "work", "final"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.clock.stopped = RunFolder(self.folder).stopped
        self._replies = ReplyFiles(self.folder / "replies", self.config.reply_cache, self.config.seed)
        check_prices(self.config)
        self._prices = {spec: price_of(spec, self.config) for spec in self.config.model_specs()}
        self.clock.safe = kept(self.folder / "final") is not None
        self.budget.start(usage_in(self.folder / "replies"), submitted=self.clock.safe)
        last = last_line(self.folder / "events.jsonl")
        if last:
            event = Event.model_validate_json(last)
            self._seq = event.seq
            self.clock.start(event.elapsed)
        self._scripts.open()
        for record in RunFolder(self.folder).history():
            if record.accepted:
                self.clock.accepted(record.step)
        self._record.take_up()

    # The task

    async def begin(self, task: TaskDescription) -> TaskBrief:
        """Measure the task's data anew, and start the clock: what a run does first, and a resumed one does not.

        Raises:
            TaskError: As `brief`.
            ConfigError: Scripts can't be isolated as the settings demand.
        """
        await check_isolation(self.config)
        self.clock.start()
        self.budget.start(Usage(), submitted=False)
        self.clock.safe = False
        await asyncio.to_thread(discard, self.folder / "final")
        async with self._lock:
            self._brief, self._values = None, {}
            self._scripts.forget_task()
        brief = await self.brief(task)
        await asyncio.to_thread(self._record.begin, task, brief, self.config)
        return brief

    async def conclude(self, state: Mapping[str, Any]) -> None:
        """Write down what the run came to, where no orchestrator of ours does, and let go of it."""
        if self._record.ours:
            await self.emit("run finished", message=self.cut_short)
            await asyncio.to_thread(self._record.conclude, state, self.clock.elapsed, self.cut_short)
            for key in [key for key, run in _RUNS.items() if run is self]:
                del _RUNS[key]

    async def brief(self, task: TaskDescription | None = None) -> TaskBrief:
        """Return the task with everything found out; measured once, then read from the folder.

        Raises:
            TaskError: Something about the task is wrong, or could not be found.
        """
        async with self._lock:
            if self._brief is None:
                self._brief = await asyncio.to_thread(self._read_brief, task)
            return self._brief

    def _read_brief(self, task: TaskDescription | None) -> TaskBrief:
        from mle_star.tools.profile import inspect_task

        folder = RunFolder(self.folder)
        known = folder.brief(task)
        if known is not None:
            return known
        if task is None:
            raise ValueError("the first node of a run has to pass the task")
        brief = inspect_task(task)
        folder.write_brief(task, brief)
        return brief

    async def known_values(self, step: str = "", room: int | None = None) -> dict[str, str]:
        """What any prompt of `step` may say without being told: the task, the environment, the metric's direction.

        Of a prompt of `room` tokens, the description of the task gets a third.
        """
        limit = min(LIMIT, room * BYTES_PER_TOKEN // 3) if room else LIMIT
        if limit not in self._values:
            brief = await self.brief()
            task = render_brief(brief, limit)
            self.budget.reserve(estimate_tokens([task]), self.price_of("submission"))
            self._values[limit] = {
                "task": task,
                "direction": brief.metric.direction,
                "subsample": f"{self.config.subsample_size:,}",
            }
        # How many rows the last script can fit depends on the time that is left for it.
        left = max(1.0, self.clock.left(step)) if phase_of(step) == "submission" else math.inf
        environment = await asyncio.to_thread(render_environment, self.config, step, left)
        return self._values[limit] | {"environment": environment}

    # Time

    def over(self, step: str = "") -> bool:
        """Tell whether the time or the budget for the phase of `step` is spent."""
        reason = self.budget.over(step)
        if self.clock.left(step) <= 0:
            limit = self.config.time_limit
            reason = f"the time limit of {limit:,.0f} s is near" if limit else "the run was told to finish"
        self.cut_short = self.cut_short or reason
        return bool(reason)

    # Events

    async def emit(self, kind: Kind, **fields: Any) -> None:
        """Tell of progress: on the graph's custom stream, and in events.jsonl."""
        async with self._writing:
            self._seq += 1
            event = Event(seq=self._seq, elapsed=round(self.clock.elapsed, 3), kind=kind, **fields)
            line = event.model_dump_json(exclude_defaults=True)
            await asyncio.to_thread(append_line, self.folder / "events.jsonl", line)
        try:
            get_stream_writer()(event.model_dump(exclude_defaults=True))
        except RuntimeError:  # outside of a graph
            return

    async def once(self, name: str, find: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Return what was found under this name before in this run, or find it: paths that ask at once share it."""
        path = self.folder / f"{name}.json"
        async with self._locks[name]:
            if await asyncio.to_thread(path.is_file):
                known: dict[str, Any] = json.loads(await asyncio.to_thread(path.read_text, encoding="utf-8"))
                return known
            found = await find()
            await asyncio.to_thread(write_atomically, path, json.dumps(found, indent=1, ensure_ascii=False))
            return found

    # Replies

    def client_of(self, agent: str) -> ModelClient:
        """Return the client of the model that an agent asks; agents with the same model share it."""
        from mle_star.tools.client import ModelClient

        spec = self.config.model_spec(agent)
        if spec not in self._clients:
            self._clients[spec] = ModelClient(spec)
        return self._clients[spec]

    async def remembered(self, digest: str, name: str, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Return the reply to a request that was answered before, or ask and keep the reply."""
        return await self._replies.remembered(digest, name, ask)

    def price_of(self, agent: str) -> Price | None:
        """Say what the tokens of an agent's model cost; None where that is not known."""
        return self._prices[self.config.model_spec(agent)]

    # Scripts

    async def execute(self, draft: Draft) -> tuple[ExecutionResult, bool]:
        """Run a script, or return the result that the very same script had earlier: in this run, or in another.

        Returns:
            The result, and whether the script was run for it.
        """
        return await self._scripts.execute(draft)

    # The submission

    @property
    def submission_file(self) -> Path:
        """Where the best valid submission is put."""
        return self.folder / "final" / "submission.csv"

    async def keep(self, source: Solution, result: ExecutionResult) -> None:
        """Take on the valid submission that a script wrote for `source`, unless there is a better one."""
        metric = (await self.brief()).metric
        async with self._keeping:
            await asyncio.to_thread(keep, self.submission_file.parent, metric, source, result)
        self.budget.submitted = True
        self.clock.secure()


_RUNS: dict[Any, Run] = {}
