"""Weights in huge pages: a language model reads all of them for every token.

In pages of 4 KiB a processor looks up an address every few cache lines, and of more pages than it
remembers where weights are larger than a few megabytes. Linux 6.1 moves memory into pages of 2 MiB
when it is asked to (MADV_COLLAPSE, see madvise(2)). Where it does not, nothing changes.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAPS = Path("/proc/self/maps")
SIZE = 2**21  # bytes of a huge page
_COLLAPSE = 25  # which neither Python nor all C libraries name yet


@contextmanager
def huge_pages() -> Iterator[None]:
    """Move what is allocated meanwhile into huge pages, as far as it fills any.

    Example:
        >>> with huge_pages():
        ...     weights = bytearray(2**24)
    """
    before = set(_places())
    yield
    new = [place for place in _places() if place not in before]
    if not new:
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for place in new:
        madvise(place, SIZE, _COLLAPSE)  # what cannot be moved, or is gone by now, is left alone


def _places() -> Iterator[int]:
    """Yield where huge pages could begin in the memory that belongs to no file."""
    lines = MAPS.read_text().splitlines() if MAPS.is_file() else []
    for line in lines:
        span, rights, _, _, inode, *name = line.split()
        if rights == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            begin, end = (int(address, 16) for address in span.split("-"))
            yield from range(-(-begin // SIZE) * SIZE, end - SIZE + 1, SIZE)
