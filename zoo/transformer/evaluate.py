"""How well a language model predicts text it was not trained on."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from serving.noise import SEED_LIMIT
from serving.text.memory import Step
from serving.text.scoring import Score, score
from zoo.config import Config
from zoo.data.styles.passages import Passage
from zoo.data.text import Text
from zoo.metric import Metric


class TextEvaluateConfig(Config):
    """The `[evaluate]` table of a text recipe.

    Args:
        stride: tokens by which the window moves on; half the context unless given. Each token is
            predicted from at least `context - stride` before it.
        limit: evaluate the first so many tokens of the held-out part; all unless given.
        batch_size: windows at once while validating in training; it changes no value.
        style_samples: texts to write in each style, of a model that has styles, for a classifier to
            say which style each is in; see `zoo.judge.styles`.
        style_characters: of each of those texts, and of the real ones that the classifier learns.
        style_seed: of those texts.

    Example:
        >>> TextEvaluateConfig(stride=16).limit is None
        True
    """

    stride: Annotated[int, Field(ge=1)] | None = None
    limit: Annotated[int, Field(ge=2)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 32
    style_samples: Annotated[int, Field(ge=1)] = 32
    style_characters: Annotated[int, Field(ge=50)] = 400
    style_seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0

    later: ClassVar[tuple[str, ...]] = ("style_samples", "style_characters", "style_seed")


def evaluate(step: Step, text: Text, settings: TextEvaluateConfig) -> Iterator[Metric]:
    """Yield nats and bits per character, and perplexity per token, of the held-out part of a text.

    `nats_per_character_disjoint` is of windows side by side, whose tokens see half the context on
    average: what nanoGPT and others print. Where a text has styles, each is predicted after its
    code, and `nats_per_character_without_style` is of the same text without.

    Args:
        step: the model, whatever runs it.
        text: of the recipe, in the tokens of the model.
        settings: of the recipe.

    Reference:
        Sliding windows as in Baevski and Auli 2019 (arXiv:1809.10853), section 4.3.
    """
    context = text.context
    stride = settings.stride or max(1, context // 2)
    passages = _first(text.passages("test"), settings.limit)
    sliding = _score(step, passages, context, stride)
    over = (
        f"every token of the held-out text but the first, predicted from at least "
        f"{context - stride} before it where there are so many (context {context}, stride {stride})"
    )
    measured = {
        "nats_per_character": (sliding, f"mean -log p, per character; {over}"),
        "nats_per_character_disjoint": (
            _score(step, passages, context, context),
            f"mean -log p, per character, in windows of {context} tokens side by side",
        ),
    }
    if text.styles:
        told = f"{over}; each style after its code"
        measured["nats_per_character"] = (sliding, f"mean -log p, per character; {told}")
        uncoded = [passage._replace(code=None) for passage in passages]
        measured["nats_per_character_without_style"] = (
            _score(step, uncoded, context, stride),
            f"mean -log p, per character, of the same text without codes; {over}",
        )
    per_token = text.characters_per_token("test")
    for name, (found, definition) in measured.items():
        yield _metric(found, name, found.nats_per_token / per_token, "nats/char", definition)
    bits = sliding.nats_per_token / per_token / math.log(2)
    yield _metric(sliding, "bits_per_character", bits, "bits/char", "nats_per_character / ln 2")
    meaning = f"exp of the mean -log p of a token; {over}"
    yield _metric(sliding, "perplexity", sliding.perplexity, "", meaning)


def _first(passages: Sequence[Passage], limit: int | None) -> list[Passage]:
    """Return the first so many tokens of all passages together, as many of each."""
    if limit is None:
        return list(passages)
    each = max(2, limit // len(passages))
    return [passage._replace(tokens=passage.tokens[:each]) for passage in passages]


def _score(step: Step, passages: Sequence[Passage], context: int, stride: int) -> Score:
    """Predict every token of each passage but the first of its `whole`."""
    found = [
        score(step, passage.whole, context=context, stride=stride, kept=passage.code is not None)
        for passage in passages
    ]
    return Score(np.concatenate([each.log_probs for each in found]))


def _metric(found: Score, name: str, value: float, unit: str, definition: str) -> Metric:
    return Metric(
        name=name,
        value=value,
        unit=unit,
        definition=definition,
        samples=found.tokens,
        counted="tokens",
        seed=0,
    )
