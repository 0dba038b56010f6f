"""The first process of a script's container: `python -u inside.py SCRIPT MARKER DISK SECONDS`. It becomes its parent.

When the main module has come to its end, the marker is printed, before any `atexit` handler runs: what follows it in
the output can't be the score. A script that prints the marker itself does so to no one's harm but its own.

After so many seconds the container ends by itself: whoever should have stopped it is gone.

Only the standard library: the image need not hold anything of ours.
"""

import os
import resource
import signal
import sys
from contextlib import suppress

INIT_PASSES_ON = 128
"""As a shell does: the exit code of what was killed by a signal is that much more than the signal's number."""


def main() -> None:
    """Fork the script and end as it ended; what it leaves running dies with us."""
    path, marker, disk, seconds = sys.argv[1:]
    signal.signal(signal.SIGALRM, lambda *_: os._exit(INIT_PASSES_ON + signal.SIGKILL))
    signal.alarm(int(seconds))  # it is ours alone: a child does not inherit it
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, int(disk))):
        with suppress(OSError, ValueError):  # the engine allows less already
            resource.setrlimit(kind, (most, most))
    os.dup2(1, 2)  # one stream, in one order
    script = os.fork()
    if script == 0:
        import main as runner  # type: ignore[import-not-found]  # beside this file

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        del sys.modules["main"]
        sys.modules.pop("__mp_main__", None)
        runner.run(path, lambda: os.write(1, marker.encode()) and None)
    while True:
        pid, status = os.wait()
        if pid == script:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else INIT_PASSES_ON - code)


if __name__ == "__main__":
    main()
