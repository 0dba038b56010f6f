"""Drive a run and show it: events onto the screen, Ctrl-C and SIGTERM into a pause, the ending into an exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from mle_star.models.errors import ConfigError
from mle_star.terminal.live import PAUSING, STOPPING, Screen
from mle_star.tools.progress import View, advance, new_view, task_name

if TYPE_CHECKING:
    from mle_star.models.events import Event
    from mle_star.orchestrator import MLEStarOrchestrator

PAUSED = 130
EXIT_CODES = {
    "succeeded": 0,
    "no script ran": 3,
    "no submission": 4,
    "failed": 4,
    "paused": PAUSED,
}
"""By a run's status."""

Start = Callable[[], AsyncIterator["Event"]]


def drive(orchestrator: MLEStarOrchestrator, start: Start, screen: Screen) -> None:
    """Run to the end, or to the pause that a person asked for; the orchestrator then holds the result.

    Raises:
        KeyboardInterrupt: It was interrupted before there was a run.
        MLEStarError: As the orchestrator does.
    """
    try:
        asyncio.run(_drive(orchestrator, start, screen))
    except asyncio.CancelledError:
        if orchestrator.result is None:
            raise KeyboardInterrupt from None


async def _drive(orchestrator: MLEStarOrchestrator, start: Start, screen: Screen) -> None:
    loop, work = asyncio.get_running_loop(), asyncio.current_task()
    assert work is not None, "a coroutine that runs is a task's"
    asked = 0

    def interrupt() -> None:
        nonlocal asked
        asked += 1
        if asked == 1 and orchestrator.folder is not None:
            orchestrator.pause()
            screen.say(PAUSING)
        elif asked == 1 or (asked == 2 and orchestrator.folder is not None):
            screen.say(STOPPING)
            work.cancel()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        view: View | None = None
        async with aclosing(start()) as events:  # type: ignore[type-var]
            async for event in events:
                view = advance(view, event) if view else await asyncio.to_thread(_begin, orchestrator, screen, event)
                screen.show(view, event)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _begin(orchestrator: MLEStarOrchestrator, screen: Screen, event: Event) -> View:
    """Make the view from the run's folder, with what happened before it was resumed."""
    folder = orchestrator.folder
    assert folder is not None, "a run that tells something has a folder"
    about, brief = folder.about(), folder.brief()
    if brief is None:
        raise ConfigError(f"{folder.path / 'brief.json'} is gone: start the task anew with `mle-star run`")
    before = (earlier for earlier in folder.events() if earlier.seq < event.seq)
    view = new_view(task_name(about.task.dataset_path), brief.metric, about.config, before)
    screen.begin(view, folder.path)
    return advance(view, event)
