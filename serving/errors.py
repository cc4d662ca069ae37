"""The errors a user of the zoo can meet: one clear line each, never a traceback."""

import struct
from collections.abc import Iterable

# What Pillow raises of files that are no pictures, and of those that end too soon.
SPOILT_PICTURE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error)


class GenzooError(Exception):
    """Base of every error the project raises on purpose.

    The message is one line: what was wrong, what was expected, what to do. The command line prints
    it and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(GenzooError):
    """A request that cannot be met as written: unknown name, wrong type, value out of range."""

    exit_code = 2


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the known word closest to `word`, or an empty string.

    >>> nearest("lerning_rate", ["epochs", "learning_rate"])
    "; did you mean 'learning_rate'?"
    """
    from difflib import get_close_matches  # which most programs never need

    matches = get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def first_line(error: Exception) -> str:
    """Return the first line of what another library's error says, or else its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
