"""How near one pass comes to what optimising the pixels of each painting reaches (Gatys 2016)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import numpy as np
import tensorflow as tf
from pydantic import Field

from serving.photographs.photograph import Photograph
from serving.photographs.restyling import SMALLEST, Styler
from zoo.config import Config
from zoo.metric import Metric
from zoo.style.config import StyleConfig
from zoo.style.data import StyleData, square, styles_of
from zoo.style.losses import content_distance, statistics, style_distance, variation
from zoo.style.perception import CONTENT, Perception, perception

AT_ONCE = 4  # pairs that are measured together
LEARNING_RATE, BETA_1, BETA_2 = 0.03, 0.9, 0.99  # of Adam, on intensities

Positive = Annotated[int, Field(gt=0)]
Losses = Mapping[str, np.ndarray]


class StyleEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe that restyles photographs.

    Args:
        pairs: of a photograph and a painting, none of which were learned from.
        steps: of optimising the pixels of each painting, which one pass is compared with; 0 to
            leave that out, which takes long.
        side: pixels of a side of what is compared.

    Example:
        >>> StyleEvaluateConfig(steps=0).pairs
        20
    """

    pairs: Positive = 20
    steps: Annotated[int, Field(ge=0)] = 100
    side: Annotated[int, Field(ge=SMALLEST)] = 128


class Pairs(NamedTuple):
    """Photographs, and what is wanted of their paintings.

    Attributes:
        photographs: float32 `(N, s, s, 3)` in [0, 1].
        paintings: whose styles are wanted.
        wanted: their statistics, `(N, T)`.
    """

    photographs: np.ndarray
    paintings: list[Photograph]
    wanted: np.ndarray


def pairs_of(data: StyleData, judge: Perception, count: int, side: int) -> Pairs:
    """Return pairs of what was not learned from: test photographs, paintings that were held out."""
    shown = data.squares("test", side, count)
    paintings = data.paintings.part(held_out=True).values()
    squares = np.stack([square(painting, side) for painting in paintings])
    wanted = styles_of((squares / 255).astype(np.float32), judge)
    rows, chosen = ([at % len(each) for at in range(count)] for each in (shown, squares))
    photographs = (shown[rows] / 255).astype(np.float32)
    return Pairs(photographs, [Photograph.of(squares[at]) for at in chosen], wanted[chosen])


def painted_losses(styler: Styler, pairs: Pairs, judge: Perception) -> Losses:
    """Return `content` and `style` of what is painted in one pass, `(N,)` each."""
    styles = [styler.style(painting) for painting in pairs.paintings]
    made = [
        styler.painter(photograph[None], style[None])[0]
        for photograph, style in zip(pairs.photographs, styles, strict=True)
    ]
    return losses_of(np.stack(made), pairs, judge)


def evaluate(
    styler: Styler, data: StyleData, config: StyleConfig, settings: StyleEvaluateConfig
) -> list[Metric]:
    """Measure what is painted in one pass, beside the photographs and per-image optimisation.

    Args:
        styler: of the model.
        data: of the recipe.
        config: of the model, whose loss is optimised.
        settings: of the recipe.
    """
    judge = perception(config.features)
    pairs = pairs_of(data, judge, settings.pairs, settings.side)
    once, before = painted_losses(styler, pairs, judge), losses_of(pairs.photographs, pairs, judge)
    found = [
        _metric("style", once["style"].mean(), settings, "style distance of paintings"),
        _metric("content", once["content"].mean(), settings, "content distance of paintings"),
        _metric(
            "style_left",
            once["style"].mean() / before["style"].mean(),
            settings,
            "style distance of paintings as a share of that of the photographs",
        ),
    ]
    return found + list(_beside_optimisation(once, pairs, judge, config, settings))


def losses_of(images: np.ndarray, pairs: Pairs, judge: Perception) -> Losses:
    """Return `content` and `style` of paintings of the pairs' photographs, `(N,)` each."""
    found: dict[str, list[np.ndarray]] = {"content": [], "style": []}
    for start in range(0, len(images), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        features = judge(images[rows])
        seen = judge(pairs.photographs[rows], count=CONTENT + 1)[CONTENT]
        own = statistics(images[rows], features)
        found["content"].append(content_distance(features[CONTENT], seen))
        found["style"].append(style_distance(own, pairs.wanted[rows], judge.channels))
    return {name: np.concatenate([np.asarray(each) for each in parts])
            for name, parts in found.items()}  # fmt: skip


def optimised(pairs: Pairs, judge: Perception, config: StyleConfig, steps: int) -> np.ndarray:
    """Return paintings whose pixels were optimised, from the photographs on, by Adam.

    Returns:
        float32 `(N, s, s, 3)` in [0, 1].
    """
    made = []
    for start in range(0, len(pairs.photographs), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        part = Pairs(pairs.photographs[rows], [], pairs.wanted[rows])
        made.append(_optimised(part, judge, config, steps))
    return np.concatenate(made)


def _optimised(pairs: Pairs, judge: Perception, config: StyleConfig, steps: int) -> np.ndarray:
    image = tf.Variable(pairs.photographs)
    first, second = (tf.Variable(tf.zeros_like(image)) for _ in range(2))  # moments
    seen = judge(pairs.photographs, count=CONTENT + 1)[CONTENT]

    @tf.function
    def step(number: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            features = judge(image)
            style = style_distance(statistics(image, features), pairs.wanted, judge.channels)
            loss = (
                content_distance(features[CONTENT], seen)
                + config.style_weight * style
                + config.variation_weight * variation(image)
            )
        gradient = tape.gradient(loss, image)
        first.assign(BETA_1 * first + (1 - BETA_1) * gradient)
        second.assign(BETA_2 * second + (1 - BETA_2) * tf.square(gradient))
        moved = first / (1 - BETA_1**number)
        size = tf.sqrt(second / (1 - BETA_2**number)) + 1e-8
        image.assign(tf.clip_by_value(image - LEARNING_RATE * moved / size, 0, 1))

    for number in range(1, steps + 1):
        step(tf.constant(number, tf.float32))
    return image.numpy()


def _beside_optimisation(
    once: Losses,
    pairs: Pairs,
    judge: Perception,
    config: StyleConfig,
    settings: StyleEvaluateConfig,
) -> Iterator[Metric]:
    if not settings.steps:
        return
    best = losses_of(optimised(pairs, judge, config, settings.steps), pairs, judge)
    for name in ("content", "style"):
        yield _metric(
            f"{name}_share",
            once[name].mean() / best[name].mean(),
            settings,
            f"{name} distance of paintings in one pass as a share of that of paintings whose "
            f"pixels were optimised for {settings.steps} steps each",
        )


def _metric(name: str, value: float, settings: StyleEvaluateConfig, what: str) -> Metric:
    return Metric(
        name=name,
        value=float(value),
        unit="",
        definition=f"mean {what}, of test photographs in the styles of paintings that were held "
        f"out, {settings.side} pixels a side",
        samples=settings.pairs,
        counted="pairs",
        seed=0,
        better="lower",
    )
