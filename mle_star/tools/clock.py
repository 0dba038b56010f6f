"""A run's clock: how long it was active, and the time that each of its phases has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mle_star.tools.budget import PATHS_SHARE, SHARES


class Clock:
    """Counts the seconds of a run, pauses left out, against its limit."""

    def __init__(self, limit: float | None) -> None:
        self.stopped = False
        """Whether the run is to go straight to the submission with what there is."""
        self.longest_script = 0.0
        """Seconds of the longest script of a solution so far; the submission's takes as long, and longer."""
        self._limit = limit
        self._started = time.monotonic()
        self._timeouts: dict[asyncio.Timeout, str] = {}

    def start(self, elapsed: float = 0.0) -> None:
        """Begin to count, from the seconds that an earlier process has counted to."""
        self._started = time.monotonic() - elapsed

    @property
    def elapsed(self) -> float:
        """Seconds that the run was active."""
        return time.monotonic() - self._started

    def left(self, step: str = "") -> float:
        """Seconds until the phase of `step` has to be over; infinite without a limit. By default the paths' phase.

        Where scripts take long for the limit, the submission has the time of three of them, up to half of the limit:
        it validates once more, and fits several seeds to all rows.
        """
        share = SHARES.get(step.partition(".")[0], PATHS_SHARE)
        if self.stopped and share < 1:
            return 0.0
        if self._limit is None:
            return float("inf")
        until = self._limit * share
        if share < 1:
            until = min(until, max(self._limit / 2, self._limit - 3 * self.longest_script))
        return until - self.elapsed

    @asynccontextmanager
    async def within(self, step: str, slack: float = 0.0) -> AsyncIterator[None]:
        """Hold what is done here to the time of its phase, and `slack` seconds; a stop cuts it short.

        Raises:
            TimeoutError: The time is over.
        """
        seconds = self.left(step)
        if seconds <= 0:
            raise TimeoutError
        async with asyncio.timeout(None if seconds == float("inf") else seconds + slack) as limit:
            self._timeouts[limit] = step
            try:
                yield
            finally:
                del self._timeouts[limit]

    def stop(self, grace: float) -> None:
        """Go straight to the submission with what there is; what is under way has `grace` seconds to end."""
        self.stopped = True
        until = asyncio.get_running_loop().time() + grace
        for limit, step in self._timeouts.items():
            over, when = self.left(step) <= 0, limit.when()
            if over and (when is None or when > until) and not limit.expired():
                limit.reschedule(until)
