"""Our side of the fork server: start it, order scripts from it, and notice when it is gone.

One server for each number of threads that scripts get, started when it is first wanted, shared by all runs, event
loops and threads of this process, and ended with it.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ZYGOTE = Path(__file__).with_name("zygote.py")
MESSAGE_BYTES = 1 << 18
PATIENCE = 30.0
"""Seconds from a server's start in which a script waits for it: it imports no more than the script itself would."""
TRIES = 3
"""Servers that die before they are ready until no other is started."""


class ServerLostError(RuntimeError):
    """There is no server, or it died. Its text says why, for a person."""


class WarmProcess:
    """A script that the fork server has forked; `pid` is that of its supervisor."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self._ending = asyncio.ensure_future(_hear(connection))
        self.pid = pid

    async def wait(self) -> int:
        """Wait for the end; returns the exit code, or the signal's number, negative. May be cancelled and called again.

        Raises:
            ServerLostError: The server has died, and the script with it.
        """
        status: int = (await asyncio.shield(self._ending))["status"]
        return status

    def terminate(self) -> None:
        """Have the script's supervisor end it, and all that came from it."""
        with suppress(OSError):
            self._connection.send(b"terminate")

    def close(self) -> None:
        """Let go of it; it is killed if it still runs."""
        if not self._ending.cancel():
            self._ending.exception()  # it need not be heard of any more
        self._connection.close()


class ForkServer:
    """One server process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sending = threading.Lock()
        self._done = threading.Event()
        self._problem = ""
        self._started = time.monotonic()
        threading.Thread(target=self._start, name="mle-star fork server", daemon=True).start()

    @property
    def state(self) -> str:
        """`starting`, `ready` or `gone`."""
        if not self._done.is_set():
            return "starting"
        return "gone" if self._problem else "ready"

    @property
    def pid(self) -> int | None:
        """The server's process id."""
        return self._process.pid if self._process else None

    def _start(self) -> None:
        """Start the process and wait until it has imported everything; in a thread of its own."""
        try:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-u", str(ZYGOTE), str(theirs.fileno())],
                    env=self._environment, pass_fds=[theirs.fileno()], start_new_session=True, cwd="/",
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            if not self._control.recv(MESSAGE_BYTES):
                self._problem = f"the fork server did not start: it ended with {_ending(self._process.wait())}"
        except OSError as error:
            self._problem = f"the fork server did not start: {error}"
        finally:
            self._done.set()

    async def spawn(self, order: dict[str, Any], log: int) -> WarmProcess:
        """Have a script forked; `log` is the descriptor that it prints to.

        Raises:
            ServerLostError: It can't be: the server is not ready in time, or is gone.
        """
        while self.state == "starting":
            if time.monotonic() - self._started > PATIENCE:
                raise ServerLostError(f"the fork server was not ready after {PATIENCE:.0f} seconds")
            await asyncio.sleep(0.01)
        ours = await asyncio.to_thread(self._send, order, log)
        try:
            heard = await _hear(ours)
            if "pid" not in heard:
                raise ServerLostError("the forked process ended before it began")
            return WarmProcess(ours, heard["pid"])
        except BaseException:
            ours.close()
            raise

    def _send(self, order: dict[str, Any], log: int) -> socket.socket:
        """Send an order, with a connection for the script; gives our end of it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs, self._sending:
                if self.state != "ready" or self._control is None:
                    raise ServerLostError(self._problem)
                socket.send_fds(self._control, [json.dumps(order).encode()], [log, theirs.fileno()])
        except OSError as error:
            ours.close()
            raise ServerLostError(f"the fork server takes no script: {error}") from error
        except ServerLostError:
            ours.close()
            raise
        return ours

    def let_go(self) -> None:
        """Close this process's end without a word to the server."""
        if self._control:
            self._control.close()

    def close(self, problem: str = "the fork server was closed") -> None:
        """End the server, and all that runs on it."""
        self._problem = self._problem or problem
        if self._control:
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            self._control.close()
        if self._process:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


async def _hear(connection: socket.socket) -> dict[str, Any]:
    """Receive the next message about a script."""
    try:
        message = await asyncio.get_running_loop().sock_recv(connection, MESSAGE_BYTES)
    except ConnectionError:
        message = b""
    if not message:
        raise ServerLostError("the fork server died")
    heard: dict[str, Any] = json.loads(message)
    if "error" in heard:
        raise ServerLostError(f"the fork server could not fork: {heard['error']}")
    return heard


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


class Servers:
    """The servers of this process, by the number of threads that their scripts get."""

    def __init__(self) -> None:
        self._servers: dict[str, ForkServer] = {}
        self._deaths = 0
        self._lock = threading.Lock()

    def get(self, environment: dict[str, str]) -> ForkServer | None:
        """Give the server for scripts with this environment, started, or started anew; never waits.

        None where there can be none: not on Linux, or after several that died in a row.
        """
        if sys.platform != "linux":
            return None
        threads = environment.get("OMP_NUM_THREADS", "")
        with self._lock:
            server = self._servers.get(threads)
            if server and server.state == "gone":
                self._deaths += 1
                del self._servers[threads]
                server = None
            if server is None and self._deaths < TRIES:
                server = self._servers[threads] = ForkServer(_for_server(environment))
            return server

    def all(self) -> tuple[ForkServer, ...]:
        """List the servers that there are."""
        return tuple(self._servers.values())

    def worked(self) -> None:
        """Note that a script came to its end: the servers are sound."""
        self._deaths = 0

    def close(self) -> None:
        """End all servers, and all that runs on them."""
        with self._lock:
            while self._servers:
                self._servers.popitem()[1].close()

    def forget(self) -> None:
        """Let go of the servers, in a child of this process that they don't belong to."""
        for server in self._servers.values():
            server.let_go()
        self.__init__()  # type: ignore[misc]


def _for_server(environment: dict[str, str]) -> dict[str, str]:
    """Change a script's environment into the server's, which may start no thread and has no folder."""
    nowhere = {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}
    quiet = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    return environment | nowhere | quiet


servers = Servers()
atexit.register(servers.close)
os.register_at_fork(after_in_child=servers.forget)
