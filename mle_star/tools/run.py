"""One run: its folder, clock, events, replies and scripts. What the graph's state refers to, but does not hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from mle_star.execution.backend import backend_of
from mle_star.execution.cache import LOG, ScriptCache, fingerprint, user_cache
from mle_star.execution.limits import Limits
from mle_star.execution.runner import Job, run_script, warm_up
from mle_star.execution.workdir import clear
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, Solution, TaskBrief, TaskDescription, Usage
from mle_star.models.events import Event, Kind
from mle_star.models.state import Draft
from mle_star.tools.accounting import estimate_tokens, usage_in
from mle_star.tools.brief import render_brief
from mle_star.tools.budget import PATHS_SHARE, SHARES, Budget
from mle_star.tools.environment import installed_packages, render_environment
from mle_star.tools.files import append_line, last_line, write_atomically
from mle_star.tools.preflight import check_isolation
from mle_star.tools.prices import Price, check_prices, price_of
from mle_star.tools.reply_files import ReplyFiles
from mle_star.tools.run_folder import RunFolder
from mle_star.tools.submissions import collect, discard, keep, kept, written_by

if TYPE_CHECKING:
    from mle_star.models.language_model import ModelSpec
    from mle_star.tools.client import ModelClient


class Run:
    """What the nodes of one run share. Kept for the process's life; everything durable is in the folder."""

    def __init__(self, run_id: str, config: MLEStarConfig) -> None:
        self.run_id = run_id
        self.config = config
        self.folder = config.out_dir or config.runs_dir / run_id
        self._brief: TaskBrief | None = None
        self._lock = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self._known: dict[str, ExecutionResult] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._values: dict[str, str] = {}
        self._digest: str | None = None
        self._given: str | None = None
        self._cache: ScriptCache | None = None
        self._seq = 0
        self._scripts = 0
        self._started = time.monotonic()
        self._opened = False
        self._clients: dict[ModelSpec, ModelClient] = {}
        self._prices: dict[ModelSpec, Price | None] = {}
        self._replies: ReplyFiles
        self.budget = Budget(config)
        self.cut_short = ""
        """Which limit ended a phase of the run before its time; the first one that did."""
        self.slots = asyncio.Semaphore(config.parallel_calls)
        """What a model call holds while it is under way."""
        self._backend = backend_of(config)
        self._limits = Limits()

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
        self.folder = self.folder.absolute()
        for name in ("scripts", "replies", "work", "final"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for left_over in (self.folder / "work").iterdir():
            clear(left_over)
        self._replies = ReplyFiles(self.folder / "replies", self.config.reply_cache, self.config.seed)
        check_prices(self.config)
        self._prices = {spec: price_of(spec, self.config) for spec in self.config.model_specs()}
        self.budget.start(usage_in(self.folder / "replies"), kept(self.folder / "final") is not None)
        for path in sorted((self.folder / "scripts").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            self._known[record["digest"]] = ExecutionResult.model_validate(record["result"])
        numbers = [path.name.partition("-")[0] for path in (self.folder / "scripts").glob("*.py")]
        self._scripts = max(map(int, numbers), default=0)
        last = last_line(self.folder / "events.jsonl")
        if last:
            event = Event.model_validate_json(last)
            self._seq, self._started = event.seq, time.monotonic() - event.elapsed
        shares = self._backend.shares()
        self._limits = Limits.of(self.config, shares, self.folder)
        if self.config.warm and self.config.execution_backend == "local":
            warm_up(shares[0].cores)
        if self.config.cache and (place := user_cache()):
            self._cache = ScriptCache(place)
            self._cache.tidy()

    # The task

    async def begin(self, task: TaskDescription) -> TaskBrief:
        """Measure the task's data anew, and start the clock: what a run does first, and a resumed one does not.

        Raises:
            TaskError: As `brief`.
            ConfigError: Scripts can't be isolated as the settings demand.
        """
        await check_isolation(self.config)
        self._started = time.monotonic()
        self.budget.start(Usage(), submitted=False)
        await asyncio.to_thread(discard, self.folder / "final")
        async with self._lock:
            self._brief, self._digest, self._given, self._values = None, None, None, {}
        return await self.brief(task)

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

    async def known_values(self) -> dict[str, str]:
        """What any prompt may say without being told: the task, the environment, the metric's direction."""
        if not self._values:
            brief = await self.brief()
            task = render_brief(brief)
            self.budget.reserve(estimate_tokens([task]), self.price_of("submission"))
            self._values = {
                "task": task,
                "environment": await asyncio.to_thread(render_environment, self.config),
                "direction": brief.metric.direction,
                "subsample": f"{self.config.subsample_size:,}",
            }
        return self._values

    # Time

    @property
    def elapsed(self) -> float:
        """Seconds that the run was active, pauses left out."""
        return time.monotonic() - self._started

    def time_left(self, step: str = "") -> float:
        """Seconds until the phase of `step` has to be over; infinite without a limit. By default the paths' phase."""
        limit = self.config.time_limit
        share = SHARES.get(step.partition(".")[0], PATHS_SHARE)
        return float("inf") if limit is None else limit * share - self.elapsed

    def over(self, step: str = "") -> bool:
        """Tell whether the time or the budget for the phase of `step` is spent."""
        limit = self.config.time_limit
        reason = f"the time limit of {limit:,.0f} s is near" if limit and self.time_left(step) <= 0 else ""
        reason = reason or self.budget.over(step)
        self.cut_short = self.cut_short or reason
        return bool(reason)

    # Events

    async def emit(self, kind: Kind, **fields: Any) -> None:
        """Tell of progress: on the graph's custom stream, and in events.jsonl."""
        async with self._writing:
            self._seq += 1
            event = Event(seq=self._seq, elapsed=round(self.elapsed, 3), kind=kind, **fields)
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
        digest = hashlib.sha256(f"{await self._task()}\n{draft.delivers}\n{draft.script}".encode()).hexdigest()[:16]
        async with self._locks[digest]:  # the same script may be running on another path right now
            if draft.delivers == "submission" and digest in self._known:
                known = self._known[digest]
                if known.ok and not written_by(known.script_path).is_file():
                    del self._known[digest]
            if digest in self._known:
                return self._known[digest], False
            result = await self._recall(draft, digest)
            return (result, False) if result else (await self._execute(draft, digest), True)

    async def _task(self) -> str:
        """Digest the task that the scripts are for."""
        if self._digest is None:
            self._digest = hashlib.sha256((await self.brief()).model_dump_json().encode()).hexdigest()
        return self._digest

    async def _key(self, digest: str) -> str:
        """Make a script's key in the cache: what it comes to depends on the data, the packages and its share too."""
        if self._given is None:
            brief = await self.brief()
            share = self._backend.shares()[0]
            names = [file.path for file in brief.profile.files]
            data = await asyncio.to_thread(fingerprint, Path(brief.task.dataset_path), names)
            where = (self.config.execution_backend, len(share.cores), len(share.gpus), self.config.allow_network)
            self._given = repr((data, sys.version, installed_packages(), where))
        return hashlib.sha256(f"{self._given}\n{await self._task()}\n{digest}".encode()).hexdigest()

    async def _execute(self, draft: Draft, digest: str) -> ExecutionResult:
        brief = await self.brief()
        run = run_script if self.config.execution_backend == "local" else self._backend.run
        async with self._backend.share(self.run_id) as share:
            timeout = min(self.config.script_timeout, self.time_left(draft.step))
            if timeout <= 0:
                self.over(draft.step)
                return ExecutionResult(error="no time left", message="The time for this phase of the run is over.")
            script = await self._start(draft)
            workdir = self.folder / "work" / script.stem
            result = await run(
                Job(
                    script=script,
                    log=script.with_suffix(".log"),
                    workdir=workdir,
                    data=Path(brief.task.dataset_path),
                    timeout=timeout,
                    deadline=time.time() + self.time_left(draft.step),
                    cores=share.cores,
                    gpus=share.gpus,
                    needs_score=draft.delivers == "score",
                    warm=self.config.warm,
                    limits=self._limits,
                    allow_network=self.config.allow_network,
                    hidden=(self.config.runs_dir.absolute(), self.folder),
                )
            )
        if result.note:
            await self.emit("note", step=draft.step, agent=draft.agent, message=result.note)
        if result.error == "timeout" and timeout < self.config.script_timeout:
            self.over(draft.step)
            result = result.model_copy(update={"error": "no time left"})  # nothing that a repair would mend
        if draft.delivers == "submission":
            result = await asyncio.to_thread(collect, brief, workdir, result)
        await asyncio.to_thread(clear, workdir)
        if self._cache and result.ok:
            files = {"submission.csv": written_by(result.script_path)} if draft.delivers == "submission" else {}
            await asyncio.to_thread(self._cache.put, await self._key(digest), result, **files)
        await self._finish(draft, digest, result)
        return result

    async def _recall(self, draft: Draft, digest: str) -> ExecutionResult | None:
        """Take over what a script came to in another run, as if it had run here; None if that is not known."""
        found = await asyncio.to_thread(self._cache.get, await self._key(digest)) if self._cache else None
        if found is None or found[0].seconds > min(self.config.script_timeout, self.time_left(draft.step)):
            return None
        script = await self._start(draft)
        result = found[0].model_copy(
            update={"script_path": str(script), "log_path": str(script.with_suffix(".log"))}
        )  # fmt: skip
        try:
            result = await asyncio.to_thread(self._take_over, draft, result, found[1])
        except OSError:  # it was removed in this moment
            return None
        await self._finish(draft, digest, result, message="as in an earlier run")
        return result

    def _take_over(self, draft: Draft, result: ExecutionResult, found: Path) -> ExecutionResult:
        shutil.copyfile(found / LOG, result.log_path)
        if draft.delivers == "submission":
            shutil.copyfile(found / "submission.csv", written_by(result.script_path))
        return result

    async def _start(self, draft: Draft) -> Path:
        """Give a script its number and its file."""
        self._scripts += 1
        script = self.folder / "scripts" / f"{self._scripts:03d}-{draft.agent}.py"
        await asyncio.to_thread(script.write_text, draft.script, encoding="utf-8")
        await self.emit("script started", step=draft.step, agent=draft.agent, message=script.name)
        return script

    async def _finish(self, draft: Draft, digest: str, result: ExecutionResult, message: str = "") -> None:
        """Write down what a script came to, and remember it."""
        record = json.dumps({"digest": digest, "step": draft.step, "result": result.model_dump()}, indent=1)
        await asyncio.to_thread(write_atomically, Path(result.script_path).with_suffix(".json"), record)
        self._known[digest] = result
        await self.emit(
            "script finished", step=draft.step, agent=draft.agent, score=result.score, message=message,
            seconds=result.seconds, error=result.error,
        )  # fmt: skip

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


_RUNS: dict[Any, Run] = {}
