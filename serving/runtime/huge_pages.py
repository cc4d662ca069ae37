"""Weights in huge pages: a language model reads all of them for every token.

In pages of 4 KiB a processor looks up an address every few cache lines, and of more pages than it
remembers where weights are larger than a few megabytes. Linux 6.1 moves memory into pages of 2 MiB
when it is asked to (MADV_COLLAPSE, see madvise(2)). Where it does not, nothing changes.
"""

import ctypes
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from mmap import PAGESIZE
from pathlib import Path

MAPS = Path("/proc/self/maps")
SIZE = 2**21  # bytes of a huge page
LEAST = 0.5  # of a huge page that is in use before
_COLLAPSE = 25  # which neither Python nor all C libraries name yet


@contextmanager
def huge_pages() -> Iterator[threading.Thread]:
    """Have what is allocated meanwhile moved into huge pages, as far as it fills any.

    That takes a third of a second for 100 MB, which nobody waits for: the thread that is given does
    it after the block.

    Example:
        >>> with huge_pages() as moving:
        ...     weights = bytearray(2**24)
        >>> moving.join()
    """
    before = set(_places())
    moving = threading.Thread(target=_move, args=(before,), name="huge-pages", daemon=True)
    yield moving
    moving.start()


def _move(before: Container[int]) -> None:
    """Move what lies in places that did not exist before."""
    new = [place for place in _places() if place not in before]
    if not new:
        return
    library = ctypes.CDLL(None)
    span = (ctypes.c_void_p, ctypes.c_size_t)
    library.madvise.argtypes = (*span, ctypes.c_int)
    library.mincore.argtypes = (*span, ctypes.c_char_p)
    for place in new:
        # What was freed would take memory again.
        if _share_in_use(library, place) >= LEAST:
            # What cannot be moved, or is gone by now, is left alone.
            library.madvise(place, SIZE, _COLLAPSE)


def _share_in_use(library: ctypes.CDLL, place: int) -> float:
    """Return how much of a place has memory; 0 where nobody can tell."""
    pages = ctypes.create_string_buffer(SIZE // PAGESIZE)
    if library.mincore(place, SIZE, pages):
        return 0.0
    return sum(page & 1 for page in pages.raw) / len(pages.raw)


def _places() -> Iterator[int]:
    """Yield where huge pages could begin in the memory that belongs to no file."""
    lines = MAPS.read_text().splitlines() if MAPS.is_file() else []
    for line in lines:
        span, rights, _, _, inode, *name = line.split()
        if rights == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            begin, end = (int(address, 16) for address in span.split("-"))
            yield from range(-(-begin // SIZE) * SIZE, end - SIZE + 1, SIZE)
