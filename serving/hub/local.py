"""Paths on this machine that others name: what they lead to, and how messages show them."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from serving.errors import UsageError
from serving.terminal import clean


def shown(text: object) -> str:
    """Return somebody else's text, such as a path or what a server said, for a line of a message.

    Example:
        >>> shown("a\\x1b[0m\\nb")
        'a�[0m b'
    """
    return " ".join(clean(str(text)).split())


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder in the place of a leading `~` or `~user`.

    Raises:
        UsageError: nobody knows that folder.

    Example:
        >>> expanded("models").name
        'models'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(
            f"the home folder in {shown(path)} is not known; write the path in full"
        ) from None


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes, but no pipe and no device, for which one could wait for ever.

    Raises:
        OSError: it is not there, cannot be read, or is no regular file.
    """
    try:
        _check_regular(path.stat(), path)
    except ValueError:  # NUL, or what no encoding of file names has
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    # Between the look and the opening it may have been replaced.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_regular(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def _check_regular(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
