"""What a script's process does before it becomes the script.

`settle` is done by every process that is about to become one: this file's own, which is run as
`python -I -S launch.py ORDER` and replaces itself by Python with the script, and the fork server's children. Only the
standard library, and little of it: each import here is paid for at every fresh process.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable

PR_SET_PDEATHSIG = 1


def settle(cores: Iterable[int]) -> None:
    """Have the kernel kill this process when its parent dies, and take the script's share of the cores.

    This is the place to contain the script too: what comes after is written by a model.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cores:
            os.sched_setaffinity(0, set(cores))


def main() -> None:
    """Prepare the process, then replace it, so that tracebacks, `__file__` and `sys.argv` are the script's own."""
    order = json.loads(sys.argv[1])
    settle(order["cores"])
    os.execv(sys.executable, [sys.executable, "-u", order["script"]])  # noqa: S606 - the script is what we are here for


if __name__ == "__main__":
    main()
