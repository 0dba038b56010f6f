"""The files that a script sees: nothing but what is listed here.

`layout` is the list; the namespaces mount it, bubblewrap is told it, and Landlock takes its rules from it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from . import kernel

if TYPE_CHECKING:
    from .policy import Policy

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/sys", "/nix/store",
          "/gnu/store")  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
GPU_DEVICES = ("nvidia", "dri", "kfd", "dxg")
"""How the names of the GPUs' devices begin."""
IN_MEMORY = ("/dev/shm", "/tmp", "/var/tmp")
SHARE_IN_MEMORY = 0.5
"""Of the script's memory, for what it puts into /dev/shm, and as much for /tmp."""


class Part(NamedTuple):
    """One path of the view."""

    kind: str
    """`read`, `write`, `device`, `link`, `empty` (a folder or file that is hidden) or `memory`."""
    path: str
    source: str = ""


def layout(policy: Policy) -> list[Part]:
    """List the view's parts, outer before inner."""
    parts = [Part("link", path, os.readlink(path)) for path in SYSTEM if os.path.islink(path)]
    parts += [Part("read", path) for path in SYSTEM if os.path.isdir(path) and not os.path.islink(path)]
    if policy.allow_network and os.path.exists(resolver := os.path.realpath("/etc/resolv.conf")):
        parts.append(Part("read", resolver))
    parts += [Part("device", f"/dev/{name}") for name in DEVICES if os.path.exists(f"/dev/{name}")]
    parts += [Part("device", path) for path in gpu_devices()]
    parts += [Part("memory", path) for path in IN_MEMORY]
    parts += [Part("read", path) for path in policy.readable if os.path.exists(path)]
    parts += [Part("empty", path) for path in policy.hidden if os.path.exists(path)]
    parts.append(Part("write", policy.workdir))
    return [part for part in sorted(parts, key=lambda part: part.path.count("/")) if _counts(part, parts)]


def gpu_devices() -> Iterator[str]:
    """List the devices of the GPUs."""
    for name in os.listdir("/dev"):
        if name.startswith(GPU_DEVICES):
            yield f"/dev/{name}"


def _counts(part: Part, parts: list[Part]) -> bool:
    """Leave out what is readable with the folder around it anyway, and what there is nothing to hide from."""
    if part.kind not in ("read", "empty"):
        return True
    above = [other for other in parts if other.kind != "link" and part.path.startswith(other.path + "/")]
    readable = bool(above) and max(above, key=lambda other: len(other.path)).kind == "read"
    return readable if part.kind == "empty" else not readable


@cache
def identity_of(uid: int) -> int:
    """Make a user namespace under which our files on disk look as if they were the user `uid`'s.

    One does for this process and all that it forks. Mounted with the descriptor that it gives, a folder of ours can be
    written by an unprivileged user, and what that user writes is ours.
    """
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER)
            os.write(told, b"+")
            signal.pause()
        finally:
            os._exit(1)
    os.close(told)
    try:
        if not os.read(ready, 1):
            raise OSError(1, "no user namespace can be made")
        for name in ("uid_map", "gid_map"):
            kernel.write(f"/proc/{child}/{name}", f"0 {uid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def build(policy: Policy, identity: int = 0) -> None:
    """Mount the view in a mount namespace of our own and make it the root. Needs a process namespace of our own.

    `identity` is what `identity_of` gave.
    """
    kernel.unshare(kernel.CLONE_NEWNS)  # not earlier: the supervisor has to see the machine's processes
    kernel.mount("", "/", kernel.MS_REC | kernel.MS_SLAVE)
    parts = layout(policy)
    private = {*policy.readable, policy.workdir}
    trees = {
        part.path: _tree(part, identity if part.path in private else 0)
        for part in parts
        if part.kind in ("read", "write", "device")
    }
    root = policy.workdir  # any folder does to build on: the copies of the mounts are made already
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", root, quiet, "mode=755,size=16m")
    for part in parts:
        target = root + part.path
        if part.kind == "link":
            os.symlink(part.source, target)
        elif part.kind == "memory":
            os.makedirs(target, exist_ok=True)
            kernel.mount("tmpfs", target, quiet, f"mode=1777,size={int(policy.memory * SHARE_IN_MEMORY)}")
        elif part.kind == "empty" and os.path.isdir(part.path):
            kernel.mount("tmpfs", target, quiet, "mode=755,size=16m")
        elif part.kind == "empty":
            kernel.attach(_tree(Part("read", "/dev/null"), 0), target)
        else:
            _make_place(target, os.path.isdir(part.path))
            kernel.attach(trees[part.path], target)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2")):  # fmt: skip
        os.symlink(target, f"{root}/dev/{name}")
    os.makedirs(f"{root}/proc", exist_ok=True)
    os.makedirs(f"{root}/run", exist_ok=True)
    kernel.mount("proc", f"{root}/proc", quiet | kernel.MS_NOEXEC)
    kernel.enter_root(root)
    kernel.change_mount(kernel.AT_FDCWD, kernel.MOUNT_ATTR_RDONLY, path="/", flags=0)
    os.chdir(policy.workdir)
    if identity:
        os.close(identity)


def _tree(part: Part, identity: int) -> int:
    """Copy a path's mounts, with what may be done there."""
    tree = kernel.clone_tree(part.path)
    if identity:
        try:
            kernel.change_mount(tree, kernel.MOUNT_ATTR_IDMAP, identity, flags=0)
        except OSError:  # this file system can't: then it is as the file modes have it
            os.close(tree)
            tree = kernel.clone_tree(part.path)
    attributes = kernel.MOUNT_ATTR_NOSUID
    if part.kind != "device":
        attributes |= kernel.MOUNT_ATTR_NODEV
    if part.kind == "read":
        attributes |= kernel.MOUNT_ATTR_RDONLY
    kernel.change_mount(tree, attributes)
    return tree


def _make_place(target: str, folder: bool) -> None:
    if os.path.lexists(target):
        return
    if folder:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
