"""A masked language model for people: text in; words, numbers or vectors out, whatever runs it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from serving.errors import UsageError
from serving.noise import checked_count
from serving.numbers import whole
from serving.text.filters import log_softmax
from serving.text.scoring import Score
from serving.text.tokenizer import Tokenizer

MASK = "[MASK]"  # stands for a token that is not known
AT_ONCE = 32  # texts turned into vectors at the same time
LOGITS = 2**23  # that are held at once


class Network(Protocol):
    """A Transformer whose tokens see all others, whatever runs it.

    Both methods take token ids and a mask, int64 `(B, T)`: 1 for tokens, 0 for padding on the
    right, which changes nothing.
    """

    def predict(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Return the logits of the token at each place, `(B, T, V)`."""

    def states(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Return what the model makes of each token, `(B, T, W)`."""


@dataclass(frozen=True)
class Filling:
    """What may stand in the gaps of a text.

    Attributes:
        text: with its gaps filled.
        words: that fill them, each a token without the space before it.
        log_prob: of these words given the rest, in nats.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float

    @property
    def probability(self) -> float:
        """Of these words given the rest, 0 to 1."""
        return float(np.exp(self.log_prob))


class TextFiller:
    """Fills gaps of texts, scores texts and turns them into vectors.

    A text gives the same alone and in a batch, whose shorter texts are padded.

    Args:
        network: a masked language model.
        tokenizer: of the model, which says what is put before each text and behind.
        context: most tokens that the model takes, those included.
        mask: the token that stands for a gap.
    """

    def __init__(self, network: Network, tokenizer: Tokenizer, context: int, mask: int):
        self.network, self.tokenizer, self.context, self._mask = network, tokenizer, context, mask
        # Special tokens, a gap itself among them, are never what stands in a gap.
        self._wordless = [at for at in range(tokenizer.size) if not tokenizer.bytes_of(at)]

    # --- calls ---

    def fill(self, text: str, top_k: int = 5) -> list[Filling]:
        """Say what may stand in the gaps of a text, likeliest first.

        Several gaps are filled from the left, each given those before; of each number of filled
        gaps the `top_k` likeliest ways are followed.

        Args:
            text: with `[MASK]` for each gap. A gap is one token: most words are, rare ones are not.
            top_k: how many fillings.

        Raises:
            UsageError: the text has no gap, is too long, or `top_k` is out of range.
        """
        top_k = whole(top_k, "top_k", 1, self.tokenizer.size)
        ids = self._read(text, "the text", gaps=True)
        gaps = [at for at, token in enumerate(ids) if token == self._mask]
        if not gaps:
            raise UsageError(f"the text has no {MASK}; put one where a word is missing")
        rows, nats = np.array([ids]), np.zeros(1)
        for at in gaps:
            sums = nats[:, None] + self._predicted(rows, at)  # (R, V)
            best = np.argsort(-sums, axis=None, kind="stable")[:top_k]
            chosen, tokens = np.unravel_index(best, sums.shape)
            rows, nats = rows[chosen], sums[chosen, tokens]
            rows[:, at] = tokens
        kept = np.isfinite(nats)  # where more were wanted than there are
        return [
            self._filling(text, row, gaps, float(each))
            for row, each in zip(rows[kept], nats[kept], strict=True)
        ]

    def score(self, text: str) -> Score:
        """Return the pseudo-log-likelihood of a text: of each token given all others.

        Args:
            text: as long as the model takes.

        Raises:
            UsageError: the text is empty or too long.

        Reference:
            Salazar et al. 2020, Masked Language Model Scoring (arXiv:1910.14659).
        """
        (log_probs,) = self.log_probs([text])
        return Score(log_probs, len(text), len(text.encode()))

    def embed(self, text: str | Sequence[str], normalised: bool = False) -> np.ndarray:
        """Turn texts into vectors: the mean of what the model makes of their tokens.

        Args:
            text: one, or several, as long as the model takes.
            normalised: whether vectors are made to have length 1, so that the product of two is the
                cosine of their angle.

        Returns:
            float32 `(texts, W)`, of one text `(1, W)`.

        Raises:
            UsageError: a text is empty or too long.
        """
        texts = [text] if isinstance(text, str) else list(text)
        checked_count(len(texts), "the number of texts")
        rows = [self._read(each, _named(at, texts)) for at, each in enumerate(texts)]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        found: dict[int, np.ndarray] = {}
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            ids, mask = self._padded([rows[at] for at in some])
            states = self.network.states(ids, mask)  # (B, T, W)
            sums = (states * mask[..., None]).sum(axis=1, dtype=np.float64)
            means = sums / mask.sum(axis=1, keepdims=True)  # (B, W)
            if normalised:
                means /= np.linalg.norm(means, axis=1, keepdims=True)
            found |= zip(some, means.astype(np.float32), strict=True)
        return np.stack([found[at] for at in range(len(rows))])

    # --- for many texts ---

    def log_probs(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the log-probability of each token of texts given all others, in nats.

        Args:
            texts: none empty.

        Returns:
            float64 `(tokens,)` for each.
        """
        rows = [self._read(each, _named(at, texts)) for at, each in enumerate(texts)]
        first, last = len(self.tokenizer.begin), -1  # what is put around a text does not count
        found = [np.empty(len(row[first:last])) for row in rows]
        # A row for each token, in which it is hidden; those of short texts first.
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        jobs = [(at, place) for at in order for place in range(len(found[at]))]
        for some in self._groups(jobs, [len(row) for row in rows]):
            ids, mask = self._padded([rows[at] for at, _ in some])
            places = np.array([first + place for _, place in some])
            own, each = ids[np.arange(len(ids)), places], np.arange(len(ids))
            ids[each, places] = self._mask
            logits = self.network.predict(ids, mask)[each, places]  # (B, V)
            picked = log_softmax(logits)[each, own]
            for (at, place), value in zip(some, picked, strict=True):
                found[at][place] = value
        return found

    # --- parts ---

    def _read(self, text: str, what: str, gaps: bool = False) -> list[int]:
        """Return the tokens of a text and those around it; with `gaps`, those of `[MASK]` too."""
        if not isinstance(text, str):
            raise UsageError(f"{what} is {type(text).__name__}; expected a string")
        if not text.strip():
            raise UsageError(f"{what} is empty; give it at least one word")
        parts = text.split(MASK) if gaps else [text]
        ids: list[int] = []
        for number, part in enumerate(parts):
            ids += [self._mask] * (number > 0)
            # A gap takes the space before it along, as a word does.
            part = part.rstrip() if number < len(parts) - 1 else part
            ids += self.tokenizer.encode(part, what) if part else []
        framed = [*self.tokenizer.begin, *ids, self.tokenizer.eos]
        if len(framed) > self.context:
            raise UsageError(
                f"{what} has {len(ids)} tokens, and this model takes "
                f"{self.context - len(framed) + len(ids)}; give it sentence by sentence"
            )
        return framed

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of one length, padded on the right, and their mask: int64 `(B, T)`."""
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self.tokenizer.pad or 0, np.int64)
        mask = np.zeros_like(ids)
        for own, real, row in zip(ids, mask, rows, strict=True):
            own[: len(row)], real[: len(row)] = row, 1
        return ids, mask

    def _groups(
        self, jobs: Sequence[tuple[int, int]], lengths: Sequence[int]
    ) -> Iterator[Sequence[tuple[int, int]]]:
        """Yield as many rows at once as their logits have room for; the longest comes last."""
        start = 0
        while start < len(jobs):
            end = start + 1
            while end < len(jobs) and self._fits(end + 1 - start, lengths[jobs[end][0]]):
                end += 1
            yield jobs[start:end]
            start = end

    def _fits(self, rows: int, length: int) -> bool:
        return rows * length * self.tokenizer.size <= LOGITS

    def _predicted(self, rows: np.ndarray, at: int) -> np.ndarray:
        """Return the log-probabilities of what may stand at one place of rows, `(R, V)`."""
        step = max(1, LOGITS // (rows.shape[1] * self.tokenizer.size))
        parts = [rows[start : start + step] for start in range(0, len(rows), step)]
        logits = [self.network.predict(part, np.ones_like(part))[:, at] for part in parts]
        log_probs = log_softmax(np.concatenate(logits))
        log_probs[:, self._wordless] = -np.inf
        return log_probs

    def _filling(self, text: str, row: np.ndarray, gaps: Sequence[int], nats: float) -> Filling:
        first, last = len(self.tokenizer.begin), -1
        filled = self.tokenizer.decode(row[first:last].tolist())
        # A word brings the space before it along, which at the beginning there is none of.
        filled = filled.lstrip() if text.startswith(MASK) else filled
        words = tuple(self.tokenizer.decode([int(row[at])]).strip(" ") for at in gaps)
        return Filling(filled, words, nats)


def _named(at: int, texts: Sequence[str]) -> str:
    return f"text {at + 1}" if len(texts) > 1 else "the text"
