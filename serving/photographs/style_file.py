"""Styles in files, some hundred bytes each: `NAME.style`, JSON that any program reads."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import UsageError, first_line
from serving.files import written

SUFFIX = ".style"
LONGEST = 2**16  # bytes of a file


@dataclass(frozen=True)
class Style:
    """A style, as one model knows it.

    Attributes:
        values: float32 `(S,)`.
        model: which numbers these are: a digest of the weights of the model that found them.

    Example:
        >>> style = Style(np.float32([0.5, -2]), "0123456789abcdef")
        >>> style.text()
        '{"model": "0123456789abcdef", "float32": "AAAAPwAAAMA="}'
        >>> Style.parse(style.text(), "it").values.tolist()
        [0.5, -2.0]
    """

    values: np.ndarray
    model: str

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> "Style":
        """Return what a file holds.

        Args:
            text: of the file.
            where: what it is, for the message.

        Raises:
            UsageError: it holds no style.
        """
        try:
            found = json.loads(text)
            values = unpacked(found["float32"])
            model = found["model"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(f"{where} is no style: {first_line(error)}") from None
        if not isinstance(model, str):
            raise UsageError(f"{where} is no style: it names no model")
        return cls(values, model)

    @classmethod
    def read(cls, path: Path) -> "Style":
        """Read a file.

        Raises:
            UsageError: it cannot be read, or holds no style.
        """
        try:
            with path.open("rb") as file:
                text = file.read(LONGEST)
        except OSError as error:
            raise UsageError(f"{path} cannot be read as a style: {error.strerror}") from None
        return cls.parse(text, str(path))

    def text(self) -> str:
        """Return what a file of it holds."""
        return json.dumps({"model": self.model, "float32": packed(self.values)})

    def save(self, path: str | Path) -> None:
        """Write it to a file."""
        with written(path) as file:
            file.write(self.text().encode() + b"\n")


def packed(values: np.ndarray) -> str:
    """Return numbers as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def unpacked(text: Any) -> np.ndarray:
    """Return the numbers of `packed`.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(text, str):
        raise ValueError("its numbers are no text")
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    except binascii.Error as error:
        raise ValueError(f"its numbers are no base64: {error}") from None
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("it holds no numbers")
    return values.astype(np.float32)


def named_styles(data: bytes, size: int) -> Mapping[str, np.ndarray]:
    """Return the styles of `styles.json`, `{"great-wave": "<base64>"}`, each of so many numbers.

    Raises:
        ValueError: they are none.
    """
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    styles = {str(name): unpacked(text) for name, text in found.items()}
    if any(values.shape != (size,) for values in styles.values()):
        raise ValueError(f"a style has another number of values than {size}")
    return styles
