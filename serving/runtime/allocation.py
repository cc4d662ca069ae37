"""Memory that is freed while a graph is loaded goes back to the system, and is not held in reserve.

A graph of 100 MB is read, unpacked and packed again tensor by tensor, and what is freed on the way
is as much again. The GNU C library keeps freed memory between what is in use: it gives large pieces
back, but takes for large what is larger than the largest one freed so far. So that is settled while
a graph is loaded (mallopt(3), M_MMAP_THRESHOLD), and then set to what it would have grown to.
Other C libraries, and processes whose environment settles it, are left alone.

Small pieces are not given back so: each would lie apart, with gaps between them where no huge page
fits (`serving.runtime.huge_pages`). With matrices of less than 2 MB each, 135 million parameters in
4 bits wrote a sixth fewer tokens a second, for 60 MB less in the midst of loading.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # the options of mallopt(3)
_LARGE = 2**22  # bytes of a piece that is given back when it is freed; smaller ones fill huge pages
_GROWN = 2**25  # where the threshold stops to grow
_SETTLED = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@contextmanager
def giving_back() -> Iterator[None]:
    """Give back at once what is freed meanwhile.

    Example:
        >>> with giving_back():
        ...     weights = bytearray(2**24)
    """
    library: Any = ctypes.CDLL(None) if os.name == "posix" else None
    settle = getattr(library, "mallopt", None)
    if settle is None or any(name in os.environ for name in _SETTLED):
        yield
        return
    settle(_THRESHOLD, _LARGE)
    try:
        yield
    finally:
        settle(_THRESHOLD, _GROWN)
        settle(_TRIM_THRESHOLD, 2 * _GROWN)
        library.malloc_trim(0)
