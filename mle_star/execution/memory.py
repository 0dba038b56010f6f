"""The fork server's memory, made ready to be shared with its children.

A child shares all pages with the server until it writes to one, which is then copied. Two things make that dear, and
are mended here, once, after all that is wanted has been imported:

- What was freed during the imports leaves gaps all over the memory. A child would put its own objects there, and copy
  a page for every few of them. So the gaps are filled, and its objects come to lie in pages of their own.
- A fork copies the page tables of all memory that was written, and a child's end takes them down. There is less of
  them where one huge page stands for 512. What a child writes to is copied in small pages all the same.

Only the standard library: the fork server imports it.
"""

import ctypes
from collections.abc import Callable, Iterator

MADV_COLLAPSE = 25
HUGE = 1 << 21
SMALL = range(16, 513, 16)
"""Sizes of the blocks that Python hands out itself."""
LARGE = [1 << power for power in range(16, 4, -1)]
"""Sizes of the blocks that come from the C library, which has gaps of every size: the widest are filled first."""
BYTES_HEADER = 33
"""Of a `bytes` object, its closing zero included."""
_filling: list[object] = []


def settle() -> None:
    """Fill the gaps, then gather the memory in huge pages where the kernel can (Linux 6.1)."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    old = list(_regions())
    for size in SMALL:
        _fill(old, lambda: id(_keep(size)))  # noqa: B023 - called before the next
    for size in LARGE:
        _fill(old, lambda: libc.malloc(size) or 0)  # noqa: B023
    for begin, end in _regions():
        for place in range(-(-begin // HUGE) * HUGE, end // HUGE * HUGE, HUGE):
            libc.madvise(place, HUGE, MADV_COLLAPSE)  # one that can't be leaves the others


def _keep(size: int) -> object:
    """Make an object of a size, to be kept for good."""
    made = object() if size == 16 else 0.5 * size if size == 32 else bytes(size - BYTES_HEADER)
    _filling.append(made)
    return made


def _fill(old: list[tuple[int, int]], take: Callable[[], int]) -> None:
    """Take blocks until one lies outside of the old memory."""
    begin = end = 0
    while True:
        place = take()
        if not begin <= place < end:
            begin, end = next((region for region in old if region[0] <= place < region[1]), (0, 0))
            if not end:
                return


def _regions() -> Iterator[tuple[int, int]]:
    """List the memory that belongs to no file: where it begins and ends."""
    with open("/proc/self/maps") as file:  # noqa: PTH123 - importing pathlib takes longer than this
        for region in map(str.split, file):
            if region[1] == "rw-p" and region[5:] in ([], ["[heap]"]):
                begin, _, end = region[0].partition("-")
                yield int(begin, 16), int(end, 16)
