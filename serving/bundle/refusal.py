"""Why a file of somebody else's is refused, in words that are fit for a terminal."""

LONGEST = 80  # characters of a name that a message repeats


class RefusedError(Exception):
    """Why a file is refused; who reads the file adds which one it is."""


def shown(text: str, longest: int = LONGEST) -> str:
    r"""Return text as Python would quote it, cut short: no line breaks, no escape sequences.

    Example:
        >>> shown("\x1b[31m" + "x" * 100, longest=8)
        "'\\x1b[31mxxx'..."
    """
    return repr(text[:longest]) + "..." * (len(text) > longest)


def plain(text: str, longest: int = LONGEST) -> str:
    r"""Return text without the quotes of `shown`.

    Example:
        >>> plain("float32 ['batch', 2]")
        "float32 ['batch', 2]"
    """
    return repr(text[:longest])[1:-1] + "..." * (len(text) > longest)
