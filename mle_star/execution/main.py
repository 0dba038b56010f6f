"""Run a script as `__main__` in a process that is Python already, as `python -u script.py` would have run it.

A fresh process runs this file, `python -u main.py SCRIPT ENDED NOTED`; the fork server's children call `run`. What is
added to what Python does: when the main module has come to its end, that is told to the supervisor before any
`atexit` handler runs, so that no line printed by one passes for the score.

Only the standard library, and little of it: each import here is paid for at every script.
"""

import atexit
import builtins
import ctypes
import gc
import io
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from typing import NoReturn

INTERRUPTED = -1


def run(script: str, ended: Callable[[], None] = lambda: None) -> NoReturn:
    """Run a script, and end with it; `ended` is called between its last line and what it left to do at the exit."""
    module, process = _main_module(script), os.getpid()
    try:
        with io.open_code(script) as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - it is what we are here for
        status = 0
    except SystemExit as stop:
        status = _status(stop.code)
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None  # it begins in the script
        sys.excepthook(type(error), error, error.__traceback__)
        status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # joins the threads that are no daemons: they count
    _flush()
    if os.getpid() == process:  # a fork of the script may come here before it
        ended()
    _end(module, status)


def _main_module(script: str) -> types.ModuleType:
    """Make the script `__main__`, with all that Python tells of it."""
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=script, __loader__=SourceFileLoader("__main__", script), __builtins__=builtins, __cached__=None
    )
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    sys.modules["__main__"] = module
    sys.argv[:] = [script]
    sys.orig_argv[:] = [sys.executable, "-u", script]
    sys.path[0] = os.path.dirname(os.path.realpath(script))
    return module


def _status(code: object) -> int:
    """Say what `sys.exit(code)` makes of its argument."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the script has closed or replaced it
            stream.flush()


def _end(module: types.ModuleType, status: int) -> NoReturn:
    """Do what Python does at its end; but not take hundreds of modules apart, which takes longer than most scripts."""
    atexit._run_exitfuncs()
    for name in list(module.__dict__):
        if name != "__builtins__":
            module.__dict__[name] = None  # files are flushed and closed, __del__ is called
    gc.collect()
    _flush()
    ctypes.CDLL(None).fflush(None)
    if status == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def tell(ended: int, noted: int) -> None:
    """Tell the supervisor that the main module has ended, and wait until it has noted how much was printed so far."""
    try:
        os.write(ended, b".")
        os.read(noted, 1)
    except OSError:  # the script has closed or used the pipe, to no one's harm but its own
        return


if __name__ == "__main__":
    path, *pipes = sys.argv[1:]
    ended_pipe, noted_pipe = map(int, pipes)
    for pipe in (ended_pipe, noted_pipe):
        os.set_inheritable(pipe, False)
    if sys.platform == "linux":
        import title  # type: ignore[import-not-found]  # beside this file

        title.show_as([sys.executable, "-u", path])
        del sys.modules["title"]
    run(path, lambda: tell(ended_pipe, noted_pipe))
