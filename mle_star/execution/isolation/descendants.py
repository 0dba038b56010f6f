"""The processes that come from one, as Linux tells of them."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress


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
    """Kill all that came from this process, and collect it.

    What is being killed may fork at the same time: all is stopped first, so that nothing gets away.
    """
    if sys.platform != "linux":
        return
    stopped: set[int] = set()
    while new := set(of(os.getpid())) - stopped:
        for pid in new:
            send(pid, signal.SIGSTOP)
        stopped |= new
    for pid in of(os.getpid()):
        send(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
