"""Text of somebody else's on its way to a terminal: it may show anything and command nothing."""

import sys
import unicodedata
from typing import TextIO


def show(text: str, *, file: TextIO | None = None, end: str = "\n") -> None:
    r"""Print a text, cleaned; a question mark stands for what the encoding of the stream lacks.

    Args:
        text: what a path, a server, a model or a user had a hand in.
        file: standard output if None.
        end: is printed after it.

    Example:
        >>> show("as\x1b[2J is")
        as�[2J is
    """
    stream = sys.stdout if file is None else file
    encoding = getattr(stream, "encoding", None) or "utf-8"
    known = clean(text).encode(encoding, errors="replace").decode(encoding)
    print(known, end=end, file=stream, flush=True)


def clean(text: str) -> str:
    r"""Replace what does not print by U+FFFD: escape sequences, marks that turn the direction.

    Args:
        text: of a server, a path, the environment, a bundle, ...

    Returns:
        As many characters; those that print, spaces of every width, tabs and ends of lines stay.

    Example:
        >>> clean("na\u00efve\t\x1b[31mred\u202e")
        'naïve\t�[31mred�'
    """
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" or _is_space(letter) else "\ufffd"
        for letter in text
    )


def _is_space(letter: str) -> bool:
    return unicodedata.category(letter) == "Zs"
