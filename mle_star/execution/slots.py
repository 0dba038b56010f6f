"""Slots for scripts that run at the same time, each with its own share of the machine, and one queue for them all.

Two LightGBM fits at once on two cores took 25 s each when both saw both cores, and 0.24 s when each was pinned to one.
All shares of a division are alike: what a script comes to must not depend on the slot that it got, and some fits
depend on the number of threads. The cores that don't divide evenly are left to this process.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from mle_star.execution.machine import Machine, this_machine

MOST = 4
"""Slots, unless told otherwise: a script that runs on its own soon wants more than one core."""
LEAST_MEMORY = 1 << 30
"""Bytes that a slot has, unless told otherwise."""


@dataclass(frozen=True)
class Share:
    """What one script gets."""

    cores: tuple[int, ...]
    memory: int
    """Bytes."""
    gpus: tuple[str, ...] = ()


def usual_slots(machine: Machine) -> int:
    """Say how many scripts run at once when nobody says: one a GPU, or a core, up to four, with a gigabyte each."""
    cores = len(machine.cores)
    most = min(cores, len(machine.gpus) or MOST)
    if most == MOST and cores % 3 < cores % 4:
        most = 3
    return max(1, min(most, machine.memory // LEAST_MEMORY))


def shares_of(machine: Machine, slots: int) -> tuple[Share, ...]:
    """Divide the machine; with more slots than cores, or than GPUs, some have the same."""
    cores, gpus = machine.cores, machine.gpus
    each, each_gpu = max(1, len(cores) // slots), max(1, len(gpus) // slots)
    return tuple(
        Share(
            cores=cores[i::slots][:each] if i < len(cores) else (cores[i % len(cores)],),
            memory=machine.memory // slots,
            gpus=gpus[i::slots][:each_gpu] if i < len(gpus) else gpus[i % len(gpus) :][:1] if gpus else (),
        )
        for i in range(slots)
    )


@dataclass(eq=False)
class _Waiting:
    """Someone who waits for a share: in an event loop, which may not be the one of who lets go of it."""

    shares: tuple[Share, ...]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    share: Share | None = None


class Slots:
    """The shares of one machine, dealt to all runs in turn; within a run urgent first, then first come first served."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._lock = threading.Lock()
        self._queues: dict[str, deque[_Waiting]] = {}
        """By run, the one whose turn it is first."""
        self._used: Counter[int | str] = Counter()
        """How many scripts are on each core and GPU."""
        self._free = Fraction(1)

    def shares(self, slots: int | None = None, width: int = 1) -> tuple[Share, ...]:
        """List the shares when so many scripts run at once; by default, as many as suit the machine.

        A script that takes the place of `width` of them gets what so many have, at least.
        """
        return shares_of(self.machine, max(1, (slots or usual_slots(self.machine)) // width))

    @asynccontextmanager
    async def share(
        self, run: str = "", slots: int | None = None, width: int = 1, *, urgent: bool = False
    ) -> AsyncIterator[Share]:
        """Wait for one of the `shares` of the machine, and hold it. Safe from any event loop of any thread."""
        one = _Waiting(self.shares(slots, width))
        with self._lock:
            queue = self._queues.setdefault(run, deque())
            (queue.appendleft if urgent else queue.append)(one)
            self._deal()
        try:
            await one.woken.wait()
            assert one.share is not None
            yield one.share
        finally:
            with self._lock:
                self._leave(run, one)
                self._deal()

    def _leave(self, run: str, one: _Waiting) -> None:
        """Take back a share, or whoever waits no more out of the queue."""
        if one.share:
            self._free += Fraction(1, len(one.shares))
            self._used.subtract((*one.share.cores, *one.share.gpus))
            one.share = None
        elif one in self._queues.get(run, ()):
            self._queues[run].remove(one)
            if not self._queues[run]:
                del self._queues[run]

    def _deal(self) -> None:
        """Give shares to those whose turn it is, as long as there is enough free for the first of them."""
        while self._queues:
            run = next(iter(self._queues))
            part = Fraction(1, len(self._queues[run][0].shares))
            if part > self._free:
                return
            queue = self._queues.pop(run)
            one = queue.popleft()
            if queue:
                self._queues[run] = queue  # behind the others
            self._take(one)
            try:
                one.loop.call_soon_threadsafe(one.woken.set)
            except RuntimeError:  # its event loop is closed
                self._leave(run, one)

    def _take(self, one: _Waiting) -> None:
        """Choose the share that is used least."""

        def used(share: Share) -> int:
            return sum(self._used[core] for core in share.cores) + sum(self._used[gpu] for gpu in share.gpus)

        one.share = min(one.shares, key=used)
        self._used.update((*one.share.cores, *one.share.gpus))
        self._free -= Fraction(1, len(one.shares))


@cache
def _slots(machine: Machine) -> Slots:
    return Slots(machine)


def slots_here() -> Slots:
    """Give this process's slots. Asks the system when it is called first: not in an event loop."""
    with _making:
        return _slots(this_machine())


_making = threading.Lock()
