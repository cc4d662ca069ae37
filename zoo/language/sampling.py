"""From logits to tokens, on the host, for a batch of texts at once.

Each text has its own settings and its own stream of random numbers, and draws the same tokens alone
and in a batch. Number n of the stream decides token n: it is `RandomState(seed).random_sample()`,
whose stream NumPy has frozen for good, and picks from the probabilities in the order of the ids.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.noise import checked_seed

BIAS_LIMIT = 1e4  # large enough to forbid or to force a token
_RANGES = {
    "temperature": (lambda value: 0 <= value < math.inf, "0, for greedy, or more"),
    "top_p": (lambda value: 0 < value <= 1, "more than 0, at most 1"),
    "min_p": (lambda value: 0 <= value <= 1, "0 to 1"),
    "repetition_penalty": (lambda value: 0 < value < math.inf, "more than 0, and 1 for none"),
    "frequency_penalty": (lambda value: abs(value) <= 100, "-100 to 100"),
    "presence_penalty": (lambda value: abs(value) <= 100, "-100 to 100"),
}


@dataclass(frozen=True)
class SamplingConfig:
    """How one text is sampled. Applied in this order, each to what the one before has left.

    Args:
        logit_bias: added to the logits of these tokens.
        repetition_penalty: divides the positive logits of tokens that the prompt or the text has,
            and multiplies the negative ones (Keskar et al. 2019, arXiv:1909.05858); 1 for none.
        frequency_penalty: taken from a token's logit for each time that the new text has it.
        presence_penalty: taken once from the logit of each token that the new text has.
        temperature: divides the logits; 0 always takes the likeliest token.
        top_k: keep this many of the likeliest tokens; None for all.
        top_p: keep the likeliest tokens that together reach this probability (Holtzman et al. 2020,
            arXiv:1904.09751).
        min_p: keep tokens at least this likely, relative to the likeliest (Nguyen et al. 2024,
            arXiv:2407.01082).

    Raises:
        UsageError: a value out of its range.

    Example:
        >>> SamplingConfig(temperature=0.8, top_k=40).top_p
        1.0
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (holds, expected) in _RANGES.items():
            value = getattr(self, name)
            _require(_is_number(value) and holds(value), name, value, expected)
        is_map = isinstance(self.logit_bias, Mapping)
        _require(is_map, "logit_bias", self.logit_bias, "numbers by token id")
        for token, bias in self.logit_bias.items():
            fine = _is_number(bias) and abs(bias) <= BIAS_LIMIT
            _require(fine, f"logit_bias of token {token}", bias, "-10000 to 10000")

    def check_vocabulary(self, size: int) -> None:
        """Raise UsageError where top_k or logit_bias name more tokens than the model has."""
        if self.top_k is not None:
            fine = _is_number(self.top_k) and self.top_k in range(1, size + 1)
            expected = f"a whole number from 1 to {size}, the vocabulary, or None"
            _require(fine, "top_k", self.top_k, expected)
        for token in self.logit_bias:
            _require(token in range(size), "a token of logit_bias", token, f"0 to {size - 1}")


class Drawn(NamedTuple):
    """One token for each text: `ids`, int64 `(B,)`, and `log_probs`, float64 `(B,)`, in nats.

    The log-probability is the model's own, before penalties, temperature and filters.
    """

    ids: np.ndarray
    log_probs: np.ndarray


