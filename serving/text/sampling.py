"""From logits to tokens, on the host, for a batch of texts at once.

Each text has its own settings and its own stream of random numbers, and draws the same tokens alone
and in a batch. Number n of the stream decides token n: it is `RandomState(seed).random_sample()`,
whose stream NumPy has frozen for good, and picks from the probabilities in the order of the ids.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from serving.errors import GenzooError, UsageError
from serving.noise import uniform
from serving.parameters import Parameter
from serving.text.filters import likeliest, nucleus, pick

BIAS_LIMIT = 1e4  # large enough to forbid or to force a token
_RANGES = {
    "temperature": (lambda value: 0 <= value < math.inf, "0, for greedy, or more"),
    "top_p": (lambda value: 0 < value <= 1, "more than 0, at most 1"),
    "min_p": (lambda value: 0 <= value <= 1, "0 to 1"),
    "repetition_penalty": (lambda value: 0 < value < math.inf, "more than 0, and 1 for none"),
    "frequency_penalty": (lambda value: abs(value) <= 100, "-100 to 100"),
    "presence_penalty": (lambda value: abs(value) <= 100, "-100 to 100"),
}
_NO_PENALTY = {"repetition_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0}


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

    temperature: Annotated[
        float, Parameter("0 takes the likeliest token", minimum=0, each=True, example=0.8)
    ] = 1.0
    top_k: Annotated[
        int | None,
        Parameter(
            "draw from so many tokens",
            minimum=1,
            maximum=lambda model: model.vocabulary_size,
            each=True,
        ),
    ] = None
    top_p: Annotated[
        float,
        Parameter("draw from the likeliest that reach this share", above=0, maximum=1, each=True),
    ] = 1.0
    min_p: Annotated[
        float,
        Parameter("leave out what is less likely, beside the likeliest", minimum=0, maximum=1,
                  each=True),
    ] = 0.0  # fmt: skip
    repetition_penalty: Annotated[
        float, Parameter("of tokens that are there already; 1 for none", above=0, each=True)
    ] = 1.0
    frequency_penalty: Annotated[
        float,
        Parameter("for each time that a token was drawn", minimum=-100, maximum=100, each=True),
    ] = 0.0
    presence_penalty: Annotated[
        float, Parameter("once a token was drawn", minimum=-100, maximum=100, each=True)
    ] = 0.0
    logit_bias: Annotated[
        Mapping[int, float], Parameter("added to the logits of these tokens", each=True)
    ] = field(default_factory=dict)

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
        >>> sampler.draw(np.array([[0.0, 0.0, 99.0, 0.0]] * 2))
        [2, 2]
    """

    def __init__(
        self,
        configs: Sequence[SamplingConfig],
        seeds: Sequence[int],
        prompts: Sequence[Sequence[int]],
        vocabulary_size: int,
    ):
        self._texts = [
            _TextSampler(config, seed, prompt, vocabulary_size)
            for config, seed, prompt in zip(configs, seeds, prompts, strict=True)
        ]

    def draw(self, logits: np.ndarray, rows: Sequence[int] | None = None) -> list[int]:
        """Draw one token for each row.

        Args:
            logits: `(B, V)`.
            rows: which texts they are of, B of them; all by default.

        Raises:
            GenzooError: logits are NaN or infinite.
        """
        drawn = []
        for place, row in enumerate(range(len(self._texts)) if rows is None else rows):
            drawn.append(self._texts[row].draw(logits[place]))
        return drawn

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return what the tokens of all texts are drawn with, `(B, V)`; each row sums to 1."""
        pairs = zip(self._texts, logits, strict=True)
        return np.array([text.probabilities(own) for text, own in pairs])


class _TextSampler:
    """Draws the tokens of one text.

    Nothing is computed for several texts at once, so each draws the same alone and in a batch; and
    rows and plain numbers take NumPy half the time that matrices of few rows take.
    """

    def __init__(
        self, config: SamplingConfig, seed: int, prompt: Sequence[int], vocabulary_size: int
    ):
        config.check_vocabulary(vocabulary_size)
        self._config, self._numbers = config, uniform(seed)
        self._greedy = config.temperature == 0
        self._temperature = max(config.temperature, 1e-12)  # which makes no number overflow
        self._top_k = config.top_k if config.top_k != vocabulary_size else None
        self._top_p, self._min_p = config.top_p, config.min_p
        # What is not asked for costs nothing.
        self._bias = self._counts = None
        if config.logit_bias:
            self._bias = np.zeros(vocabulary_size, np.float32)
            self._bias[list(config.logit_bias)] = list(config.logit_bias.values())
        if any(getattr(config, name) != neutral for name, neutral in _NO_PENALTY.items()):
            self._counts = np.zeros(vocabulary_size, np.int64)  # of each token in the new text
            self._met = np.zeros(vocabulary_size, bool)  # in the prompt or the new text
            self._met[list(prompt)] = True
        self._adjusts = self._bias is not None or self._counts is not None

    def draw(self, logits: np.ndarray) -> int:
        """Return the next token, given its logits `(V,)`."""
        if self._adjusts:
            logits = self._adjusted(logits)
        token = int(logits.argmax())  # of equals the lowest; the first NaN, if there is any
        highest = logits.item(token)
        if not math.isfinite(highest):
            raise GenzooError(
                "the network returned logits that are NaN or infinite, and no token can be drawn "
                "from them; its weights or its input are not what they should be"
            )
        if not self._greedy:
            ids, weights = self._weights(logits, highest)
            token = pick(weights, next(self._numbers))
            if ids is not None:
                token = ids.item(token)
        if self._counts is not None:
            self._counts[token] += 1
            self._met[token] = True
        return token

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return what the next token is drawn with, `(V,)`."""
        if self._adjusts:
            logits = self._adjusted(logits)
        shares = np.zeros(len(logits))
        if self._greedy:
            shares[logits.argmax()] = 1
            return shares
        ids, weights = self._weights(logits, logits.max())
        shares[slice(None) if ids is None else ids] = weights / weights.sum()
        return shares

    def _adjusted(self, logits: np.ndarray) -> np.ndarray:
        """Return logits after bias and penalties."""
        if self._bias is not None:
            logits = logits + self._bias
        return logits if self._counts is None else self._with_penalties(logits.astype(np.float64))

    def _with_penalties(self, logits: np.ndarray) -> np.ndarray:
        config = self._config
        penalty = config.repetition_penalty
        penalised = np.where(logits > 0, logits / penalty, logits * penalty)
        logits = np.where(self._met, penalised, logits)
        logits = logits - config.frequency_penalty * self._counts
        return logits - config.presence_penalty * (self._counts > 0)

    def _weights(self, logits: np.ndarray, highest: float) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what tokens are drawn with, up to a factor; the heaviest weighs 1.

        What cannot be drawn is left out as soon as it is known, since every number less is time
        saved.

        Returns:
            Ids in rising order, `(C,)`, or None for all; and their weights, float64 `(C,)`.
        """
        ids = None
        if self._top_k is not None:
            ids = likeliest(logits, self._top_k)
            logits = logits[ids]
        weights = logits.astype(np.float64)
        weights -= highest  # before the division, so that a low temperature overflows nothing
        if self._temperature != 1:
            weights /= self._temperature
        np.exp(weights, weights)
        if self._top_p < 1:
            kept = nucleus(weights, self._top_p)
            ids, weights = kept if ids is None else ids[kept], weights[kept]
        if self._min_p:
            weights *= weights >= self._min_p
        return ids, weights


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} is {value!r}; expected {expected}")
