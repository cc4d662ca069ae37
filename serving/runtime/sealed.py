"""Checked bytes for ONNX Runtime to read from a file, which takes a third of the memory.

Of bytes that are handed over in memory there are three copies before the first one goes: the
caller's, the binding's and the parsed one. A file is parsed piece by piece. But a file on disk may
be altered between the check and the reading, so this one has no name and lies in memory, and Linux
lets nobody write to it any more (memfd_create(2), F_SEAL_WRITE in fcntl(2)).
"""

import os
import sys
import weakref
from pathlib import Path


class Sealed:
    """A file in memory that nobody can alter; it is gone with this object.

    Attributes:
        path: by which this process, and no other, can open it.
    """

    def __init__(self, data: bytes) -> None:
        import fcntl

        self._size = len(data)
        number = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, number)
        with open(number, "wb", closefd=False) as file:
            file.write(data)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(number, fcntl.F_ADD_SEALS, seals)
        self.path = f"/proc/self/fd/{number}"

    def __len__(self) -> int:
        return self._size


def sealed(data: bytes) -> "Sealed | bytes":
    """Return bytes as a sealed file, or as they are where there is no such thing.

    Example:
        >>> len(sealed(b"123"))
        3
    """
    if sys.platform == "linux":
        try:
            made = Sealed(data)
            if Path(made.path).is_file():  # with a /proc
                return made
        except OSError:  # forbidden, or too many files
            pass
    return data
