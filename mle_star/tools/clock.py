"""A run's clock: how long it was active, and the time that each of its phases has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mle_star.models.events import path_of, phase_of
from mle_star.tools.budget import PATHS_SHARE, SHARES

SUBMISSION_TAKES, AT_MOST = 3.0, 8.0
"""Times as long as its solution's script: it validates once more, and fits several seeds to all rows."""
EARLY = 0.8
"""Share of the time that is left which an early submission may take while there is none."""
MARGIN, STOPPED = 1.2, 2.0
"""What is foretold, and what a script that was stopped would have taken, beside what was seen."""


class Clock:
    """Counts the seconds of a run, pauses left out, against its limit."""

    def __init__(self, limit: float | None) -> None:
        self.stopped = False
        """Whether the run is to go straight to the submission with what there is."""
        self.safe = False
        """Whether there is a submission already."""
        self._took: dict[str, float] = {}
        """Seconds of the solutions' scripts so far, by step."""
        self._held: dict[str, str] = {}
        """The step of the solution that each path, or the ensemble, goes on with."""
        self._submission_takes = SUBMISSION_TAKES
        self._limit = limit
        self._started = time.monotonic()
        self._timeouts: dict[asyncio.Timeout, str] = {}

    def start(self, elapsed: float = 0.0) -> None:
        """Begin to count, from the seconds that an earlier process has counted to; nothing is known of the scripts."""
        self._started = time.monotonic() - elapsed
        self._took, self._held, self._submission_takes = {}, {}, SUBMISSION_TAKES

    @property
    def elapsed(self) -> float:
        """Seconds that the run was active."""
        return time.monotonic() - self._started

    def left(self, step: str = "") -> float:
        """Seconds until the phase of `step` has to be over; infinite without a limit. By default the paths' phase.

        Where scripts take long for the limit, the submission has the time that its script will take by all that is
        known, up to half of the limit; the other phases share what is left. While there is no submission, an early one
        may take most of the time that is left: a run must not end without, and it may well be the last.
        """
        share = SHARES.get(step.partition(".")[0], PATHS_SHARE)
        if self.stopped and share < 1:
            return 0.0
        if self._limit is None:
            return float("inf")
        if share == 1:
            return self._limit - self.elapsed
        search = self._limit * SHARES["ensemble"]
        search = min(search, max(self._limit / 2, self._limit - self._submission_takes * self.final_script))
        left = search * share / SHARES["ensemble"] - self.elapsed
        early = phase_of(step) == "submission"
        return left if self.safe or not early else max(left, EARLY * (self._limit - self.elapsed))

    @property
    def final_script(self) -> float:
        """Seconds of the longest script that may be submitted yet: of the best ensemble, or of all paths' solutions.

        Of a path that goes on with none so far, the longest counts.
        """
        paths: dict[str, float] = {}
        for step, seconds in self._took.items():
            path = step.partition(".")[0]
            if path not in self._held and path_of(step) is not None:
                paths[path] = max(seconds, paths.get(path, 0.0))
        held = {name: self._took.get(step, 0.0) for name, step in self._held.items()}
        return max(held.pop("ensemble", 0.0), sum(paths.values()) + sum(held.values()))

    def late(self, step: str) -> float:
        """Seconds by which the submission of a step's solution is likely to miss the limit; 0 where it is in time."""
        takes = MARGIN * self._submission_takes * self._took.get(step, 0.0)
        return max(0.0, takes - self.left("submission"))

    def may_submit(self, step: str) -> bool:
        """Tell whether there is time to try: the submission's script takes as long as the solution's own, at least."""
        return not self.stopped and self.left("submission") > self._took.get(step, 0.0)

    def scored(self, step: str, seconds: float) -> None:
        """Learn how long the script of a solution took."""
        self._took[step] = seconds

    def accepted(self, step: str) -> None:
        """Learn which solution a path, or the ensemble, goes on with; studies and submissions are none."""
        if phase_of(step) != "submission" and not step.endswith(".ablation"):
            self._held[step.partition(".")[0]] = step

    def submitted(self, step: str, seconds: float, *, stopped: bool = False) -> None:
        """Learn how long the submission's script took for the solution of a step, or that it was stopped after that."""
        if stopped:
            seconds *= STOPPED
        if took := self._took.get(step):
            self._submission_takes = min(AT_MOST, max(self._submission_takes, MARGIN * seconds / took))

    def secure(self) -> None:
        """Note that there is a submission: others that are made early have no more than the search's time again."""
        self.safe = True
        now = asyncio.get_running_loop().time()
        for limit, step in self._timeouts.items():
            when = limit.when()
            if phase_of(step) == "submission" and when is not None and not limit.expired():
                limit.reschedule(min(when, now + max(0.0, self.left(step))))

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
