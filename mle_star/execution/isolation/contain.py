"""Containment, entered by the process that is about to become the script.

`enter` splits the process in three. The *supervisor* is the one that called: it stays outside, keeps the script's
report, and ends everything when it is told to or when its parent dies. The *init* is the first process inside: it
builds the view, gives up all privileges and collects what dies. The *script* is where `enter` returns.

Only the standard library, and little of it: a fresh process pays for every import.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from . import descendants

LINUX = sys.platform == "linux"
if LINUX:
    from . import kernel, restrict, view
if TYPE_CHECKING:
    import socket

    from .policy import Policy

REFUSED = 126
"""The supervisor's exit code when the script could not be contained; the report says why."""


class Channels(NamedTuple):
    """The pipes between the three."""

    status: tuple[int, int]
    """From init to the supervisor: how the script ended, or why it never began."""
    ended: tuple[int, int]
    """From the script to the supervisor: the main module has come to its end."""
    noted: tuple[int, int]
    """And back: the supervisor has noted it."""

    @classmethod
    def open(cls) -> Channels:
        """Make them."""
        return cls(os.pipe(), os.pipe(), os.pipe())


class Script(NamedTuple):
    """What the process that becomes the script holds, for `main.tell`."""

    ended: int
    noted: int


def enter(policy: Policy, inside: list[list[int]] | None = None, listener: socket.socket | None = None) -> Script:
    """Contain this process and all that it starts; returns in the process that becomes the script.

    Must be called while the process has one thread. Its standard output has to be the script's log. `inside` is
    given by the part of it that bubblewrap starts again. The supervisor tells the `listener` how the script ended
    before it ends itself, which takes a large process a while.
    """
    if inside is not None:
        channels = Channels(*((first, second) for first, second in inside))
        return _init(policy, channels)
    report = os.open(policy.report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    channels = Channels.open()
    identity = 0
    try:
        if policy.cgroup:  # first: from a control group namespace of its own it might not leave
            kernel.write(f"{policy.cgroup}/cgroup.procs", "0")
        if policy.uid is not None:
            identity = _prepare_for(policy)
        if policy.mechanism == "namespaces":
            _new_namespaces(policy)
    except OSError as error:
        _refuse(report, str(error))
    init = os.fork()
    if init == 0:
        os.close(report)
        if listener:
            listener.close()
        if policy.mechanism == "bubblewrap":
            from .bubblewrap import execute

            execute(policy, channels)
        return _init(policy, channels, identity)
    _supervise(init, channels, report, listener)


def share(policy: Policy) -> None:
    """Make what all scripts need, in the process that they are forked from, instead of once in each of them."""
    if policy.uid is not None and policy.mechanism == "namespaces":
        with suppress(OSError):
            view.identity_of(policy.uid)


def _prepare_for(policy: Policy) -> int:
    """Let an unprivileged user write the working folder, although we are root."""
    assert policy.uid is not None
    if policy.mechanism == "namespaces":
        with suppress(OSError):
            return view.identity_of(policy.uid)
    for folder, names, files in os.walk(policy.workdir):
        for name in (folder, *(os.path.join(folder, name) for name in (*names, *files))):
            os.lchown(name, policy.uid, policy.uid)
    return 0


def _new_namespaces(policy: Policy) -> None:
    flags = kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
    flags |= 0 if policy.allow_network else kernel.CLONE_NEWNET
    if policy.uid is None:
        restrict.own_user_namespace(flags)
    else:
        kernel.unshare(flags)


def _init(policy: Policy, channels: Channels, identity: int = 0) -> Script:
    """Be the first process inside; returns in the script's."""
    try:
        if LINUX:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            if policy.mechanism == "namespaces":
                view.build(policy, identity)
            if policy.mechanism != "landlock":
                restrict.restrict(policy)
                kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user has undone it
        script = os.fork()
        if LINUX and script:
            kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # the script can't trace us
        elif LINUX:
            if policy.mechanism == "landlock":  # only now: it holds signals to us, who are not in it
                restrict.restrict(policy)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    except BaseException as error:
        os.write(channels.status[1], f"!{error}".encode())
        os._exit(REFUSED)
    if script:
        _close(*channels.ended, *channels.noted, channels.status[0])
        os.write(channels.status[1], str(_collect(script)).encode())
        os._exit(0)
    _close(*channels.status, channels.ended[0], channels.noted[1])
    os.setsid()
    return Script(channels.ended[1], channels.noted[0])


def _close(*ends: int) -> None:
    for end in ends:
        if end >= 0:
            os.close(end)


def _collect(script: int) -> int:
    """Collect what dies until the script does; gives its wait status."""
    while True:
        pid, status = os.wait()
        if pid == script:
            return status


def _supervise(init: int, channels: Channels, report: int, listener: socket.socket | None) -> NoReturn:
    """Wait for the script, write the report, leave nothing alive, and end as the script ended."""
    _close(channels.status[1], channels.ended[1], channels.noted[0])
    if LINUX:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)  # what escapes from its parent becomes our child
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _end_at_once)
    status, ended, noted = channels.status[0], channels.ended[0], channels.noted[1]
    facts: dict[str, object] = {}
    watched = [status, ended]
    while status in watched:
        for end in select.select(watched, [], [])[0]:
            told = os.read(end, 4096)
            if end == ended:
                watched.remove(ended)
                if told:
                    facts["main_ended_at"] = os.fstat(1).st_size
                    with suppress(OSError):
                        os.write(noted, b".")
            elif end == status:
                watched.remove(status)
                facts["told"] = told.decode(errors="replace")
    _, own = os.waitpid(init, 0)
    descendants.end_all()
    answer = str(facts.pop("told", ""))
    if answer.startswith("!"):
        _refuse(report, answer[1:])
    os.write(report, json.dumps(facts).encode())
    code = os.waitstatus_to_exitcode(int(answer) if answer.isdecimal() else own)
    if listener:
        with suppress(OSError):
            listener.sendall(json.dumps({"status": code}).encode())
    _end_with(code)


def _refuse(report: int, problem: str) -> NoReturn:
    os.write(report, json.dumps({"refused": problem}).encode())
    os._exit(REFUSED)


def _end_at_once(_number: int, _frame: object) -> NoReturn:
    descendants.end_all()
    os._exit(128 + signal.SIGTERM)


def _end_with(code: int) -> NoReturn:
    """End with an exit code, or by the signal that it stands for when it is negative."""
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        signal.pause()
    os._exit(code)
