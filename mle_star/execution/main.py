"""Runs a script as `__main__`, in the interpreter that it has to itself: `python -u main.py SCRIPT ENDED NOTED`.

To the script it looks as if it had been given to `python` by itself. What is added: when the main module has come to
its end, that is told to the supervisor before any `atexit` handler runs, so that no line printed by one passes for
the score.
"""

import os
import sys
from collections.abc import Callable
from types import TracebackType


def run_as_main(path: str, ended: Callable[[], object]) -> None:
    """Run a script as `python path` would, and say when its main module has ended, however it did.

    Raises:
        SystemExit: The script left, or failed; its traceback is printed then, without our lines.
    """
    process = os.getpid()
    module = type(sys)("__main__")
    module.__file__ = path
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    sys.argv[:] = [path]
    sys.path[0] = os.path.dirname(path)
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - the script is what we are here for
        _wait_for_threads()
    except SystemExit:
        raise
    except BaseException as error:
        sys.excepthook(type(error), error, _below(error.__traceback__, path))
        sys.exit(1)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):  # the script has closed or replaced it
                continue
        if os.getpid() == process:  # a fork of the script may come here before it
            ended()


def _wait_for_threads() -> None:
    """Wait for the script's threads, as the interpreter would after the main module: what they print counts."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()


def _below(trace: TracebackType | None, path: str) -> TracebackType | None:
    """Leave out the frames above the script's own."""
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    return trace


def tell(ended: int, noted: int) -> None:
    """Tell the supervisor that the main module has ended, and wait until it has noted how much was printed so far."""
    try:
        os.write(ended, b".")
        os.read(noted, 1)
    except OSError:  # the script has closed or used the pipe, to no one's harm but its own
        return


if __name__ == "__main__":
    script, *pipes = sys.argv[1:]
    ended_pipe, noted_pipe = map(int, pipes)
    for pipe in (ended_pipe, noted_pipe):
        os.set_inheritable(pipe, False)
    run_as_main(script, lambda: tell(ended_pipe, noted_pipe))
