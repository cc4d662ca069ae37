"""How well a model predicts a text: nats and perplexity, over texts of any length."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from serving.errors import UsageError
from serving.numbers import whole
from serving.text.filters import log_softmax
from serving.text.memory import Past, Step

PIECE = 1024  # tokens of a window that are read at once
_LOGITS = 2**22  # of which all log-probabilities are computed at once


@dataclass(frozen=True)
class Score:
    """How well a text was predicted.

    Attributes:
        log_probs: of each token given those before it, the first excepted, in nats.
        nats: their negative sum.
        characters: how many these tokens stand for; 0 where only tokens are known.
        bytes: the same in UTF-8.
    """

    log_probs: np.ndarray
    characters: int = 0
    bytes: int = 0

    @property
    def tokens(self) -> int:
        """Number of tokens that were predicted."""
        return len(self.log_probs)

    @property
    def nats(self) -> float:
        """Surprise at the whole text."""
        return -float(self.log_probs.sum())

    @property
    def nats_per_token(self) -> float:
        """Mean surprise at a token."""
        return self.nats / self.tokens

    @property
    def nats_per_character(self) -> float:
        """Mean surprise at a character, which compares models of different tokenizers."""
        return self.nats / self.characters if self.characters else math.nan

    @property
    def nats_per_byte(self) -> float:
        """Mean surprise at a byte, which compares models of different tokenizers and scripts."""
        return self.nats / self.bytes if self.bytes else math.nan

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens each was, so to speak: e to the mean surprise."""
        return math.exp(self.nats_per_token)

    def summary(self) -> dict[str, float]:
        """Return its numbers by name."""
        return {
            "nats_per_character": self.nats_per_character,
            "nats_per_byte": self.nats_per_byte,
            "nats_per_token": self.nats_per_token,
            "perplexity": self.perplexity,
            "nats": self.nats,
            "tokens": self.tokens,
        }


def score(
    step: Step, ids: Sequence[int], *, context: int, stride: int | None = None, kept: int = 0
) -> Score:
    """Predict every token of a text but the first, which nothing comes before.

    Args:
        step: the model.
        ids: tokens of the text, at least two.
        context: most tokens that the model sees at once.
        stride: tokens by which the window moves on: each token is predicted from at least
            `context - stride` before it, those at the beginning excepted. Half the window by
            default; the smaller, the better the score and the longer it takes.
        kept: the first so many tokens, such as the code of a style, stay at the beginning of every
            window.

    Raises:
        UsageError: fewer than two tokens, or a stride that leaves tokens out.
    """
    stride = max(1, context // 2) if stride is None else stride
    stride = whole(stride, "stride", 1, context, also=", the window")
    stride = max(1, min(stride, context - kept))
    if len(ids) < 2:
        raise UsageError(f"the text has {len(ids)} tokens; expected at least 2, to predict one")
    tokens, log_probs = np.asarray(ids, np.int64), np.empty(len(ids) - 1)
    begin = done = 0  # targets that are done
    while done < len(log_probs):
        before = min(kept, begin)
        end = min(begin + context - before, len(log_probs))
        window = np.concatenate([tokens[:before], tokens[begin:end]])
        for at, logits in _read(step, window):
            first = begin - before + at  # of its targets
            new = slice(max(done, first), first + len(logits))
            if new.start < new.stop:
                log_probs[new] = log_probabilities(logits[new.start - first :], tokens[1:][new])
        begin, done = begin + stride, end
    return Score(log_probs)


def _read(step: Step, window: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the logits after the tokens of a window, so many at once, and where each piece begins.

    Logits of a long window at once would take gigabytes, and attention that is not fused as much.
    """
    past: Past | None = None
    for begin in range(0, len(window), PIECE):
        piece = window[None, begin : begin + PIECE]  # (1, T)
        end = begin + piece.shape[1]
        seen, places = np.ones((1, end), np.int64), np.arange(begin, end)[None]
        logits, past = step(piece, seen, places, past)
        yield begin, np.asarray(logits)[0]  # (T, V)


def log_probabilities(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return the log-probability of one token in each row, in nats.

    Args:
        logits: `(T, V)`.
        tokens: `(T,)`.

    Returns:
        float64 `(T,)`.

    Example:
        >>> log_probabilities(np.zeros((1, 4)), np.array([2])).round(4).tolist()
        [-1.3863]
    """
    found, rows = np.empty(len(tokens)), max(1, _LOGITS // logits.shape[-1])
    for begin in range(0, len(tokens), rows):
        some = slice(begin, begin + rows)
        every = log_softmax(logits[some])  # (rows, V)
        found[some] = np.take_along_axis(every, tokens[some, None], axis=1)[:, 0]
    return found
