"""System calls that Python has no function for, through ctypes. Linux only; each raises OSError."""

from __future__ import annotations

import ctypes
import os
from typing import Any

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_SLAVE = 0x2, 0x4, 0x8, 0x4000, 0x80000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_IDMAP = 0x1, 0x2, 0x4, 0x00100000
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = 1, 4
KEYCTL_JOIN_SESSION_KEYRING = 1
LAST_CAPABILITY = 63
MACHINE = os.uname().machine
NUMBERS = {  # those that differ between architectures; what is newer is the same everywhere
    "x86_64": {"pivot_root": 155, "keyctl": 250},
    "aarch64": {"pivot_root": 41, "keyctl": 219},
}.get(MACHINE, {})
NUMBERS |= {"open_tree": 428, "move_mount": 429, "mount_setattr": 442, "landlock_create_ruleset": 444,
            "landlock_add_rule": 445, "landlock_restrict_self": 446}  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)


def _checked(name: str, result: int, about: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}", about or None)
    return result


def syscall(name: str, *arguments: Any, about: str = "") -> int:
    """Call the kernel by a call's name; integers go as longs, bytes and structures as pointers."""
    if name not in NUMBERS:
        raise OSError(38, f"{name}: not known on {MACHINE}")
    given = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(name, libc.syscall(ctypes.c_long(NUMBERS[name]), *given), about)


def prctl(option: int, *arguments: int) -> int:
    """Change this process's own state."""
    given = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked("prctl", libc.prctl(option, *given))


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` names for new ones."""
    _checked("unshare", libc.unshare(flags))


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    """Mount a new file system, or change how a mount propagates."""
    source = kind.encode() or None
    result = libc.mount(source, os.fsencode(target), source, ctypes.c_ulong(flags), options.encode() or None)
    _checked("mount", result, target)


def enter_root(folder: str) -> None:
    """Make a mounted folder the root, and let go of the old one."""
    os.chdir(folder)
    syscall("pivot_root", b".", b".")
    _checked("umount2", libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


class MountAttributes(ctypes.Structure):
    """The kernel's `struct mount_attr`."""

    _fields_ = (("set", ctypes.c_uint64), ("clear", ctypes.c_uint64),
                ("propagation", ctypes.c_uint64), ("userns", ctypes.c_uint64))  # fmt: skip


def change_mount(tree: int, attributes: int, userns: int = 0, path: str = "", flags: int = AT_RECURSIVE) -> None:
    """Set a mount's attributes, and those of the mounts below it."""
    record = MountAttributes(attributes, 0, 0, userns)
    flags |= 0 if path else AT_EMPTY_PATH
    syscall("mount_setattr", tree, os.fsencode(path), flags, ctypes.byref(record), ctypes.sizeof(record), about=path)


def clone_tree(path: str) -> int:
    """Copy the mounts from a path downwards; returns a descriptor that `attach` takes."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | os.O_CLOEXEC
    return syscall("open_tree", AT_FDCWD, os.fsencode(path), flags, about=path)


def attach(tree: int, target: str) -> None:
    """Mount what `clone_tree` copied."""
    syscall("move_mount", tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH, about=target)
    os.close(tree)


def drop_capabilities() -> None:
    """Give up every privilege, for this process and all that it starts."""
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)  # not ours to drop without CAP_SETPCAP
    libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _checked("capset", libc.capset(header, (ctypes.c_uint32 * 6)()))


def write(path: str, text: str) -> None:
    """Tell the kernel something through one of its files, in one write."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
