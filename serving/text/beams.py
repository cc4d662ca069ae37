"""Beam search: the likeliest continuation, looked for along several at once.

Reference:
    Freitag and Al-Onaizan 2017 (arXiv:1702.01806); the length penalty is a power of the length.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from serving.noise import checked_count
from serving.numbers import real
from serving.text.decoding import check_prompt
from serving.text.filters import log_softmax
from serving.text.memory import Past, Step, take_rows


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
    beams = checked_count(beams, "beams")
    max_new_tokens = checked_count(max_new_tokens, "max_new_tokens")
    length_penalty = real(length_penalty, "length_penalty", 0, 10)
    check_prompt(prompt, max_new_tokens, context)
    running, past = [Hypothesis((), ())], None
    finished: list[Hypothesis] = []

    def best(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        ranked = sorted(hypotheses, key=lambda found: found.score(length_penalty), reverse=True)
        return ranked[:beams]

    for _ in range(max_new_tokens):
        logits, past = _read(step, prompt, running, past)
        candidates = _extended(running, log_softmax(logits), 2 * beams)
        finished = best(finished + [found for _, found in candidates if found.ids[-1] in stop_ids])
        going = [(row, found) for row, found in candidates if found.ids[-1] not in stop_ids][:beams]
        running = [found for _, found in going]
        if not running:
            return finished
        # Log-probabilities only fall, so this is the most that what is running can reach.
        reach = sum(running[0].log_probs) / max_new_tokens**length_penalty
        if len(finished) == beams and finished[-1].score(length_penalty) >= reach:
            return finished
        past = take_rows(past, np.array([row for row, _ in going]))
    return best(finished + running)


def _read(
    step: Step, prompt: Sequence[int], running: list[Hypothesis], past: Past | None
) -> tuple[np.ndarray, Past]:
    """Read the prompt or the newest tokens, and return the last logits `(beams, V)`."""
    total = len(prompt) + len(running[0].ids)
    ids = np.array([prompt] if past is None else [found.ids[-1:] for found in running], np.int64)
    mask = np.ones((len(ids), total), np.int64)
    positions = np.tile(np.arange(total - ids.shape[1], total), (len(ids), 1))
    logits, past = step(ids, mask, positions, past)
    return np.asarray(logits)[:, -1], past


def _extended(
    running: list[Hypothesis], log_probs: np.ndarray, most: int
) -> list[tuple[int, Hypothesis]]:
    """Return the likeliest one-token extensions, best first, and which row each is of."""
    totals = np.array([sum(found.log_probs) for found in running])[:, None] + log_probs
    order = np.argsort(-totals, axis=None, kind="stable")[:most]  # of (beams, V)
    rows, tokens = (axis.tolist() for axis in np.unravel_index(order, totals.shape))
    return [
        (
            row,
            Hypothesis(
                (*running[row].ids, token),
                (*running[row].log_probs, float(log_probs[row, token])),
            ),
        )
        for row, token in zip(rows, tokens, strict=True)
    ]
