"""From logits to tokens, on the host, for a batch of texts at once.

Each text has its own settings and its own stream of random numbers, and draws the same tokens alone
and in a batch. Number n of the stream decides token n: it is `RandomState(seed).random_sample()`,
whose stream NumPy has frozen for good, and picks from the probabilities in the order of the ids.
A token that is the only one possible, as in a text that follows a schema, uses its number up too.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Protocol

import numpy as np

from serving.errors import GenzooError
from serving.noise import uniform
from serving.text.filters import likeliest, nucleus, pick
from serving.text.sampling_config import SamplingConfig


class Constraint(Protocol):
    """What one text may go on with; of text, a `serving.text.constraints.Constraint`."""

    def allowed(self) -> np.ndarray:
        """Return the tokens that may come next, in rising order."""
        ...

    def take(self, token: int) -> None:
        """Go on by a token."""
        ...


_NO_PENALTY = {"repetition_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0}


class Sampler:
    """Draws the next token of each text of a batch.

    Args:
        configs: one for each text.
        seeds: one for each text, 0 <= seed < 2**32.
        prompts: the tokens of each prompt, for the repetition penalty.
        vocabulary_size: number of tokens V.
        constraints: what each text must follow, None for nothing; nothing of any by default.

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
        constraints: Sequence[Constraint | None] | None = None,
    ):
        followed = repeat(None, len(configs)) if constraints is None else constraints
        self._texts = [
            _TextSampler(config, seed, prompt, vocabulary_size, constraint)
            for config, seed, prompt, constraint in zip(
                configs, seeds, prompts, followed, strict=True
            )
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
        self,
        config: SamplingConfig,
        seed: int,
        prompt: Sequence[int],
        vocabulary_size: int,
        constraint: Constraint | None = None,
    ):
        config.check_vocabulary(vocabulary_size)
        self._config, self._stream = config, uniform(seed)
        self._numbers: Iterator[float] = self._stream  # with the next one, where it is known
        self._greedy = config.temperature == 0
        self._temperature = max(config.temperature, 1e-12)  # which makes no number overflow
        self._constraint = constraint
        self._top_k = config.top_k or vocabulary_size
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
        allowed = None  # ids of what is left of the logits, where some are not
        if self._constraint is not None:
            allowed = self._constraint.allowed()
            logits = logits[allowed]
        token = int(logits.argmax())  # of equals the lowest; the first NaN, if there is any
        highest = logits.item(token)
        if not math.isfinite(highest):
            raise GenzooError(
                "the network returned logits that are NaN or infinite, and no token can be drawn "
                "from them; its weights or its input are not what they should be"
            )
        if not self._greedy:
            number, ids = next(self._numbers), None
            if len(logits) > 1:
                ids, weights = self._weights(logits, highest)
                token = pick(weights, number)
            if ids is not None:
                token = ids.item(token)
        if self._constraint is not None and allowed is not None:
            token = allowed.item(token)
            self._constraint.take(token)
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
        if self._constraint is not None:
            logits = logits[self._constraint.allowed()]
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
            among = logs[likeliest(logs, self._top_k)] if self._top_k < len(logs) else logs
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
        allowed = np.arange(len(logits))
        if self._constraint is not None:
            allowed = self._constraint.allowed()
            logits = logits[allowed]
        if self._greedy:
            shares[allowed[logits.argmax()]] = 1
            return shares
        ids, weights = self._weights(logits, logits.max())
        shares[allowed if ids is None else allowed[ids]] = weights / weights.sum()
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
        if self._top_k < len(logits):
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
