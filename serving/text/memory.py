"""What a model has read of a batch of texts, and how it reads on.

`Decoding` asks a memory for the logits that follow each text, and knows nothing of padding, masks
and caches. `PaddedMemory` works with any `Step`; a runtime may have a faster one of its own.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Past = list[tuple[Any, Any]]


class Step(Protocol):
    """One call of a decoder.

    Args:
        input_ids: int64 `(B, T)`.
        attention_mask: int64 `(B, S + T)`: 1 for tokens, 0 for padding.
        position_ids: int64 `(B, T)`: the place of each token in its text.
        past: a pair of keys and values `(B, heads, S, head_size)` for each layer; None for S = 0.

    Returns:
        Logits `(B, T, V)`, and keys and values of all S + T tokens.
    """

    def __call__(
        self,
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]: ...


class Memory(Protocol):
    """What has been read of a batch of texts; at first nothing.

    Attributes:
        full: whether some text has no room for one more token.
    """

    full: bool

    def read(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Read on, and return the logits after the last token of each text, `(B, V)`.

        Args:
            texts: the next tokens of each, at least one. After the first call as many for all.

        Returns:
            An array that is valid until the next call.
        """

    def read_each(self, text: Sequence[int]) -> np.ndarray:
        """Read on in the one text that there is, and return the logits after each token, `(T, V)`.

        As `read`, an array that is valid until the next call.
        """

    def keep(self, rows: np.ndarray) -> None:
        """Go on with some of the texts, in this order."""

    def truncate(self, length: int) -> None:
        """Forget all but the first tokens of every text, all being of the same length."""

    def forget(self) -> None:
        """Forget all of every text."""


class PaddedMemory:
    """The `Memory` of any `Step`: texts are padded on the left, and caches grow by each token.

    Args:
        step: the model.
        count: texts B.
        context: most tokens that the model sees at once, padding included.

    Example:
        >>> def step(ids, mask, places, past):
        ...     return np.eye(4)[ids], []
        >>> PaddedMemory(step, 2, context=8).read([[1, 2, 3], [0]]).argmax(-1)
        array([3, 0])
    """

    def __init__(self, step: Step, count: int, context: int):
        self._step, self._count, self._context = step, count, context
        self.forget()

    @property
    def full(self) -> bool:
        return self._mask.shape[1] >= self._context

    def read(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        return self._read(texts)[:, -1]

    def read_each(self, text: Sequence[int]) -> np.ndarray:
        return self._read([text])[0]

    def _read(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        ids, mask = padded(texts)
        before = self._mask.sum(axis=1, keepdims=True)  # (B, 1)
        positions = np.maximum(before + np.cumsum(mask, axis=1) - 1, 0)
        mask = np.concatenate([self._mask, mask], axis=1)
        logits, self._past = self._step(ids, mask, positions, self._past)
        self._mask = mask
        return np.asarray(logits)

    def keep(self, rows: np.ndarray) -> None:
        self._count = len(rows)
        self._mask, self._past = self._mask[rows], self._past and take_rows(self._past, rows)

    def truncate(self, length: int) -> None:
        if not length:
            return self.forget()
        self._mask = self._mask[:, :length]
        self._past = [
            tuple(np.asarray(each)[:, :, :length] for each in pair) for pair in self._past
        ]

    def forget(self) -> None:
        self._mask = np.zeros((self._count, 0), np.int64)  # (B, S)
        self._past: Past | None = None


def padded(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return texts padded on the left, and 1 for tokens and 0 for padding: int64 `(B, T)` each.

    Example:
        >>> ids, mask = padded([[5, 6, 7], [8]])
        >>> ids.tolist(), mask.tolist()
        ([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]])
    """
    longest = max(map(len, texts))
    ids, mask = np.zeros((2, len(texts), longest), np.int64)
    for row, text in enumerate(texts):
        ids[row, longest - len(text) :] = text
        mask[row, longest - len(text) :] = 1
    return ids, mask


def take_rows(past: Past, rows: np.ndarray) -> Past:
    """Return the keys and values of some rows of a batch, in their order."""
    return [(np.asarray(key)[rows], np.asarray(value)[rows]) for key, value in past]
