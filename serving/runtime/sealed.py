"""Checked bytes for ONNX Runtime to read from a file, which takes a third of the memory.

Of bytes that are handed over in memory there are three copies before the first one goes: the
caller's, the binding's and the parsed one. A file is parsed piece by piece. But a file on disk may
be altered between the check and the reading, so this one has no name and lies in memory, and Linux
lets nobody write to it any more (memfd_create(2), F_SEAL_WRITE in fcntl(2)).
"""

import io
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from serving.graphs.protobuf import Bytes


class Sealed:
    """A file in memory that nobody can alter; it is gone with this object.

    Args:
        number: of a file of memory that may be sealed, whose content is written here.
        fill: writes it.

    Attributes:
        path: by which this process, and no other, can open it.
    """

    def __init__(self, number: int, fill: Callable[[BinaryIO], object]) -> None:
        import fcntl

        weakref.finalize(self, os.close, number)
        with open(number, "wb", closefd=False) as file:
            fill(file)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(number, fcntl.F_ADD_SEALS, seals)
        self._number, self._size = number, os.fstat(number).st_size
        self.path = _path(number)

    def __len__(self) -> int:
        return self._size

    def content(self) -> Bytes:
        """Return the bytes as they lie there: only what is looked at takes memory."""
        if not self._size:
            return b""
        # Private: before Linux 6.7 what is sealed could not be shared, even to be read.
        return mmap.mmap(self._number, self._size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)


def sealed(fill: Callable[[BinaryIO], object]) -> Sealed | bytes:
    """Return what is written, as a sealed file, or as bytes where there is no such thing.

    Args:
        fill: writes to the file that it is given; what it raises is raised.

    Example:
        >>> len(sealed(lambda file: file.write(b"123")))
        3
    """
    number = _memory_file()
    if number is not None:
        return Sealed(number, fill)
    memory = io.BytesIO()
    fill(memory)
    return memory.getvalue()


def content_of(data: Sealed | bytes) -> Bytes:
    """Return the bytes to look at, whether they are sealed or not."""
    return data.content() if isinstance(data, Sealed) else data


def _path(number: int) -> str:
    return f"/proc/self/fd/{number}"


def _memory_file() -> int | None:
    """Return the number of a new file of memory, or None where there is none to be had."""
    if sys.platform != "linux":
        return None
    try:
        number = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:  # forbidden, or too many files
        return None
    if Path(_path(number)).is_file():  # with a /proc
        return number
    os.close(number)
    return None
