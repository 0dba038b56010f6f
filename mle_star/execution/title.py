"""What `ps` and `/proc/self/cmdline` show of a process, changed while it runs. Linux only; best effort."""

import ctypes
import os

PR_SET_MM, PR_SET_MM_MAP = 35, 14
FIELDS = ("start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack",
          "arg_start", "arg_end", "env_start", "env_end", "auxv")  # fmt: skip
PLACES = {"start_code": 26, "end_code": 27, "start_stack": 28, "start_data": 45, "end_data": 46, "start_brk": 47,
          "env_start": 50, "env_end": 51}  # fmt: skip
"""Where they stand in /proc/self/stat, from 1."""


class _Map(ctypes.Structure):
    """`struct prctl_mm_map`: where the kernel looks for the parts of a process."""

    _fields_ = (*((name, ctypes.c_uint64) for name in FIELDS), ("auxv_size", ctypes.c_uint32), ("exe", ctypes.c_int32))


def show_as(arguments: list[str]) -> None:
    """Have this process shown with other arguments; the kernel may refuse, which does no harm."""
    text = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        values = file.read().rpartition(b")")[2].split()
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    kept = ctypes.create_string_buffer(text, len(text))
    start = ctypes.addressof(kept)
    known = {name: int(values[place - 3]) for name, place in PLACES.items()}
    layout = _Map(**known, brk=libc.sbrk(0), arg_start=start, arg_end=start + len(text), exe=-1)
    if libc.prctl(PR_SET_MM, PR_SET_MM_MAP, ctypes.byref(layout), ctypes.sizeof(layout), 0) == 0:
        _buffers.append(kept)


_buffers: list[object] = []
"""What the kernel reads when asked must stay where it is."""