class Sampler:
    """Draws the next token of each text of a batch.

    Args:
        configs: one for each text.
        seeds: one for each text, 0 <= seed < 2**32.
        prompts: the tokens of each prompt, for the repetition penalty.
        vocabulary_size: number of tokens V.

    Raises:
        UsageError: settings that do not fit the vocabulary, or a seed out of range.

    Example:
        >>> sampler = Sampler([SamplingConfig()] * 2, [7, 8], [[0], [0]], vocabulary_size=4)
        >>> logits = np.zeros((2, 4))
        >>> sampler(logits).log_probs.round(4)
        array([-1.3863, -1.3863])
    """

    def __init__(
        self,
        configs: Sequence[SamplingConfig],
        seeds: Sequence[int],
        prompts: Sequence[Sequence[int]],
        vocabulary_size: int,
    ):
        for config in configs:
            config.check_vocabulary(vocabulary_size)
        self._random = [np.random.RandomState(checked_seed(seed)) for seed in seeds]
        self._settings = {
            name: np.array([getattr(config, name) for config in configs], np.float64)[:, None]
            for name in _RANGES
        }
        self._top_k = np.array([config.top_k or vocabulary_size for config in configs])
        shape = len(configs), vocabulary_size
        self._bias = np.zeros(shape)
        self._counts = np.zeros(shape, np.int64)  # of each token in the new text
        self._met = np.zeros(shape, bool)  # in the prompt or the new text
        for row, (config, prompt) in enumerate(zip(configs, prompts, strict=True)):
            for token, bias in config.logit_bias.items():
                self._bias[row, token] = bias
            self._met[row, list(prompt)] = True

    def __call__(self, logits: np.ndarray, rows: np.ndarray | None = None) -> Drawn:
        """Draw one token for each row.

        Args:
            logits: `(B, V)`.
            rows: which texts they are of, `(B,)`; all by default.
        """
        rows = np.arange(len(logits)) if rows is None else rows
        logits = logits.astype(np.float64)
        probabilities = self.probabilities(logits, rows)
        uniform = np.array([self._random[row].random_sample() for row in rows])
        ids = pick(probabilities, uniform)
        self._counts[rows, ids] += 1
        self._met[rows, ids] = True
        return Drawn(ids, np.take_along_axis(log_softmax(logits), ids[:, None], axis=1)[:, 0])

    def probabilities(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return what tokens are drawn with, `(B, V)`; each row sums to 1."""
        settings = {name: values[rows] for name, values in self._settings.items()}  # (B, 1) each
        logits = logits + self._bias[rows]
        penalty = settings["repetition_penalty"]
        penalised = np.where(logits > 0, logits / penalty, logits * penalty)
        logits = np.where(self._met[rows], penalised, logits)
        counts = self._counts[rows]
        logits = logits - settings["frequency_penalty"] * counts
        logits = logits - settings["presence_penalty"] * (counts > 0)
        temperature = settings["temperature"]
        # The likeliest becomes 0, so that no temperature, however low, makes a number overflow.
        logits = logits - logits.max(-1, keepdims=True)
        probabilities = softmax(logits / np.maximum(temperature, 1e-12))
        probabilities = keep_top_k(
            probabilities, np.where(temperature[:, 0] == 0, 1, self._top_k[rows])
        )
        probabilities = keep_top_p(probabilities, settings["top_p"][:, 0])
        likely = settings["min_p"] * probabilities.max(-1, keepdims=True)
        return _normalised(np.where(probabilities >= likely, probabilities, 0))


def keep_top_k(probabilities: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Keep exactly the `k` likeliest tokens of each row; of equals, those with lower ids.

    Args:
        probabilities: `(B, V)`.
        k: `(B,)`, 1 to V.

    Example:
        >>> keep_top_k(np.array([[0.2, 0.3, 0.3, 0.2]]), np.array([3])).round(3)
        array([[0.25 , 0.375, 0.375, 0.   ]])
    """
    size = probabilities.shape[-1]
    if np.all(k == size):
        return probabilities
    places = size - k
    ordered = np.partition(probabilities, np.unique(places), axis=-1)
    least = np.take_along_axis(ordered, places[:, None], axis=-1)  # (B, 1): the k-th likeliest
    above, equal = probabilities > least, probabilities == least
    room = k[:, None] - above.sum(-1, keepdims=True)
    kept = above | (equal & (np.cumsum(equal, axis=-1) <= room))
    return _normalised(np.where(kept, probabilities, 0))


def keep_top_p(probabilities: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Keep the fewest likeliest tokens of each row that together reach `p`.

    Args:
        probabilities: `(B, V)`, rows summing to 1.
        p: `(B,)`, 0 to 1; 1 keeps all.

    Example:
        >>> keep_top_p(np.array([[0.5, 0.3, 0.2]]), np.array([0.6])).round(3)
        array([[0.625, 0.375, 0.   ]])
    """
    rows = np.flatnonzero(p < 1)
    if not len(rows):
        return probabilities
    some = probabilities[rows]
    order = np.argsort(-some, axis=-1, kind="stable")
    ordered = np.take_along_axis(some, order, axis=-1)
    before = np.cumsum(ordered, axis=-1) - ordered  # what the likelier ones sum to
    kept = np.empty(some.shape, bool)
    np.put_along_axis(kept, order, before < p[rows, None], axis=-1)
    kept[np.arange(len(rows)), order[:, 0]] = True
    probabilities = probabilities.copy()
    probabilities[rows] = _normalised(np.where(kept, some, 0))
    return probabilities


def pick(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Turn uniform numbers `(B,)` in [0, 1) into tokens `(B,)` drawn with `probabilities` `(B, V)`.

    Example:
        >>> pick(np.array([[0.5, 0.0, 0.5]] * 2), np.array([0.49, 0.5])).tolist()
        [0, 2]
    """
    reached = np.cumsum(probabilities, axis=-1)
    total = reached[:, -1:]  # 1, but for rounding, which must not point beyond the last token
    wanted = np.minimum(uniform[:, None] * total, np.nextafter(total, 0))
    return np.sum(reached <= wanted, axis=-1)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities, in nats, of logits `(..., V)`, in float64."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities of logits `(..., V)`."""
    return _normalised(np.exp(logits - logits.max(-1, keepdims=True)))


def _normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(-1, keepdims=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} is {value!r}; expected {expected}")
