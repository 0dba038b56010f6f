"""What a process gives up for good, for itself and all that it starts: privileges, files, sockets, resources."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

from . import kernel
from .view import layout

if TYPE_CHECKING:
    from .policy import Policy

# Landlock's rights, as bits. https://docs.kernel.org/userspace-api/landlock.html
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = 1, 2, 4, 8, 1 << 5, 1 << 8, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
"""Rights over files by the version of Landlock that brought them; those that concern devices only are left out."""
TCP = 3
SCOPES = 3
"""No abstract socket of, and no signal to, a process outside."""
FOLDER_ONLY = READ_DIR | (RIGHTS[2] & ~(EXECUTE | WRITE_FILE | READ_FILE))

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
EACCES, ENOSYS = 13, 38
SOCKET_CALL = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By machine: the architecture as seccomp names it, and the number of socket(2)."""
IO_URING_SETUP, FOREIGN_CALLS = 425, 0x40000000


def restrict(policy: Policy) -> None:
    """Give up all that a script has no use for. Can't be undone; raises OSError where the kernel refuses."""
    with suppress(OSError):
        kernel.write("/proc/self/oom_score_adj", "1000")  # when memory runs out, it is the script that has to go
    if policy.uid is not None:
        become(policy.uid)
    bound(policy)
    if policy.mechanism == "none":
        return
    with suppress(OSError):
        kernel.syscall("keyctl", kernel.KEYCTL_JOIN_SESSION_KEYRING, 0)  # the user's keys stay behind
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    try:
        guard_files(policy)
    except OSError:
        if policy.mechanism == "landlock":
            raise
    try:
        guard_sockets(internet=policy.allow_network or policy.mechanism != "landlock")
    except OSError:
        if policy.mechanism == "landlock":
            raise
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # changing the user turned it off: /proc/self would be unreadable


def become(uid: int) -> None:
    """Turn from root into a user without privileges, one whose processes are counted by themselves."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    with suppress(OSError):
        own_user_namespace()


def own_user_namespace(more: int = 0) -> None:
    """Enter a new user namespace as who we are; the limit of processes counts those in it alone.

    `more` are further namespaces to enter with it.
    """
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | more)
    kernel.write("/proc/self/setgroups", "deny")
    kernel.write("/proc/self/uid_map", f"{uid} {uid} 1")
    kernel.write("/proc/self/gid_map", f"{gid} {gid} 1")


def bound(policy: Policy) -> None:
    """Set the limits that the kernel keeps for each process.

    The address space gets a generous bound only: libraries reserve much more than they use, and OpenBLAS spins for
    ever where it may not. What the script really uses is watched from outside.
    """
    limits = {
        resource.RLIMIT_CORE: 1,  # 0 would still feed a core dump to a program; 1 never does
        resource.RLIMIT_FSIZE: policy.disk,
        resource.RLIMIT_AS: 4 * policy.memory + (64 << 30),
    }
    if policy.mechanism in ("namespaces", "bubblewrap") or policy.uid is not None:
        limits[resource.RLIMIT_NPROC] = policy.processes
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (value, value))


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def landlock_version() -> int:
    """Ask the kernel for its version of Landlock; 0 without."""
    try:
        return kernel.syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def guard_files(policy: Policy) -> None:
    """Let Landlock refuse all files but those of the view."""
    version = landlock_version()
    if not version:
        raise OSError(ENOSYS, "the kernel has no Landlock")
    files = RIGHTS[min(version, 3)]
    net = TCP if version >= 4 and not policy.allow_network else 0
    rules = _Ruleset(files, net, SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = kernel.syscall("landlock_create_ruleset", ctypes.byref(rules), size, 0)
    try:
        for path, rights in grants(policy, files):
            _allow(ruleset, path, rights & files)
        kernel.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def grants(policy: Policy, everything: int) -> list[tuple[str, int]]:
    """List what may be done where."""
    if policy.mechanism != "landlock":  # the view shows nothing else
        found = [("/", READ), ("/dev/shm", everything), ("/tmp", everything), ("/var/tmp", everything)]
    else:
        # Without the right to list /dev/shm, which is everybody's: joblib and multiprocessing need no more.
        found = [("/proc", READ), ("/dev/shm", READ_FILE | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE)]
    for part in layout(policy):
        if part.kind == "write":
            found.append((part.path, everything))
        elif part.kind == "device":
            found.append((part.path, READ_FILE | WRITE_FILE | READ_DIR))
        elif part.kind == "read" and policy.mechanism == "landlock":
            found += _without(part.path, policy.hidden)
    return found


def _without(path: str, hidden: tuple[str, ...]) -> list[tuple[str, int]]:
    """Grant a path, but not what is hidden in it: a rule holds for all below, so then its other entries are granted."""
    if path in hidden:
        return []
    if not any(name.startswith(path + "/") for name in hidden):
        return [(path, READ)]
    return [(path, READ_DIR)] + [rule for name in os.listdir(path) for rule in _without(f"{path}/{name}", hidden)]


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there
    try:
        if not os.path.isdir(path):
            rights &= ~FOLDER_ONLY
        rule = _PathRule(rights, place)
        kernel.syscall("landlock_add_rule", ruleset, 1, ctypes.byref(rule), 0, about=path)
    finally:
        os.close(place)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def guard_sockets(internet: bool) -> None:
    """Let seccomp refuse sockets of all families but Unix, netlink and, perhaps, the internet's.

    Network namespaces do not hold every family (AF_VSOCK leads out of a virtual machine), and Landlock knows TCP only.
    """
    if kernel.MACHINE not in SOCKET_CALL:
        raise OSError(ENOSYS, f"no filter of sockets for {kernel.MACHINE}")
    architecture, socket_call = SOCKET_CALL[kernel.MACHINE]
    families = [AF_UNIX, AF_NETLINK, *([AF_INET, AF_INET6] if internet else [])]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    count = len(families)
    program = [
        (load, 0, 0, 4),  # the architecture: another one's calls have other numbers
        (equal, 1, 0, architecture),
        (give, 0, 0, refuse | ENOSYS),
        (load, 0, 0, 0),  # the call
        (at_least, 1, 0, FOREIGN_CALLS),
        (equal, 0, 1, IO_URING_SETUP),  # it makes sockets too
        (give, 0, 0, refuse | ENOSYS),
        (equal, 1, 0, socket_call),
        (give, 0, 0, allow),
        (load, 0, 0, 16),  # its first argument
        *((equal, count - index, 0, family) for index, family in enumerate(families)),
        (give, 0, 0, refuse | EACCES),
        (give, 0, 0, allow),
    ]
    instructions = (_Instruction * len(program))(*(_Instruction(*words) for words in program))
    record = _Program(len(program), instructions)
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.addressof(record))
