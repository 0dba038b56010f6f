"""A run's scripts: each is run once, numbered, kept with what it printed and came to, and remembered for later runs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from mle_star.execution.backend import backend_of
from mle_star.execution.cache import LOG, ScriptCache, fingerprint, user_cache
from mle_star.execution.limits import Limits
from mle_star.execution.runner import Job, run_script, warm_up
from mle_star.execution.slots import Share
from mle_star.execution.workdir import clear
from mle_star.models.data_models import ExecutionResult
from mle_star.models.state import Draft
from mle_star.tools.environment import installed_packages, script_limit, width_of
from mle_star.tools.files import write_atomically
from mle_star.tools.submissions import collect, kept, written_by

if TYPE_CHECKING:
    from mle_star.tools.run import Run

SLACK = 10.0
"""Seconds that a script has to end by itself when its time is over."""
CUT_SHORT = "The time for this phase of the run is over."


class Scripts:
    """What a run has executed, in `scripts/`: NNN-<agent>.py as run, .log what it printed, .json what came of it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._config = run.config
        self._known: dict[str, ExecutionResult] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._count = 0
        self._backend = backend_of(run.config)
        self._limits: dict[int, Limits] = {}
        """By the width of a script's share."""
        self._cache: ScriptCache | None = None
        self._digest: str | None = None
        self._given: tuple[object, ...] | None = None

    def open(self) -> None:
        """Take up what an earlier process left, and begin to get ready. Reads files, so not in the event loop."""
        folder = self._run.folder
        for left_over in (folder / "work").iterdir():
            clear(left_over)
        for path in sorted((folder / "scripts").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            self._known[record["digest"]] = result = ExecutionResult.model_validate(record["result"])
            if result.ok and record.get("delivers") == "score":
                self._run.clock.scored(record["step"], result.seconds)
        early = kept(self._run.folder / "final")
        for result in self._known.values():
            if early and Path(result.script_path).name == early.made_by:
                self._run.clock.submitted(early.step, result.seconds)
        numbers = [path.name.partition("-")[0] for path in (folder / "scripts").glob("*.py")]
        self._count = max(map(int, numbers), default=0)
        for width in (1, self._config.num_solutions):
            self._limits[width] = Limits.of(self._config, self._backend.shares(width), folder)
        if self._config.warm and self._config.execution_backend == "local":
            warm_up(self._backend.shares()[0].cores)
        if self._config.cache and (place := user_cache()):
            self._cache = ScriptCache(place)
            self._cache.tidy()

    def forget_task(self) -> None:
        """Ask anew what the scripts are for: the task's data may have changed."""
        self._digest, self._given = None, None

    async def execute(self, draft: Draft) -> tuple[ExecutionResult, bool]:
        """Run a script, or return the result that the very same script had earlier: in this run, or in another.

        Returns:
            The result, and whether the script was run for it.
        """
        digest = hashlib.sha256(f"{await self._task()}\n{draft.delivers}\n{draft.script}".encode()).hexdigest()[:16]
        async with self._locks[digest]:  # the same script may be running on another path right now
            known = self._known.get(digest)
            lost = draft.delivers == "submission" and known and known.ok and not written_by(known.script_path).is_file()
            # What one phase had no time for, such as an early submission, a later one may have.
            if known and not lost and known.error != "no time left":
                if known.ok and draft.delivers == "score":
                    self._run.clock.scored(draft.step, known.seconds)
                return known, False
            width = width_of(self._config, draft.step)
            result = await self._recall(draft, digest, width)
            return (result, False) if result else (await self._execute(draft, digest, width), True)

    async def _task(self) -> str:
        """Digest the task that the scripts are for."""
        if self._digest is None:
            self._digest = hashlib.sha256((await self._run.brief()).model_dump_json().encode()).hexdigest()
        return self._digest

    async def _key(self, digest: str, width: int) -> str:
        """Make a script's key in the cache: what it comes to depends on the data, the packages and its share too."""
        if self._given is None:
            brief = await self._run.brief()
            names = [file.path for file in brief.profile.files]
            data = await asyncio.to_thread(fingerprint, Path(brief.task.dataset_path), names)
            self._given = data, sys.version, installed_packages()
        share = self._backend.shares(width)[0]
        where = (self._config.execution_backend, len(share.cores), len(share.gpus), self._config.allow_network)
        given = repr((*self._given, where))
        return hashlib.sha256(f"{given}\n{await self._task()}\n{digest}".encode()).hexdigest()

    async def _execute(self, draft: Draft, digest: str, width: int) -> ExecutionResult:
        run = self._run
        brief = await run.brief()
        execute = run_script if self._config.execution_backend == "local" else self._backend.run
        urgent = draft.delivers == "submission" and not run.clock.safe
        async with self._backend.share(run.run_id, width, urgent=urgent) as share:
            allowed = script_limit(self._config, draft.step)
            timeout = min(allowed, run.clock.left(draft.step))
            if timeout <= 0:
                run.over(draft.step)
                return ExecutionResult(error="no time left", message=CUT_SHORT)
            script = await self._start(draft)
            job = self._job(draft, script, Path(brief.task.dataset_path), timeout, share, self._limits[width])
            began = time.monotonic()
            try:
                async with run.clock.within(draft.step, slack=SLACK):  # its own timeout comes first
                    result = await execute(job)
            except TimeoutError:
                result = ExecutionResult(
                    error="no time left", message=CUT_SHORT, seconds=round(time.monotonic() - began, 3),
                    script_path=str(job.script), log_path=str(job.log),
                )  # fmt: skip
        if result.note:
            await run.emit("note", step=draft.step, agent=draft.agent, message=result.note)
        if result.error == "timeout" and timeout < allowed:
            run.over(draft.step)
            result = result.model_copy(update={"error": "no time left"})  # nothing that a repair would mend
        if draft.delivers == "submission":
            result = await asyncio.to_thread(collect, brief, job.workdir, result)
        await asyncio.to_thread(clear, job.workdir)
        if self._cache and result.ok:
            files = {"submission.csv": written_by(result.script_path)} if draft.delivers == "submission" else {}
            await asyncio.to_thread(self._cache.put, await self._key(digest, width), result, **files)
        await self._finish(draft, digest, result)
        return result

    def _job(self, draft: Draft, script: Path, data: Path, timeout: float, share: Share, limits: Limits) -> Job:
        return Job(
            script=script,
            log=script.with_suffix(".log"),
            workdir=self._run.folder / "work" / script.stem,
            data=data,
            timeout=timeout,
            deadline=time.time() + self._run.clock.left(draft.step),
            cores=share.cores,
            gpus=share.gpus,
            needs_score=draft.delivers == "score",
            warm=self._config.warm,
            limits=limits,
            allow_network=self._config.allow_network,
            hidden=(self._run.runs_dir, self._run.folder),
        )

    async def _recall(self, draft: Draft, digest: str, width: int) -> ExecutionResult | None:
        """Take over what a script came to in another run, as if it had run here; None if that is not known."""
        found = await asyncio.to_thread(self._cache.get, await self._key(digest, width)) if self._cache else None
        if found is None or found[0].seconds > min(
            script_limit(self._config, draft.step), self._run.clock.left(draft.step)
        ):
            return None
        script = await self._start(draft)
        result = found[0].model_copy(
            update={"script_path": str(script), "log_path": str(script.with_suffix(".log"))}
        )  # fmt: skip
        try:
            await asyncio.to_thread(self._take_over, draft, result, found[1])
        except OSError:  # it was removed in this moment
            return None
        await self._finish(draft, digest, result, message="as in an earlier run")
        return result

    def _take_over(self, draft: Draft, result: ExecutionResult, found: Path) -> None:
        shutil.copyfile(found / LOG, result.log_path)
        if draft.delivers == "submission":
            shutil.copyfile(found / "submission.csv", written_by(result.script_path))

    async def _start(self, draft: Draft) -> Path:
        """Give a script its number and its file."""
        self._count += 1
        script = self._run.folder / "scripts" / f"{self._count:03d}-{draft.agent}.py"
        await asyncio.to_thread(script.write_text, draft.script, encoding="utf-8")
        await self._run.emit("script started", step=draft.step, agent=draft.agent, message=script.name)
        return script

    async def _finish(self, draft: Draft, digest: str, result: ExecutionResult, message: str = "") -> None:
        """Write down what a script came to, and remember it."""
        record = json.dumps(
            {"digest": digest, "step": draft.step, "delivers": draft.delivers, "result": result.model_dump()}, indent=1
        )
        await asyncio.to_thread(write_atomically, Path(result.script_path).with_suffix(".json"), record)
        self._known[digest] = result
        if result.ok and draft.delivers == "score":
            self._run.clock.scored(draft.step, result.seconds)
        await self._run.emit(
            "script finished", step=draft.step, agent=draft.agent, score=result.score, message=message,
            seconds=result.seconds, error=result.error,
        )  # fmt: skip
