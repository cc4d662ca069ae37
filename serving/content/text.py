"""Texts: a list of strings, or one alone."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content.content import Cell, Content, Distance, Processing
from serving.errors import UsageError
from serving.files import written
from serving.numbers import shown

RULE = "\n\n---\n"  # between texts
TURNS = 1  # texts that may part: where two tokens are all but even, rounding decides between them


class TextContent(Content):
    """Text, in files of UTF-8.

    Example:
        >>> TextContent().words(["To be", "Or not"], {})
        'To be\\n\\n---\\nOr not'
    """

    name, noun, unit = "text", "text", "tokens"
    media = {".txt": "text/plain"}

    def read(self, paths: Sequence[Path], processing: Processing) -> str | list[str]:
        """Return the text of a file, `-` being standard input; a list of those of several."""
        texts = [_read(path) for path in paths]
        return texts[0] if len(texts) == 1 else texts

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        if Path(out).is_dir():
            raise UsageError(f"{out} is a folder; expected the name of a file")

        def write(value: Any) -> None:
            with written(out) as file:
                file.write(f"{self.words(value, processing)}\n".encode())

        return write

    def to_bytes(self, value: Any, suffix: str, processing: Processing) -> bytes:
        return f"{self.words(value, processing)}\n".encode()

    def default_out(self, name: str) -> None:
        return None

    def from_json(self, value: Any, processing: Processing) -> str | list[str]:
        """Return a string, or a list of them.

        Example:
            >>> TextContent().from_json(["To be", 2], {})
            Traceback (most recent call last):
            serving.errors.UsageError: a text in JSON is 2; expected a string, or a list of them
        """
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str):
                what = shown(each)
                raise UsageError(f"a text in JSON is {what}; expected a string, or a list of them")
        found: str | list[str] = value
        return found

    def to_json(self, value: Any, processing: Processing) -> str | list[str]:
        """Return a string, or a list of them."""
        return (
            value
            if isinstance(value, str)
            else [str(getattr(each, "text", each)) for each in value]
        )

    def cell(self, processing: Processing, *, given: bool) -> Cell:
        return Cell("object", ())

    def from_tensor(self, array: np.ndarray) -> list[str]:
        """Return the texts of bytes in UTF-8.

        Raises:
            UsageError: they are not.
        """
        try:
            return [bytes(each).decode() for each in array.ravel().tolist()]
        except UnicodeDecodeError as error:
            raise UsageError(f"a text is not UTF-8: {error.reason}") from None

    def to_tensor(self, value: Any) -> np.ndarray:
        """Return texts as bytes in UTF-8: objects `(N,)`."""
        texts = [value] if isinstance(value, str) else value
        return np.array([str(getattr(each, "text", each)).encode() for each in texts], object)

    def words(self, value: Any, processing: Processing) -> str:
        if isinstance(value, str):
            return value
        return RULE.join(str(getattr(each, "text", each)) for each in value)

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare texts of the same seeds.

        Example:
            >>> TextContent().compare(["To be, or", "Once"], ["To be, or", "Only"]).words
            '1 of 2 texts like those of Keras, the others for 2 characters at least'
        """
        parted = [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]
        words = f"{len(expected) - len(parted)} of {len(expected)} texts like those of Keras"
        if parted:
            same = min(_common_length(*pair) for pair in parted)
            words += f", the others for {same} characters at least"
        return Distance(words, len(parted) <= TURNS)

    def count(self, value: Any) -> int:
        return 1 if isinstance(value, str) else len(value)


def _read(path: Path) -> str:
    try:
        if str(path) == "-":
            return sys.stdin.read()
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _common_length(first: str, second: str) -> int:
    """Number of characters at the beginning that two texts share.

    Example:
        >>> _common_length("Once", "Only")
        2
    """
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))
