"""What a script's process does before it becomes the script.

`settle` is done by every process that is about to become one: this file's own, which is run as
`python -I -S launch.py ORDER` and executes the interpreter anew for the script, and the fork server's children. Only
the standard library, and little of it: each import here is paid for at every fresh process.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1


def settle(cores: Iterable[int]) -> None:
    """Have the kernel kill this process when its parent dies, and take the script's share of the cores.

    A shell that starts us in the background has keys' signals ignored, which is inherited: not by a script.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cores:
            os.sched_setaffinity(0, set(cores))


def main() -> None:
    """Prepare the process, contain it, and replace it."""
    text, *inside = sys.argv[1:]
    order = json.loads(text)
    if not inside:
        settle(order["cores"])
    sys.path.insert(0, HERE)
    from isolation import contain  # type: ignore[import-not-found]

    policy: Any = SimpleNamespace(**order["policy"])
    script = contain.enter(policy, *map(json.loads, inside))
    for pipe in script:
        os.set_inheritable(pipe, True)
    command = [sys.executable, "-u", f"{HERE}/main.py", policy.script, *map(str, script)]
    os.execv(sys.executable, command)  # noqa: S606 - the script is what we are here for


if __name__ == "__main__":
    main()
