"""How well a model predicts a text: nats and perplexity, over texts of any length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.errors import UsageError
from serving.numbers import whole
from serving.text.filters import log_softmax
from serving.text.memory import Step


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


def score(step: Step, ids: Sequence[int], *, context: int, stride: int | None = None) -> Score:
    """Predict every token of a text but the first, which nothing comes before.

    Args:
        step: the model.
        ids: tokens of the text, at least two.
        context: most tokens that the model sees at once.
        stride: tokens by which the window moves on: each token is predicted from at least
            `context - stride` before it, those at the beginning excepted. Half the window by
            default; the smaller, the better the score and the longer it takes.

    Raises:
        UsageError: fewer than two tokens, or a stride that leaves tokens out.
    """
    stride = max(1, context // 2) if stride is None else stride
    stride = whole(stride, "stride", 1, context, also=", the window")
    if len(ids) < 2:
        raise UsageError(f"the text has {len(ids)} tokens; expected at least 2, to predict one")
    tokens, log_probs = np.asarray(ids, np.int64), np.empty(len(ids) - 1)
    begin = done = 0  # targets that are done
    while done < len(log_probs):
        end = min(begin + context, len(log_probs))
        window = tokens[None, begin:end]  # (1, T)
        positions = np.arange(end - begin)[None]
        logits, _ = step(window, np.ones_like(window), positions, None)
        new = log_softmax(np.asarray(logits)[0, done - begin :])  # (new, V)
        log_probs[done:end] = np.take_along_axis(new, tokens[done + 1 : end + 1, None], axis=1)[
            :, 0
        ]
        begin, done = begin + stride, end
    return Score(log_probs)
