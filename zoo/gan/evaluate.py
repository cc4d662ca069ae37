"""How good a GAN's images are, by a judge."""

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.config import Config
from zoo.evaluation.metric import Metric
from zoo.evaluation.samples import Judged, consult, measure_samples
from zoo.judge import Judge
from zoo.noise import SEED_LIMIT

Generate = Callable[..., np.ndarray]


class GANEvaluateConfig(Config):
    """The `[evaluate]` table of a GAN's recipe.

    Args:
        judge: `mnist`, `pixels`, or the work directory of a classifier; see `zoo.judge.load_judge`.
        samples: images to generate, and as many real ones of each kind, if there are so many.
        lesson: images to generate for a classifier to be trained on, and then tested on real ones;
            conditional models only; 0 for no such test.
        validation_samples: images to generate after each epoch, to choose the best weights by.
        seed: of the latents.
    """

    judge: str = "pixels"
    samples: Annotated[int, Field(ge=2)] = 10_000
    lesson: Annotated[int, Field(ge=0)] = 0
    validation_samples: Annotated[int, Field(ge=2)] = 5_000
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0


def drawn(generate: Generate, count: int, classes: int, seed: int) -> tuple[np.ndarray, ...]:
    """Generate images uint8 `(count, H, W, C)`; of a conditional model labels too, all alike often.

    Args:
        generate: of a `zoo.gan.GAN`, or of `serving.GAN`.
        count: how many.
        classes: of the model; 0 for none.
        seed: of the latents.
    """
    if not classes:
        return (generate(count, seed=seed),)
    labels = np.arange(count) % classes
    return generate(count, labels=labels, seed=seed), labels


def evaluate(
    generate: Generate,
    classes: int,
    judge: Judge,
    real: tuple[np.ndarray, np.ndarray | None],
    stand_in: tuple[np.ndarray, np.ndarray | None],
    settings: GANEvaluateConfig,
) -> Iterator[Metric]:
    """Yield every metric of `zoo.evaluation.samples`.

    Args:
        generate: of a `zoo.gan.GAN`, or of `serving.GAN`.
        classes: of the model; 0 for none.
        judge: see `zoo.judge.Judge`.
        real: test images, float32 in [0, 1], and labels if there are any.
        stand_in: other held-out images and labels; see `measure_samples`.
        settings: of the recipe.
    """
    generated = consult(judge, *drawn(generate, settings.samples, classes, settings.seed))
    if generated.probabilities.shape[1] == 1:  # a judge of no labels cannot check any
        generated = Judged(generated.features, generated.probabilities)
    rows = slice(settings.samples)
    held_out = (consult(judge, *(_cut(each, rows) for each in kind)) for kind in (real, stand_in))
    yield from measure_samples(judge, generated, *held_out, seed=settings.seed)


def _cut(values: np.ndarray | None, rows: slice) -> np.ndarray | None:
    return None if values is None else values[rows]
