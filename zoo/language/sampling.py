"""From logits to tokens, on the host, for a batch of texts at once.

Each text has its own settings and its own stream of random numbers, and draws the same tokens alone
and in a batch. Number n of the stream decides token n: it is `RandomState(seed).random_sample()`,
whose stream NumPy has frozen for good, and picks from the probabilities in the order of the ids.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import UsageError
from zoo.language.filters import keep_top_k, keep_top_p, likeliest, log_softmax, pick
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
_NEUTRAL = {
    "temperature": 1,
    "top_p": 1,
    "min_p": 0,
    "repetition_penalty": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
}
_PENALTIES = ("repetition_penalty", "frequency_penalty", "presence_penalty")


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


class Drawn:
    """One token for each text.

    Attributes:
        ids: B of them.
    """

    def __init__(self, ids: list[int], logits: np.ndarray):
        self.ids, self._logits = ids, logits

    @property
    def log_probs(self) -> np.ndarray:
        """The model's own log-probability of each, in nats: before penalties and filters. `(B,)`"""
        return log_softmax(self._logits)[np.arange(len(self.ids)), self.ids]


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
            for name in _NEUTRAL
        }
        # What no text asks for costs nothing; what one asks for changes no number of the others.
        self._used = {
            name for name, values in self._settings.items() if (values != _NEUTRAL[name]).any()
        }
        greedy = self._settings["temperature"] == 0
        self._greedy = bool(greedy.all())
        self._settings["temperature"] = np.maximum(self._settings["temperature"], 1e-12)
        top_k = np.array([config.top_k or vocabulary_size for config in configs])[:, None]
        self._settings["top_k"] = np.where(greedy, 1, top_k)
        self._penalised = not self._used.isdisjoint(_PENALTIES)
        shape = len(configs), vocabulary_size
        if any(config.logit_bias for config in configs):
            self._used.add("logit_bias")
            self._settings["logit_bias"] = np.zeros(shape, np.float32)
        self._counts = np.zeros(shape, np.int64)  # of each token in the new text
        self._met = np.zeros(shape, bool)  # in the prompt or the new text
        for row, (config, prompt) in enumerate(zip(configs, prompts, strict=True)):
            for token, bias in config.logit_bias.items():
                self._settings["logit_bias"][row, token] = bias
            self._met[row, list(prompt)] = True
        self._take(np.arange(len(configs)))

    def _take(self, rows: np.ndarray) -> None:
        """Go on with these texts."""
        self._rows, self._going = rows, rows.tolist()
        self._now = {name: values[rows] for name, values in self._settings.items()}  # (B, 1) each
        self._most = int(self._now["top_k"].max())  # tokens that some row keeps
        self._ragged = bool((self._now["top_k"] < self._most).any())

    def __call__(self, logits: np.ndarray, rows: np.ndarray | None = None) -> Drawn:
        """Draw one token for each row.

        Args:
            logits: `(B, V)`.
            rows: which texts they are of, `(B,)`; all by default.
        """
        ids, weights = self._weights(logits, rows)
        if self._greedy:
            drawn = weights.argmax(-1).tolist()  # of equals the lowest id
        else:
            drawn = pick(weights, [self._random[row].random_sample() for row in self._going])
            if ids is not None:
                drawn = [own.item(place) for own, place in zip(ids, drawn, strict=True)]
        if self._penalised:
            self._counts[self._rows, drawn] += 1
            self._met[self._rows, drawn] = True
        return Drawn(drawn, logits)

    def probabilities(self, logits: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return what tokens are drawn with, `(B, V)`; each row sums to 1."""
        ids, weights = self._weights(logits, rows)
        if self._greedy:
            return np.eye(logits.shape[-1])[weights.argmax(-1)]
        shares = weights / weights.sum(-1, keepdims=True)
        if ids is None:
            return shares
        everywhere = np.zeros(logits.shape)
        np.put_along_axis(everywhere, ids, shares, axis=-1)
        return everywhere

    def _weights(
        self, logits: np.ndarray, rows: np.ndarray | None
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what tokens are drawn with, up to a factor; where all is greedy, what to maximise.

        The heaviest of each row weighs 1. Tokens that no row can draw are left out where top_k
        tells them early, since every number less is time saved.

        Returns:
            Ids in rising order, `(B, C)`, or None for all; and their weights, float64 `(B, C)`.
        """
        if rows is None:
            rows = np.arange(len(logits))
        if rows is not self._rows:
            self._take(rows)
        used, now, ids = self._used, self._now, None
        if "logit_bias" in used:
            logits = np.add(logits, now["logit_bias"], dtype=logits.dtype)
        if self._penalised:
            logits = self._with_penalties(logits)
        if self._greedy:
            return None, logits
        if self._most < logits.shape[-1]:
            ids, logits = likeliest(logits, self._most)
        # The likeliest becomes 0, so that no temperature, however low, makes a number overflow.
        highest = np.maximum.reduce(logits, axis=-1, keepdims=True)
        weights = np.subtract(logits, highest, dtype=np.float64)
        if "temperature" in used:
            weights /= now["temperature"]
        np.exp(weights, out=weights)
        if self._ragged:
            weights = keep_top_k(weights, now["top_k"])
        if "top_p" in used:
            weights = keep_top_p(weights, now["top_p"])
        if "min_p" in used:
            weights *= weights >= now["min_p"]
        return ids, weights

    def _with_penalties(self, logits: np.ndarray) -> np.ndarray:
        now, counts = self._now, self._counts[self._rows]
        penalty = now["repetition_penalty"]
        penalised = np.where(logits > 0, logits / penalty, logits * penalty)
        logits = np.where(self._met[self._rows], penalised, logits)
        logits = logits - now["frequency_penalty"] * counts
        return logits - now["presence_penalty"] * (counts > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} is {value!r}; expected {expected}")
