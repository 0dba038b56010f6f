"""What a script's process does before it becomes the script: run as `python -I -S launch.py CPUS SCRIPT`.

It asks the kernel to kill the process when ours dies, takes its share of the cores, and executes the script in its
place, so that tracebacks, `__file__` and `sys.argv` are the script's own. Only the standard library, and little of it:
each import here is paid for at every script.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Prepare the process, then replace it."""
    cpus, script = sys.argv[1], sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    os.execv(sys.executable, [sys.executable, "-u", script])  # noqa: S606 - the script is what we are here for


if __name__ == "__main__":
    main()
