"""The fork server's process: it has imported what scripts import, and becomes one script after another by forking.

Run as `python -u zygote.py FD`, FD being its end of a socket. Each message on it orders one script: JSON with `policy`,
`environment` and `cores`, and two descriptors, the script's log and a connection of its own. On that connection the
script's supervisor tells its `pid`, then the exit `status`, which the server tells for one that was killed; a message
to it has the supervisor end the script, closing it kills the supervisor's group. The server ends with its parent, or
when the socket does.

Nothing is ever fitted here, and it forks only while it has one thread: a child has none but the thread that forked,
and what the others held stays locked for ever. A library that starts threads when it is imported is left out.
"""

from __future__ import annotations

import gc
import importlib
import json
import linecache
import multiprocessing.process
import os
import select
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from itertools import islice
from types import SimpleNamespace
from typing import Any

import launch  # type: ignore[import-not-found]  # beside this file
import main  # type: ignore[import-not-found]
import memory  # type: ignore[import-not-found]
import rehearsal  # type: ignore[import-not-found]
import title  # type: ignore[import-not-found]
from isolation import contain  # type: ignore[import-not-found]

LIBRARIES = (
    "numpy", "pandas", "pyarrow.parquet", "scipy.sparse", "scipy.stats", "scipy.optimize", "joblib",
    "sklearn.calibration", "sklearn.cluster", "sklearn.compose", "sklearn.decomposition",
    "sklearn.discriminant_analysis", "sklearn.ensemble", "sklearn.feature_extraction.text",
    "sklearn.feature_selection", "sklearn.gaussian_process", "sklearn.impute", "sklearn.isotonic",
    "sklearn.kernel_approximation", "sklearn.kernel_ridge", "sklearn.linear_model", "sklearn.metrics",
    "sklearn.mixture", "sklearn.model_selection", "sklearn.multioutput", "sklearn.naive_bayes", "sklearn.neighbors",
    "sklearn.neural_network", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "sklearn.tree",
    "lightgbm", "xgboost", "catboost", "PIL.Image", "category_encoders", "imblearn",
)  # fmt: skip
"""PyTorch is a script's own to import: it asks for the GPU and for threads when it is imported."""
REHEARSAL = "(rehearsal)"
MESSAGE_BYTES = 1 << 18
HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120


class ManyThreadsError(RuntimeError):
    """There is more than one thread."""


def warm(without: set[str]) -> list[str]:
    """Import the libraries that there are, and use them once; gives their names.

    Raises:
        ManyThreadsError: Names the library, or the rehearsal, that has to be left out.
    """
    imported = []
    for name in LIBRARIES:
        if name in without:
            continue
        try:
            importlib.import_module(name)
        except Exception:  # noqa: S112 - not installed, or broken: the script that wants it will see for itself
            continue
        if threads() > 1:
            raise ManyThreadsError(name)
        imported.append(name)
    if REHEARSAL not in without:
        rehearsal.rehearse()
        if threads() > 1:
            raise ManyThreadsError(REHEARSAL)
    gc.collect()
    gc.freeze()  # the children neither walk through these objects nor copy their pages
    memory.settle()
    return imported


