"""The Python entry: start a run, follow it, pause it, take it up again.

result = MLEStarOrchestrator(MLEStarConfig(model_provider="offline")).run_sync(TaskDescription.from_directory("task"))
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from mle_star import __version__
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, TaskBrief, TaskDescription
from mle_star.models.errors import ConfigError, MLEStarError
from mle_star.models.events import Event
from mle_star.models.review import WAITING, Review, ReviewAnswer
from mle_star.tools.progress import task_name
from mle_star.tools.results import Ending, result_of
from mle_star.tools.run_folder import About, RunFolder, Status

if TYPE_CHECKING:
    from langgraph.runtime import RunControl

    from mle_star.tools.checkpoints import Checkpoints

T = TypeVar("T")
RECURSION_LIMIT = 100_000
"""LangGraph's guard against endless loops, in super-steps of one graph: out of the way of ours, which end by counters.
The longest is the refinement graph with T = K = 64: 1 + T (4 K + 5) = 16,705."""


class MLEStarOrchestrator:
    """Runs the pipeline on tasks, one run at a time, each in a folder of its own."""

    def __init__(self, config: MLEStarConfig | None = None, checkpoints: Checkpoints | None = None) -> None:
        self.config = config or MLEStarConfig()
        self._checkpoints = checkpoints
        self.folder: RunFolder | None = None
        """Of the run that is under way, or was last."""
        self.result: RunResult | None = None
        """Of the run that ended last."""
        self.reviews: tuple[Review, ...] = ()
        """What the run waits for a person to answer; its result is then `paused`."""
        self._control: RunControl | None = None
        self._run_id = ""

    async def run(self, task: TaskDescription) -> RunResult:
        """Run the pipeline to its end.

        Raises:
            TaskError: Something about the task is wrong or can't be found; nothing was spent.
            ConfigError: A setting can't be used, or the model does not answer; nothing was spent.
            MLEStarError: The model or the disk failed for good; the run can be resumed.
        """
        async for _ in self.stream(task):
            pass
        return self._ended()

    def run_sync(self, task: TaskDescription) -> RunResult:
        """Run the pipeline to its end, from code that is not asynchronous; works in a notebook too."""
        return run_blocking(self.run(task))

    async def stream(self, task: TaskDescription) -> AsyncGenerator[Event, None]:
        """Run the pipeline and yield its progress; `result` is there afterwards. Raises as `run`."""
        from mle_star.tools.preflight import check_models

        brief = await self._inspect(task)
        await check_models(self.config)
        folder, about = await self._create(task, brief, "running")
        async with aclosing(self._follow(folder, about)) as events:
            async for event in events:
                yield event

    async def prepare(self, task: TaskDescription) -> RunFolder:
        """Check a task and make the folder of its run, which `resume` begins; the model is not asked yet.

        Raises:
            TaskError: Something about the task is wrong or can't be found.
            ConfigError: A setting can't be used.
        """
        return (await self._create(task, await self._inspect(task), "queued"))[0]

    async def _inspect(self, task: TaskDescription) -> TaskBrief:
        from mle_star.tools.preflight import check_isolation, check_retrieval, check_settings
        from mle_star.tools.profile import inspect_task

        if self.config.out_dir:
            await asyncio.to_thread(RunFolder(self.config.out_dir).check_free)
        await asyncio.to_thread(check_settings, self.config)
        await asyncio.to_thread(check_retrieval, self.config)
        await check_isolation(self.config)
        return await asyncio.to_thread(inspect_task, task)

    async def _create(self, task: TaskDescription, brief: TaskBrief, status: Status) -> tuple[RunFolder, About]:
        now = datetime.now(UTC)
        name = re.sub(r"[^\w.-]+", "-", task_name(task.dataset_path), flags=re.ASCII).strip("-.")[:40] or "task"
        run_id = f"{now:%Y%m%d-%H%M%S}-{name}-{uuid4().hex[:8]}"
        folder = RunFolder((self.config.out_dir or self.config.runs_dir / run_id).absolute())
        about = About(
            run_id=run_id, started=now.isoformat(timespec="seconds"), version=__version__, status=status, task=task,
            metric=brief.metric.name, config=self.config.model_copy(update={"out_dir": folder.path}),
            checkpoints=self._checkpoints.name if self._checkpoints else "sqlite",
        )  # fmt: skip
        await asyncio.to_thread(folder.create, about, brief)
        return folder, about

    async def resume(self, run: str | Path, answers: Mapping[str, ReviewAnswer] | None = None) -> RunResult:
        """Go on with a run, by its id or its folder, from its last checkpoint. A run that ended gives its result.

        `answers` are to its `reviews`, by their ids; what is not answered is asked again.

        Raises:
            ConfigError: There is no such run, another process is at work on it, or the model does not answer.
        """
        async for _ in self.stream_resume(run, answers):
            pass
        return self._ended()

    async def stream_resume(
        self, run: str | Path, answers: Mapping[str, ReviewAnswer] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Go on with a run and yield its progress. Raises as `resume`."""
        from mle_star.tools.preflight import check_isolation, check_models, check_settings

        folder, about = await self._find(run)
        if not about.resumable:
            self.folder, self.result = folder, about.result
            return
        config = about.config.model_copy(update={"out_dir": folder.path})  # the folder may have been moved
        await asyncio.to_thread(check_settings, config)
        await check_isolation(config)
        await check_models(config)
        about = about.model_copy(update={"config": config, "status": "running"})
        async with aclosing(self._follow(folder, about, answers)) as events:
            async for event in events:
                yield event

    async def pending(self, run: str | Path) -> tuple[Review, ...]:
        """Read from the checkpoint of a run that nobody drives what it waits for a person to answer.

        Raises:
            ConfigError: There is no such run, or its checkpoints are elsewhere.
        """
        from graphs.pipeline import builder
        from mle_star.tools.checkpoints import SqliteCheckpoints

        folder, about = await self._find(run)
        if not about.resumable:
            return ()
        async with (self._checkpoints or SqliteCheckpoints()).of(folder.path) as saver:
            graph = builder.compile(checkpointer=saver, name="mle_star")
            state = await graph.aget_state({"configurable": {"thread_id": about.run_id}})
        return tuple(Review(id=one.id, **one.value) for one in state.interrupts)

    async def _find(self, run: str | Path) -> tuple[RunFolder, About]:
        folder = await asyncio.to_thread(RunFolder.find, run, self.config.runs_dir)
        about = await asyncio.to_thread(folder.about)
        if about.resumable and about.checkpoints != (self._checkpoints.name if self._checkpoints else "sqlite"):
            raise ConfigError(f"the checkpoints of {about.run_id} are in {about.checkpoints}: resume it on its server")
        return folder, about

    def pause(self) -> None:
        """Stop at the end of the steps that are under way; the result is then `paused`. Safe from any thread."""
        if self._control:
            self._control.request_drain("paused")

    async def stop(self, grace: float = 0.0) -> None:
        """Go straight to the submission with the best so far; what is under way has `grace` seconds to end.

        Call it in the run's own event loop. A run that is resumed after a stop goes to the submission all the same.
        """
        if self.folder is None:
            return
        from mle_star.tools.run import Run

        await asyncio.to_thread(self.folder.mark_stopped)
        if run := Run.known(self._run_id):
            run.clock.stop(grace)

    async def _follow(
        self, folder: RunFolder, about: About, answers: Mapping[str, ReviewAnswer] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Drive the graph from the run's last checkpoint, or its beginning, and write down how it ended."""
        from langgraph.errors import GraphDrained
        from langgraph.runtime import RunControl
        from langgraph.types import Command

        from graphs.pipeline import builder
        from mle_star.tools.checkpoints import SqliteCheckpoints
        from mle_star.tools.run import Run

        self._run_id = about.run_id
        self.folder, self.result, self.reviews, self._control = folder, None, (), RunControl()
        thread: Any = {
            "configurable": {"thread_id": about.run_id}, "recursion_limit": RECURSION_LIMIT,
            "run_name": about.run_id, "tags": ["mle-star"], "metadata": {"run_id": about.run_id},
        }  # fmt: skip
        with ExitStack() as held:
            await asyncio.to_thread(held.enter_context, folder.lock())
            await asyncio.to_thread(folder.write, about)
            async with (self._checkpoints or SqliteCheckpoints()).of(folder.path) as saver:
                graph = builder.compile(checkpointer=saver, name="mle_star")
                ending: tuple[Ending, str] | None = ("paused", "interrupted")
                begun = (await graph.aget_state(thread)).created_at is not None
                given: Command[Any] | None = (
                    Command(resume={key: one.model_dump() for key, one in answers.items()}) if answers else None
                )
                try:
                    async for _, payload in graph.astream(
                        given if begun else {"task": about.task}, thread, context=about.config, stream_mode="custom",
                        subgraphs=True, durability="sync", control=self._control,
                    ):  # fmt: skip
                        yield Event.model_validate(payload)
                    asked = (await graph.aget_state(thread)).interrupts
                    self.reviews = tuple(Review(id=one.id, **one.value) for one in asked)
                    ending = ("paused", WAITING) if asked else None
                except GraphDrained:
                    ending = ("paused", "paused")
                except Exception as error:
                    ending = ("failed", str(error) or type(error).__name__)
                    raise
                finally:
                    run = Run.forget(about.run_id)
                    if run:
                        await run.emit("run finished", message=ending[1] if ending else "")
                    state = (await graph.aget_state(thread)).values
                    self.result = await asyncio.to_thread(
                        result_of, folder, about, state, seconds=run.clock.elapsed if run else 0.0,
                        cut_short=run.cut_short if run else "", ending=ending,
                    )  # fmt: skip
                    done = about.model_copy(update={"status": self.result.status, "result": self.result})
                    await asyncio.to_thread(folder.write, done)
                    self._control = None

    def _ended(self) -> RunResult:
        if self.result is None:
            raise MLEStarError("the run ended without a result")
        return self.result


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; in a thread of its own where an event loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # handed on to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=target, name="mle-star")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
