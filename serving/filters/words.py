"""A list of words that are refused."""

import re
import unicodedata
from pathlib import Path

from serving.errors import UsageError
from serving.filters.filter import Filter


class WordFilter(Filter):
    """Refuses texts that have one of the words or phrases of a file, a line each.

    Case, width and accents that are written apart make no difference; a word is found as a whole,
    so that `ass` is not in `class`. Lines that begin with `#` are remarks.

    Example:
        >>> _ = Path("words.txt").write_text("# rude\\nbother\\n")
        >>> WordFilter("words.txt").words("Oh BOTHER!")
        'it has a word of the list'
        >>> WordFilter("words.txt").words("brother")
    """

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        if not setting:
            raise UsageError("the filter 'words' needs a file, as in words:FILE")
        try:
            text = Path(setting).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise UsageError(f"{setting} is not UTF-8; save it as UTF-8") from None
        except OSError as error:
            raise UsageError(f"{setting} cannot be read: {error.strerror}") from None
        lines = [_plain(line) for line in text.splitlines()]
        words = [line for line in lines if line and not line.startswith("#")]
        if not words:
            raise UsageError(f"{setting} has no words; expected one a line")
        # Longest first changes nothing of what is found, and ends sooner.
        several = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
        self._pattern = re.compile(rf"(?<!\w)(?:{several})(?!\w)")

    def words(self, text: str) -> str | None:
        return "it has a word of the list" if self._pattern.search(_plain(text)) else None


def _plain(text: str) -> str:
    """Return a text as it is compared: one form of each character, and one space between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
