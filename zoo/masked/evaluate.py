"""How well hidden tokens are predicted, beside what counting words would say."""

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.text.filters import log_softmax
from zoo.config import Config
from zoo.data import tokenizers
from zoo.masked.data import FRAME, MASK_ID, ONE_IN, MaskedText
from zoo.masked.floors import Trigrams
from zoo.metric import Metric

ROWS = 16  # read at the same time, as their logits are large
NEIGHBOURS = 2  # tokens on each side that the floor of triples needs

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


class MaskedEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe of masked language models.

    Args:
        words: masked words of the test part, spread over it evenly.
        limit: use only this many tokens of the test part; all unless given.

    Example:
        >>> MaskedEvaluateConfig(limit=1000).words
        2000
    """

    words: Annotated[int, Field(ge=1)] = 2000
    limit: Annotated[int, Field(ge=2)] | None = None


def evaluate(
    predict: Predict, text: MaskedText, settings: MaskedEvaluateConfig
) -> Iterator[Metric]:
    """Yield nats per masked token, and how often a masked word is the first or among five.

    Beside the latter are those of counting: how often words come at all (`unigram`), and with two
    tokens before and two behind (`trigram`), both of which are told that it is a word.

    Args:
        predict: takes tokens and mask, int64 `(B, T)`, and returns logits `(B, T, V)`.
        text: of the recipe.
        settings: of the recipe.
    """
    nats = masked_nats(predict, text, settings.limit)
    yield Metric(
        name="nats_per_masked_token",
        value=float(nats.mean()),
        unit="nats/token",
        definition=f"mean -log p of each token of the held-out text, one in {ONE_IN} masked at a "
        f"time, given {text.context - FRAME} tokens side by side",
        samples=len(nats),
        counted="tokens",
        seed=0,
    )
    yield from _guesses(predict, text, settings)


def _guesses(
    predict: Predict, text: MaskedText, settings: MaskedEvaluateConfig
) -> Iterator[Metric]:
    """Yield what is said of masked words, by the model and by counting; nothing without words."""
    places, share = some_words(text, settings)
    if not len(places):
        return
    own = text.tokens("test")[places]
    found = {"": word_log_probs(predict, text, places)}
    found |= floors(text, places)
    told = {"": "", "_unigram": ", by how often words come", "_trigram": ", by two tokens on each "
            "side and how often triples come (Witten and Bell 1991)"}  # fmt: skip
    for name, log_probs in found.items():
        picked = np.take_along_axis(log_probs, own[:, None], axis=1)
        rank = (log_probs > picked).sum(axis=1)
        for top in (1, 5):
            yield _of_words(
                f"word_top{top}{name}",
                float((rank < top).mean()),
                f"share of masked words of the held-out text that are among the {top} likeliest"
                f"{told[name]}; words that are one token, {share:.0%} of those within lines",
                len(places),
                "higher",
            )
        words = f"mean -log p of a masked word{told[name]}"
        yield _of_words(f"nats_per_word{name}", -float(picked.mean()), words, len(places), "lower")


def _of_words(name: str, value: float, definition: str, samples: int, better: str) -> Metric:
    return Metric(
        name=name,
        value=value,
        unit="nats/word" if better == "lower" else "",
        definition=definition,
        samples=samples,
        counted="words",
        seed=0,
        better=better,
    )


def masked_nats(predict: Predict, text: MaskedText, limit: int | None = None) -> np.ndarray:
    """Return the surprise at each masked token of the test part, float64 `(tokens,)`."""
    inputs, targets, weights = text.measured("test", limit)
    found = []
    for start in range(0, len(targets), ROWS):
        some = slice(start, start + ROWS)
        ids, mask = (
            inputs[name][some].astype(np.int64) for name in ("input_ids", "attention_mask")
        )
        hidden = weights[some] > 0
        log_probs = log_softmax(predict(ids, mask)[hidden])  # (hidden, V)
        found.append(-np.take_along_axis(log_probs, targets[some][hidden][:, None], axis=1)[:, 0])
    return np.concatenate(found)


def some_words(text: MaskedText, settings: MaskedEvaluateConfig) -> tuple[np.ndarray, float]:
    """Return the places of words to be masked, and the share of words that are one token."""
    tokens = text.tokens("test")[: settings.limit]
    places, share = text.words("test")
    places = places[(places >= NEIGHBOURS) & (places < len(tokens) - NEIGHBOURS)]
    chosen = np.linspace(0, len(places) - 1, min(len(places), settings.words)).astype(int)
    return places[chosen], share


def word_log_probs(predict: Predict, text: MaskedText, places: np.ndarray) -> np.ndarray:
    """Return the log-probabilities of what is at places of the test part, `(places, V)`.

    Each is masked alone, in the middle of what the model sees.
    """
    tokens, found = text.tokens("test"), []
    length = min(text.context - FRAME, len(tokens))
    starts = np.clip(places - length // 2, 0, len(tokens) - length)
    for first in range(0, len(places), ROWS):
        start, place = (each[first : first + ROWS] for each in (starts, places))
        blocks = tokens[start[:, None] + np.arange(length)].astype(np.int64)
        ids = np.pad(blocks, ((0, 0), (1, 1)))
        ids[:, 0], ids[:, -1] = tokenizers.BOS, tokenizers.EOS
        each, own = np.arange(len(ids)), 1 + place - start
        ids[each, own] = MASK_ID
        found.append(log_softmax(predict(ids, np.ones_like(ids))[each, own]))
    return np.concatenate(found)


def floors(text: MaskedText, places: np.ndarray) -> dict[str, np.ndarray]:
    """Return the log-probabilities of what is at places of the test part, by counting alone.

    Returns:
        By `_unigram` and `_trigram`, `(places, V)`, -inf of what is no word.
    """
    tokens, words = text.tokens("test"), text.word_tokens
    counted = Trigrams(text.tokens("train"), text.size)

    def among_words(log_probs: np.ndarray) -> np.ndarray:
        kept = np.where(words, log_probs, -np.inf)
        return kept - np.log(np.exp(kept).sum(axis=-1, keepdims=True))

    triples = [counted.log_probs(tokens[at - 2 : at], tokens[at + 1 : at + 3]) for at in places]
    unigram = among_words(np.log(counted.unigram))
    return {
        "_unigram": np.broadcast_to(unigram, (len(places), text.size)),
        "_trigram": among_words(np.stack(triples)),
    }
