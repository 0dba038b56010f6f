"""A script in a fresh process of its own: Python is started for it, and it imports what it wants."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

LAUNCHER = Path(__file__).with_name("launch.py")


class FreshProcess:
    """A script that was started by itself."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def spawn(cls, order: dict[str, Any], log: int) -> Self:
        """Start a script; `log` is the descriptor that it prints to."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(LAUNCHER),
            json.dumps({"cores": order["cores"], "policy": order["policy"]}),
            cwd=order["policy"]["workdir"], env=order["environment"], start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        return cls(process)

    async def wait(self) -> int:
        """Wait for the end; returns the exit code, or the signal's number, negative."""
        return await self._process.wait()

    def terminate(self) -> None:
        """Have the script's supervisor end it, and all that came from it."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def close(self) -> None:
        """Let go of it; what is left of its group is killed."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
