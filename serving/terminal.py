"""What is printed: nothing that commands a terminal, nothing that its encoding cannot write."""

import sys
from typing import TextIO


def clean(text: str) -> str:
    """Return text of which a terminal shows everything and obeys nothing.

    Example:
        >>> clean("red \\x1b[31m")
        'red \\ufffd[31m'
    """
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\ufffd" for mark in text)


def show(text: str, file: TextIO | None = None) -> None:
    """Print text at once, without a new line; what the encoding lacks becomes `?`."""
    stream = file or sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(clean(text).encode(encoding, "replace").decode(encoding))
    stream.flush()
