"""How well a language model predicts text it was not trained on."""

import math
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.text.memory import Step
from serving.text.scoring import score
from zoo.config import Config
from zoo.metric import Metric


class TextEvaluateConfig(Config):
    """The `[evaluate]` table of a text recipe.

    Args:
        stride: tokens by which the window moves on; half the context unless given. Each token is
            predicted from at least `context - stride` before it.
        limit: evaluate the first so many tokens of the held-out part; all unless given.
        batch_size: windows at once while validating in training; it changes no value.

    Example:
        >>> TextEvaluateConfig(stride=16).limit is None
        True
    """

    stride: Annotated[int, Field(ge=1)] | None = None
    limit: Annotated[int, Field(ge=2)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 32


def evaluate(
    step: Step,
    tokens: np.ndarray,
    characters_per_token: float,
    context: int,
    settings: TextEvaluateConfig,
) -> Iterator[Metric]:
    """Yield nats and bits per character, and perplexity per token, of a held-out text.

    `nats_per_character_disjoint` is of windows side by side, whose tokens see half the context on
    average: what nanoGPT and others print.

    Args:
        step: the model, whatever runs it.
        tokens: of the text, `(N,)`.
        characters_per_token: of the whole text, 1 for a character model.
        context: most tokens that the model sees at once.
        settings: of the recipe.

    Reference:
        Sliding windows as in Baevski and Auli 2019 (arXiv:1809.10853), section 4.3.
    """
    tokens = tokens[: settings.limit]
    stride = settings.stride or max(1, context // 2)
    sliding = score(step, tokens, context=context, stride=stride)
    disjoint = score(step, tokens, context=context, stride=context)
    over = (
        f"every token of the held-out text but the first, predicted from at least "
        f"{context - stride} before it where there are so many (context {context}, stride {stride})"
    )
    nats, nats_disjoint = (
        found.nats_per_token / characters_per_token for found in (sliding, disjoint)
    )
    apart = f"mean -log p, per character, in windows of {context} tokens side by side"
    for name, value, unit, definition in (
        ("nats_per_character", nats, "nats/char", f"mean -log p, per character; {over}"),
        ("nats_per_character_disjoint", nats_disjoint, "nats/char", apart),
        ("bits_per_character", nats / math.log(2), "bits/char", "nats_per_character / ln 2"),
        ("perplexity", sliding.perplexity, "", f"exp of the mean -log p of a token; {over}"),
    ):
        yield Metric(
            name=name,
            value=value,
            unit=unit,
            definition=definition,
            samples=sliding.tokens,
            counted="tokens",
            seed=0,
        )
