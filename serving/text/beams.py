"""Beam search: the likeliest continuation, looked for along several at once.

Reference:
    Freitag and Al-Onaizan 2017 (arXiv:1702.01806); the length penalty is a power of the length.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from serving.noise import checked_count
from serving.numbers import real
from serving.text.decoding import check_prompt
from serving.text.memory import Past, Step, take_rows

CHUNK = 64  # logits of which the largest is looked at first


class Hypothesis(NamedTuple):
    """A continuation: its tokens, and the log-probability of each in nats."""

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]

    def score(self, length_penalty: float) -> float:
        """Return what it is ranked by: log-probability over a power of the length."""
        return sum(self.log_probs) / float(len(self.ids) ** length_penalty)


def beam_search(
    step: Step,
    prompt: Sequence[int],
    *,
    beams: int,
    max_new_tokens: int,
    context: int,
    stop_ids: Collection[int] = (),
    length_penalty: float = 1.0,
) -> list[Hypothesis]:
    """Look for the likeliest continuations of a prompt.

    Args:
        step: the model.
        prompt: its tokens.
        beams: how many continuations are followed at once, and at most returned.
        max_new_tokens: where continuations end at the latest.
        context: most tokens that the model sees at once; must hold prompt and continuation.
        stop_ids: tokens that end a continuation.
        length_penalty: the score is the log-probability over this power of the number of tokens;
            0 favours short ones, 1 is the mean per token.

    Returns:
        Best first. The same call gives the same result.

    Raises:
        UsageError: an empty prompt, one that does not fit, or a number out of range.
    """
    found = beam_searches(
        step,
        [prompt],
        beams=beams,
        max_new_tokens=max_new_tokens,
        context=context,
        stop_ids=stop_ids,
        length_penalty=length_penalty,
    )
    return found[0]


def beam_searches(
    step: Callable[[np.ndarray, np.ndarray, np.ndarray, Any], tuple[np.ndarray, Any]],
    prompts: Sequence[Sequence[int]],
    *,
    beams: int,
    max_new_tokens: int,
    context: int,
    stop_ids: Collection[int] = (),
    length_penalty: float = 1.0,
    early: bool = False,
    take: Callable[[Any, np.ndarray], Any] = take_rows,
) -> list[list[Hypothesis]]:
    """Look for the likeliest continuations of several prompts of one length, read together.

    Args:
        step: the model: a `Step`, or what has a past of its own kind.
        prompts: tokens of each, as many of each.
        early: whether a search ends as soon as so many continuations have ended as are followed,
            and the best of these is better than what goes on is so far. Translations end soon;
            otherwise a search goes on as long as something better could be found.
        take: returns the past of some rows of the batch, in their order.
        beams, max_new_tokens, context, stop_ids, length_penalty: as of `beam_search`.

    Returns:
        Those of each prompt, best first.

    Raises:
        UsageError: as `beam_search`.
    """
    beams = checked_count(beams, "beams")
    max_new_tokens = checked_count(max_new_tokens, "max_new_tokens")
    length_penalty = real(length_penalty, "length_penalty", 0, 10)
    for prompt in prompts:
        check_prompt(prompt, max_new_tokens, context)
    ends = frozenset(stop_ids)
    searches = [_Search(beams, max_new_tokens, ends, length_penalty, early) for _ in prompts]
    ids, past = np.array(prompts, np.int64), None
    for _ in range(max_new_tokens):
        logits, past = _read(step, ids, past)
        found = likeliest(logits, 2 * beams)
        rows, tokens, first = [], [], 0
        for search in searches:
            width = len(search.running)
            if width:
                now = slice(first, first + width)
                rows += [first + row for row in search.extend(found.tokens[now], found.nats[now])]
                tokens += [hypothesis.ids[-1] for hypothesis in search.running]
                first += width
        if not rows:
            break
        past = take(past, np.array(rows))
        ids = np.concatenate([ids[rows], np.array(tokens)[:, None]], axis=1)
    return [search.best(search.finished + search.running) for search in searches]


class _Search:
    """The continuations of one prompt: those that go on, and those that have ended.

    Attributes:
        running, finished: as said; none is running once the search is over.
    """

    def __init__(
        self, beams: int, most: int, ends: frozenset[int], length_penalty: float, early: bool
    ) -> None:
        self._beams, self._most, self._ends = beams, most, ends
        self._length_penalty, self._early = length_penalty, early
        self.running: list[Hypothesis] = [Hypothesis((), ())]
        self.finished: list[Hypothesis] = []

    def extend(self, tokens: np.ndarray, log_probs: np.ndarray) -> list[int]:
        """Follow the best of the likeliest tokens `(running, N)` after what is running.

        Returns:
            The rows of those that go on.
        """
        candidates = _extended(self.running, tokens, log_probs, 2 * self._beams)
        ended = [
            found
            for _, found in candidates[: self._beams if self._early else None]
            if found.ids[-1] in self._ends
        ]
        self.finished = self.best(self.finished + ended)
        going = [pair for pair in candidates if pair[1].ids[-1] not in self._ends][: self._beams]
        self.running = [found for _, found in going]
        if self._is_over():
            self.running, going = [], []
        return [row for row, _ in going]

    def best(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """Return as many as are followed, best first."""

        def score(found: Hypothesis) -> float:
            return found.score(self._length_penalty)

        return sorted(hypotheses, key=score, reverse=True)[: self._beams]

    def _is_over(self) -> bool:
        if len(self.finished) < self._beams or not self.running:
            return not self.running
        # Log-probabilities only fall, so this is the most that what is running can reach.
        reach = sum(self.running[0].log_probs) / self._most**self._length_penalty
        least = self.finished[-1].score(self._length_penalty)
        if self._early:
            reach = self.running[0].score(self._length_penalty)
            least = self.finished[0].score(self._length_penalty)
        return bool(least >= reach)


class Likeliest(NamedTuple):
    """The likeliest tokens of each row, best first, and the log-probability of each in nats."""

    tokens: np.ndarray
    nats: np.ndarray


def likeliest(logits: np.ndarray, count: int) -> Likeliest:
    """Return the `count` likeliest tokens after each row `(R, V)`; of equal ones the lower first.

    They lie in those chunks whose largest logits are the largest, so that few need be sorted.

    Example:
        >>> found = likeliest(np.log(np.array([[0.2, 0.5, 0.3]])), 2)
        >>> found.tokens.tolist(), np.exp(found.nats).round(2).tolist()
        ([[1, 2]], [[0.5, 0.3]])
    """
    rows, size = logits.shape
    count, whole = min(count, size), size // CHUNK
    most = logits.max(-1, keepdims=True)
    total = np.exp(logits - most).sum(-1, keepdims=True, dtype=np.float64)
    ids = np.broadcast_to(np.arange(size), logits.shape)
    if whole > count:
        largest = logits[:, : whole * CHUNK].reshape(rows, whole, CHUNK).max(-1)
        chunks = np.sort(np.argsort(-largest, axis=-1, kind="stable")[:, :count], axis=-1)
        inside = (chunks[:, :, None] * CHUNK + np.arange(CHUNK)).reshape(rows, -1)
        ids = np.concatenate([inside, ids[:, whole * CHUNK :]], axis=-1)  # in rising order
    found = np.take_along_axis(logits, ids, axis=-1)
    order = np.argsort(-found, axis=-1, kind="stable")[:, :count]
    best = np.take_along_axis(found, order, axis=-1).astype(np.float64)
    return Likeliest(np.take_along_axis(ids, order, axis=-1), best - most - np.log(total))


def _read(step: Any, ids: np.ndarray, past: Past | None) -> tuple[np.ndarray, Any]:
    """Read the prompts or the newest tokens of `(R, T)`, and return the last logits `(R, V)`."""
    rows, total = ids.shape
    new = ids if past is None else ids[:, -1:]
    positions = np.tile(np.arange(total - new.shape[1], total), (rows, 1))
    logits, past = step(new, np.ones_like(ids), positions, past)
    return np.asarray(logits)[:, -1], past


def _extended(
    running: list[Hypothesis], tokens: np.ndarray, log_probs: np.ndarray, most: int
) -> list[tuple[int, Hypothesis]]:
    """Return the likeliest one-token extensions, best first, and which row each is of."""
    totals = np.array([sum(found.log_probs) for found in running])[:, None] + log_probs
    order = np.argsort(-totals, axis=None, kind="stable")[:most]  # of (running, N)
    rows, places = (axis.tolist() for axis in np.unravel_index(order, totals.shape))
    return [
        (
            row,
            Hypothesis(
                (*running[row].ids, int(tokens[row, place])),
                (*running[row].log_probs, float(log_probs[row, place])),
            ),
        )
        for row, place in zip(rows, places, strict=True)
    ]
