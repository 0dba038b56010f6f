"""The processes that come from one, as Linux tells of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

PAUSE = 0.001
"""Seconds between two looks at what is being killed."""


def of(pid: int) -> list[int]:
    """List the living descendants of a process."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in _children(waiting.pop()):
            found.append(child)
            waiting.append(child)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    return children


def end_all() -> None:
    """Kill all that came from this process, and collect it, until nothing is left.

    One round may not be enough: what is in the middle of a fork when it is stopped still becomes two.
    """
    if sys.platform != "linux":
        return
    while not _collected():
        kill_below(os.getpid())
        time.sleep(PAUSE)


def kill_below(pid: int) -> None:
    """Kill a process's descendants; all are stopped first, so that few get away by forking meanwhile."""
    stopped: set[int] = set()
    while new := set(of(pid)) - stopped:
        for descendant in new:
            send(descendant, signal.SIGSTOP)
        stopped |= new
    for descendant in of(pid):
        send(descendant, signal.SIGKILL)


def _collected() -> bool:
    """Collect the children that have ended; true when none is left."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return False
    return True


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
