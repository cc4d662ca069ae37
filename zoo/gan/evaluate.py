"""How good a GAN's images are, by a judge."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.noise import SEED_LIMIT
from zoo.config import Config
from zoo.data.images import Images
from zoo.judge import ClassifierConfig, load_judge
from zoo.judge.samples import Judged, consult, measure_samples
from zoo.judge.transfer import transfer_accuracy
from zoo.metric import Metric

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


def evaluate(generate: Generate, images: Images, settings: GANEvaluateConfig) -> list[Metric]:
    """Measure generated images against the test split, by a judge that was trained on neither.

    Args:
        generate: of a `zoo.gan.GAN`, or of `serving.GAN`.
        images: of the recipe; what is held out of training stands in for a perfect generator.
        settings: of the recipe.

    Returns:
        The metrics of `zoo.judge.samples`; with `lesson` that of `zoo.judge.transfer`.
    """
    judge, classes = load_judge(settings.judge), images.classes
    generated = consult(judge, *drawn(generate, settings.samples, classes, settings.seed))
    if generated.probabilities.shape[1] == 1:  # a judge of no labels cannot check any
        generated = Judged(generated.features, generated.probabilities)
    rows = slice(settings.samples)
    real, stand_in = (
        consult(judge, *(None if part is None else part[rows] for part in images.arrays(split)))
        for split in ("test", "validation")
    )
    metrics = list(measure_samples(judge, generated, real, stand_in, seed=settings.seed))
    return [*metrics, _lesson(generate, images, settings)] if settings.lesson else metrics


def _lesson(generate: Generate, images: Images, settings: GANEvaluateConfig) -> Metric:
    """Train a classifier on generated images, and one on real ones, and test both."""
    count, classes = settings.lesson, images.classes
    return transfer_accuracy(
        drawn(generate, count, classes, settings.seed),
        images.arrays("test"),
        ClassifierConfig(image_shape=images.image_shape, classes=classes),
        real=tuple(part[:count] for part in images.arrays("train")),
    )
