"""One run: its folder, clock, events, replies and scripts. What the graph's state refers to, but does not hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime

from mle_star.execution.cores import core_pool
from mle_star.execution.runner import Job, run_script
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, TaskBrief, TaskDescription
from mle_star.models.events import Event, Kind
from mle_star.models.state import Draft
from mle_star.tools.brief import render_brief
from mle_star.tools.environment import render_environment
from mle_star.tools.files import append_line, last_line, write_atomically
from mle_star.tools.run_folder import RunFolder

if TYPE_CHECKING:
    from mle_star.models.language_model import ModelSpec
    from mle_star.tools.client import ModelClient

PATHS_SHARE = 0.75
SHARE_OF_TIME = {"ensemble": 0.85, "submission": 1.0}
"""By what part of the time limit a phase has to be over, so that there is always time for a submission."""


class Run:
    """What the nodes of one run share. Kept for the process's life; everything durable is in the folder."""

    def __init__(self, run_id: str, config: MLEStarConfig) -> None:
        self.run_id = run_id
        self.config = config
        self.folder = config.out_dir or config.runs_dir / run_id
        self._brief: TaskBrief | None = None
        self._lock = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._known: dict[str, ExecutionResult] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._replies: dict[str, Path] = {}
        self._values: dict[str, str] = {}
        self._seq = 0
        self._scripts = 0
        self._started = time.monotonic()
        self._opened = False
        self._clients: dict[ModelSpec, ModelClient] = {}
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
            shutil.rmtree(left_over, ignore_errors=True)
        self._replies = {path.stem.rpartition("-")[2]: path for path in (self.folder / "replies").glob("*.json")}
        for path in sorted((self.folder / "scripts").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            self._known[record["digest"]] = ExecutionResult.model_validate(record["result"])
        numbers = [path.name.partition("-")[0] for path in (self.folder / "scripts").glob("*.py")]
        self._scripts = max(map(int, numbers), default=0)
        last = last_line(self.folder / "events.jsonl")
        if last:
            event = Event.model_validate_json(last)
            self._seq, self._started = event.seq, time.monotonic() - event.elapsed

    # The task

    async def begin(self, task: TaskDescription) -> TaskBrief:
        """Measure the task's data anew, and start the clock: what a run does first, and a resumed one does not.

        Raises:
            TaskError: As `brief`.
        """
        self._started = time.monotonic()
        async with self._lock:
            self._brief, self._values = None, {}
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
            self._values = {
                "task": render_brief(brief),
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
        share = SHARE_OF_TIME.get(step.partition(".")[0], PATHS_SHARE)
        return float("inf") if limit is None else limit * share - self.elapsed

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
        if digest in self._replies:
            text = await asyncio.to_thread(self._replies[digest].read_text, encoding="utf-8")
            record: dict[str, Any] = json.loads(text)
            return record
        record = await ask()
        path = self.folder / "replies" / f"{name}-{digest}.json"
        await asyncio.to_thread(write_atomically, path, json.dumps(record, indent=1, ensure_ascii=False))
        self._replies[digest] = path
        return record

    # Scripts

    async def execute(self, draft: Draft) -> tuple[ExecutionResult, bool]:
        """Run a script, or return the result that the very same script had earlier in this run.

        Returns:
            The result, and whether the script was run for it.
        """
        data = (await self.brief()).model_dump_json()
        digest = hashlib.sha256(f"{data}\n{draft.delivers}\n{draft.script}".encode()).hexdigest()[:16]
        if draft.delivers == "submission" and not self.submission_file.is_file():
            self._known.pop(digest, None)
        async with self._locks[digest]:  # the same script may be running on another path right now
            if digest in self._known:
                return self._known[digest], False
            return await self._execute(draft, digest), True

    async def _execute(self, draft: Draft, digest: str) -> ExecutionResult:
        brief = await self.brief()
        async with core_pool(self.config.parallel_scripts).share() as cores:
            timeout = min(self.config.script_timeout, self.time_left(draft.step))
            if timeout <= 0:
                return ExecutionResult(error="no time left", message="The time for this phase of the run is over.")
            self._scripts += 1
            script = self.folder / "scripts" / f"{self._scripts:03d}-{draft.agent}.py"
            await asyncio.to_thread(script.write_text, draft.script, encoding="utf-8")
            await self.emit("script started", step=draft.step, agent=draft.agent, message=script.name)
            workdir = self.folder / "work" / script.stem
            result = await run_script(
                Job(
                    script=script,
                    log=script.with_suffix(".log"),
                    workdir=workdir,
                    data=Path(brief.task.dataset_path),
                    timeout=timeout,
                    cores=cores,
                    needs_score=draft.delivers == "score",
                )
            )
        if result.error == "timeout" and timeout < self.config.script_timeout:
            result = result.model_copy(update={"error": "no time left"})  # nothing that a repair would mend
        if draft.delivers == "submission":
            result = await asyncio.to_thread(self._collect, brief, workdir, result)
        await asyncio.to_thread(shutil.rmtree, workdir, True)
        record = json.dumps({"digest": digest, "step": draft.step, "result": result.model_dump()}, indent=1)
        await asyncio.to_thread(write_atomically, script.with_suffix(".json"), record)
        self._known[digest] = result
        await self.emit(
            "script finished", step=draft.step, agent=draft.agent, score=result.score,
            seconds=result.seconds, error=result.error,
        )  # fmt: skip
        return result

    # The submission

    @property
    def submission_file(self) -> Path:
        """Where the valid submission is put."""
        return self.folder / "final" / "submission.csv"

    def _collect(self, brief: TaskBrief, workdir: Path, result: ExecutionResult) -> ExecutionResult:
        """Check the submission that a script wrote, and keep it when it is valid."""
        from mle_star.tools.submission_check import check_submission

        if not result.ok:
            return result
        written = workdir / "final" / "submission.csv"
        if problems := check_submission(written, brief):
            message = "The submission is not valid:\n" + "\n".join(f"- {problem}" for problem in problems)
            return result.model_copy(update={"error": "bad submission", "message": message})
        written.replace(self.submission_file)
        shutil.copyfile(result.script_path, self.submission_file.with_name("solution.py"))
        return result


_RUNS: dict[Any, Run] = {}
