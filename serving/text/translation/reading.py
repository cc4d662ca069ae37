"""What an encoder-decoder has read: a source for each row, and of what is written so far.

Keys and values of the sources are made once. Rows of one text share its source, so that these are
moved only when a text leaves the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from serving.text.memory import Past, take_rows


class Network(Protocol):
    """An encoder-decoder, whatever runs it."""

    def encode(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> Any:
        """Read sources.

        Args:
            input_ids: int64 `(B, S)`.
            attention_mask: int64 `(B, S)`: 1 for tokens, 0 for padding on the right.

        Returns:
            What the encoder makes of each token, `(B, S, W)`.
        """

    def decode(
        self,
        input_ids: np.ndarray,
        states: Any,
        attention_mask: np.ndarray,
        written: Past | None,
        source: Past | None,
    ) -> tuple[np.ndarray, Past, Past]:
        """Read on in what is written.

        Args:
            input_ids: the tokens that were not read yet, int64 `(B, T)`.
            states, attention_mask: of the sources.
            written, source: for each layer keys and values of the tokens that were read, and of the
                sources; None for the first step.

        Returns:
            Logits `(B, T, V)`, and what `written` and `source` are at the next step.
        """


@dataclass(frozen=True)
class Reading:
    """A batch of rows in the making.

    Attributes:
        texts: which source each row is of, `(B,)`.
        states, mask: of the sources, a row each.
        written, source: keys and values, see `Network`; None before the first step.
    """

    texts: np.ndarray
    states: Any
    mask: np.ndarray
    written: Past | None = None
    source: Past | None = None

    @classmethod
    def of(cls, network: Network, sources: Sequence[Sequence[int]]) -> "Reading":
        """Let a network read sources, padded to the longest."""
        mask = np.zeros((len(sources), max(map(len, sources))), np.int64)
        ids = np.zeros_like(mask)
        for row, source in enumerate(sources):
            ids[row, : len(source)], mask[row, : len(source)] = source, 1
        return cls(np.arange(len(sources)), network.encode(ids, mask), mask)

    def read(self, network: Network, ids: np.ndarray) -> tuple[np.ndarray, "Reading"]:
        """Return logits `(B, T, V)` after tokens `(B, T)`, and what then has been read."""
        logits, *held = network.decode(ids, self.states, self.mask, self.written, self.source)
        return logits, Reading(self.texts, self.states, self.mask, *held)

    def take(self, rows: np.ndarray) -> "Reading":
        """Return some of the rows, in their order."""
        texts, written = self.texts[rows], take_rows(self.written or [], rows)
        if np.array_equal(texts, self.texts):
            return Reading(texts, self.states, self.mask, written, self.source)
        source = take_rows(self.source or [], rows)
        return Reading(texts, np.asarray(self.states)[rows], self.mask[rows], written, source)
