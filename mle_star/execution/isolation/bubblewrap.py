"""The same view and namespaces, made by bubblewrap: for systems that let it, and nobody else, make them."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from .view import DEVICES, SHARE_IN_MEMORY, layout

if TYPE_CHECKING:
    from .contain import Channels
    from .policy import Policy

PROGRAM = "bwrap"
NEEDED_TO_DROP = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


def execute(policy: Policy, channels: Channels) -> NoReturn:
    """Become bubblewrap, which starts `launch.py` again on the inside."""
    passed = ((-1, channels.status[1]), (-1, channels.ended[1]), (channels.noted[0], -1))
    for end in (channels.status[1], channels.ended[1], channels.noted[0]):
        os.set_inheritable(end, True)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    again = [sys.executable, "-I", "-S", f"{here}/launch.py", *sys.argv[1:], json.dumps(passed)]
    try:
        os.execvp(PROGRAM, [PROGRAM, *arguments(policy), "--", *again])  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(channels.status[1], f"!{PROGRAM}: {error}".encode())
        os._exit(126)


def arguments(policy: Policy) -> list[str]:
    """Say the view in bubblewrap's words."""
    size = str(int(policy.memory * SHARE_IN_MEMORY))
    said = ["--die-with-parent", "--as-pid-1", "--new-session"]
    if policy.uid is None:
        said += ["--unshare-all", *(["--share-net"] if policy.allow_network else [])]
    else:  # not in a user namespace: it would have no other user to become
        said += ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
        said += [] if policy.allow_network else ["--unshare-net"]
        said += [word for name in NEEDED_TO_DROP for word in ("--cap-add", name)]
    said += ["--dev", "/dev", "--proc", "/proc", "--dir", "/run"]
    for part in layout(policy):
        path = part.path
        for folder in _above(path):  # made by bubblewrap itself, one within a closed folder would be closed
            said += ["--perms", "0755", "--dir", folder]
        if part.kind == "link":
            said += ["--symlink", part.source, path]
        elif part.kind == "memory":
            said += ["--perms", "1777", "--size", size, "--tmpfs", path]
        elif part.kind == "empty":
            said += ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]
        elif part.kind == "read":
            said += ["--ro-bind", path, path]
        elif part.kind == "write":
            said += ["--bind", path, path]
        elif os.path.basename(path) not in DEVICES:
            said += ["--dev-bind", path, path]
    return [*said, "--remount-ro", "/", "--chdir", policy.workdir]


def _above(path: str) -> list[str]:
    """List the folders that a path lies in, outermost first."""
    names = path.split("/")
    return ["/".join(names[:length]) for length in range(2, len(names))]
