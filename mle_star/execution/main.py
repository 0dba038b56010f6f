"""Run a script as `__main__` in a process that is Python already, as `python -u script.py` would have run it.

Only the standard library, and little of it: the fork server's children import nothing more than it did.
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
    module = _main_module(script)
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
    sys.path[0] = os.path.dirname(os.path.realpath(script))  # noqa: PTH120
    return module


def _status(code: object) -> int:
    """Say what `sys.exit(code)` makes of its argument."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _end(module: types.ModuleType, status: int) -> NoReturn:
    """Do what Python does at its end; but not take hundreds of modules apart, which takes longer than most scripts."""
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # joins the threads that are no daemons
    atexit._run_exitfuncs()
    for name in list(module.__dict__):
        if name != "__builtins__":
            module.__dict__[name] = None  # files are flushed and closed, __del__ is called
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    ctypes.CDLL(None).fflush(None)
    if status == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)