def threads() -> int:
    """Count this process's threads, those of libraries included."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


class Server:
    """Forks children, waits for them, and kills those that are no longer wanted."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.running: dict[int, socket.socket] = {}
        """Each child's connection, by its process id."""
        self.killed: set[int] = set()
        """Those whose connection has nothing more to say."""
        self.woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self.parent = -1
        with suppress(AttributeError, OSError):  # without it, the socket's end has to do
            self.parent = os.pidfd_open(os.getppid())

    def serve(self) -> tuple[dict[str, Any], socket.socket] | None:
        """Serve until our parent is gone: gives None then, and in each child its order and its connection."""
        while True:
            ready = self.wait()
            if self.parent in ready:
                return None
            if self.woken in ready:
                self.collect()
            for pid, connection in self.running.items():
                if connection.fileno() in ready:
                    self.hear(pid, connection)
            if self.control.fileno() in ready:
                message, descriptors, *_ = socket.recv_fds(self.control, MESSAGE_BYTES, 2, socket.MSG_CMSG_CLOEXEC)
                if not message:
                    return None
                log, end = descriptors
                order, connection = json.loads(message), socket.socket(fileno=end)
                if self.fork(order, log, connection):
                    return order, connection

    def wait(self) -> set[int]:
        """Wait until something happens; gives the descriptors where it did."""
        poll = select.poll()
        connections = [connection.fileno() for pid, connection in self.running.items() if pid not in self.killed]
        for descriptor in (self.control.fileno(), self.parent, self.woken, *connections):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll()}

    def fork(self, order: dict[str, Any], log: int, connection: socket.socket) -> bool:
        """Fork a child; true in the child."""
        try:
            if threads() > 1:
                raise ManyThreadsError(f"it has {threads()} threads")
            contain.share(SimpleNamespace(**order["policy"]))
            pid = os.fork()
        except (OSError, ManyThreadsError) as error:
            tell(connection, error=str(error))
            connection.close()
            os.close(log)
            return False
        if pid:
            os.close(log)
            self.running[pid] = connection
            return False
        os.setsid()
        self.leave()
        tell(connection, pid=os.getpid())  # not the server, which may come too late for it
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        return True

    def leave(self) -> None:
        """Let go, in a child, of all that is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in (self.control, *self.running.values()):
            connection.close()
        for descriptor in (self.woken, self._wake, self.parent):
            if descriptor >= 0:
                os.close(descriptor)

    def hear(self, pid: int, connection: socket.socket) -> None:
        """End a child that is no longer wanted: gently when its connection says so, at once when that is closed."""
        told = b""
        with suppress(OSError):
            told = connection.recv(MESSAGE_BYTES)
        if told:
            os.kill(pid, signal.SIGTERM)
        else:
            kill(pid)
            self.killed.add(pid)

    def collect(self) -> None:
        """Tell of the children that have ended; what they leave running is killed."""
        with suppress(BlockingIOError):
            os.read(self.woken, 1 << 10)
        for pid in list(self.running):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                continue
            kill(pid)  # while its number can't be another's
            _, status = os.waitpid(pid, 0)
            connection = self.running.pop(pid)
            self.killed.discard(pid)
            tell(connection, status=os.waitstatus_to_exitcode(status))
            connection.close()

    def close(self) -> None:
        """Have all that runs ended."""
        for pid in self.running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def kill(pid: int) -> None:
    """Kill a child's group, or the child if it has none yet."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)


def tell(connection: socket.socket, **what: Any) -> None:
    """Send a message, if anyone listens."""
    with suppress(OSError):
        connection.send(json.dumps(what).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def become(order: dict[str, Any], connection: socket.socket, server: int) -> contain.Script:
    """Make of a forked child the process that Python would have started for the script.

    Returns in the process that is to run the script; the child itself supervises it, and tells on the connection how
    it ended.
    """
    known = len(sys.modules)
    launch.settle(order["cores"])
    if os.getppid() != server:  # it died before the kernel knew that we are to follow
        os._exit(1)
    os.environ.clear()
    os.environ.update(order["environment"])
    policy = SimpleNamespace(**order["policy"])
    os.chdir(policy.workdir)
    pipes = contain.enter(policy, listener=connection)
    hide_modules_of_ours(known)
    title.show_as([sys.executable, "-u", policy.script])
    forget()
    set_blas_threads()
    return pipes


def forget() -> None:
    """Drop what is the server's and not the script's: random numbers and folders."""
    multiprocessing.process.current_process().authkey = os.urandom(32)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # `random` does so by itself
    tempfile.tempdir = None
    linecache.clearcache()


def hide_modules_of_ours(known: int = 0) -> None:
    """Take our own modules from where the script finds them; the first `known` are skipped, as a look copies pages."""
    for name in list(islice(reversed(sys.modules), len(sys.modules) - known)):
        if str(vars(sys.modules[name]).get("__file__")).startswith(HERE) and name != "__main__":
            del sys.modules[name]


def set_blas_threads() -> None:
    """Give OpenBLAS the threads that it was kept from starting in the server; OpenMP starts its own when asked."""
    count = int(os.environ.get("OPENBLAS_NUM_THREADS", len(os.sched_getaffinity(0))))
    if count > 1 and (pools := sys.modules.get("threadpoolctl")):
        pools.ThreadpoolController().select(internal_api="openblas").limit(limits=count)


if __name__ == "__main__":
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        libraries = warm(without=set(sys.argv[2:]))
    except ManyThreadsError as error:
        os.set_inheritable(control.fileno(), True)
        os.execv(sys.executable, [*sys.orig_argv, str(error)])  # noqa: S606 - threads don't survive it
    hide_modules_of_ours()
    tell(control, libraries=libraries)
    server, us = Server(control), os.getpid()
    given = server.serve()
    if given is None:
        server.close()
        os._exit(0)
    order, connection = given
    pipes = become(order, connection, us)
    main.run(order["policy"]["script"], lambda: main.tell(*pipes))
