"""From logits to tokens, on the host, for a batch of texts at once.

Each text has its own settings and its own stream of random numbers, and draws the same tokens alone
and in a batch. Number n of the stream decides token n: it is `RandomState(seed).random_sample()`,
whose stream NumPy has frozen for good, and picks from the probabilities in the order of the ids.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import chain
from typing import Annotated, Any, get_type_hints

import numpy as np

from serving.errors import GenzooError, UsageError
from serving.noise import uniform
from serving.numbers import real, shown, whole
from serving.parameters import Parameter, declared_parameter
from serving.text.filters import likeliest, nucleus, pick

BIAS_LIMIT = 1e4  # large enough to forbid or to force a token
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
        checked = {name: each.check(getattr(self, name)) for name, each in _numbers().items()}
        if not isinstance(self.logit_bias, Mapping):
            biases = shown(self.logit_bias)
            raise UsageError(f"logit_bias is {biases}; expected numbers by token id")
        checked["logit_bias"] = {
            _token(key): real(bias, f"logit_bias of token {shown(key)}", -BIAS_LIMIT, BIAS_LIMIT)
            for key, bias in self.logit_bias.items()
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the dataclass is frozen

    def check_vocabulary(self, size: int) -> None:
        """Raise UsageError where top_k or logit_bias name more tokens than the model has."""
        if self.top_k is not None:
            whole(self.top_k, "top_k", 1, size, also=", the vocabulary, or None")
        for token in self.logit_bias:
            if token >= size:
                raise UsageError(f"a token of logit_bias is {token}; expected 0 to {size - 1}")


@cache
def _numbers() -> dict[str, Parameter]:
    """Return how each number of a `SamplingConfig` is checked, of whatever model."""
    hints = get_type_hints(SamplingConfig, include_extras=True)
    found = {}
    for name in (each.name for each in fields(SamplingConfig) if each.name != "logit_bias"):
        declared = declared_parameter(name, hints[name], getattr(SamplingConfig, name))
        most = None if callable(declared.maximum) else declared.maximum
        found[name] = replace(declared, each=False, maximum=most)
    return found


def _token(key: Any) -> int:
    """Return a key of `logit_bias` as the id of a token; in JSON it is text."""
    if isinstance(key, str) and key.isascii() and key.isdigit():
        key = int(key[:20])
    return whole(key, "a token of logit_bias", 0)


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
        for index, row in enumerate(range(len(self._texts)) if rows is None else rows):
            drawn.append(self._texts[row].draw(logits[index]))
        return drawn

    def sure(self, logits: np.ndarray, error: float) -> bool:
        """Tell whether the one text would draw the same token if its logits were a little other.

        Args:
            logits: `(V,)`; nothing is drawn from them.
            error: by how much of the largest of them each may be off.
        """
        [text] = self._texts
        return text.sure(logits, error)

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
        self._config, self._stream = config, uniform(seed)
        self._numbers: Iterator[float] = self._stream  # with the next one, where it is known
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

    def sure(self, logits: np.ndarray, error: float) -> bool:
        """Tell whether the next token is the same if each logit is off by a share of the largest.

        A share that may be drawn lies between two borders. They move by half the error of the
        logarithm of a weight, and by the weight of what the filters may let in or leave out.
        """
        error *= float(np.abs(logits).max())
        if self._adjusts:
            logits = self._adjusted(logits)
            error *= max(self._config.repetition_penalty, 1 / self._config.repetition_penalty)
        highest = logits.max()
        error += float(np.spacing(np.float32(abs(highest))))  # where a large bias rounds the rest
        if self._greedy:
            return int(np.count_nonzero(logits >= highest - 2 * error)) == 1
        error /= self._temperature
        if not error < 0.01:  # NaN and infinity as well
            return False
        ids, weights = self._weights(logits, highest)
        doubt = error + self._doubt((logits - highest) / self._temperature, ids, weights, error)
        share = next(self._numbers)
        self._numbers = chain((share,), self._stream)
        low, high = share - 5 * doubt, share + 5 * doubt
        return low >= 0 and high < 1 and pick(weights, low) == pick(weights, high)

    def _doubt(
        self, logs: np.ndarray, ids: np.ndarray | None, weights: np.ndarray, error: float
    ) -> float:
        """Return the share of those tokens of which it is not sure whether the filters keep them.

        Args:
            logs: of the weights of all tokens, `(V,)`, each off by at most `error`.
            ids, weights: of those that are kept, see `_weights`.
            error: as said.
        """
        kept, near = np.zeros((2, len(logs)), bool)
        kept[slice(None) if ids is None else ids] = weights > 0
        if not kept.all():
            lightest, heaviest = logs[kept].min(), logs[~kept].max()  # of those kept, of the others
            if lightest - heaviest <= 2 * error:
                near = (logs >= heaviest - 2 * error) & (logs <= lightest + 2 * error)
        if self._min_p:
            near |= np.abs(logs - math.log(self._min_p)) <= 2 * error
        doubt = float(np.exp(logs[near]).sum() / weights.sum())
        if self._top_p < 1:
            among = logs if self._top_k is None else logs[likeliest(logs, self._top_k)]
            shares = np.sort(np.exp(among.astype(np.float64)))[::-1]
            shares /= shares.sum()
            before = np.add.accumulate(shares) - shares
            doubt += float(shares[np.abs(before - self._top_p) <= 2 * (error + doubt)].sum())
        return doubt

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
        if self._counts is None:
            return logits
        return self._with_penalties(logits.astype(np.float64), self._counts)

    def _with_penalties(self, logits: np.ndarray, counts: np.ndarray) -> np.ndarray:
        config = self._config
        penalty = config.repetition_penalty
        penalised = np.where(logits > 0, logits / penalty, logits * penalty)
        logits = np.where(self._met, penalised, logits)
        logits = logits - config.frequency_penalty * counts
        return np.asarray(logits - config.presence_penalty * (counts > 0))

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
            inside = nucleus(weights, self._top_p)
            ids, weights = inside if ids is None else ids[inside], weights[inside]
        if self._min_p:
            weights *= weights >= self._min_p
        return ids, weights
