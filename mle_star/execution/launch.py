"""What a script's process does before it becomes the script: run as `python -I -S launch.py CPUS POLICY`.

It asks the kernel to kill the process when ours dies, takes its share of the cores, is contained, and executes the
interpreter anew for the script, with `main.py` to run it. Only the standard library, and little of it: each import
here is paid for at every script.
"""

import ctypes
import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Prepare the process, then replace it."""
    cpus, text, *inside = sys.argv[1:]
    if sys.platform == "linux" and not inside:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    sys.path.insert(0, HERE)
    from isolation import contain  # type: ignore[import-not-found]

    policy: Any = SimpleNamespace(**json.loads(text))
    script = contain.enter(policy, *map(json.loads, inside))
    for pipe in script:
        os.set_inheritable(pipe, True)
    command = [sys.executable, "-u", f"{HERE}/main.py", policy.script, *map(str, script)]
    os.execv(sys.executable, command)  # noqa: S606 - the script is what we are here for


if __name__ == "__main__":
    main()
