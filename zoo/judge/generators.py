"""How good a generator's images are, by a judge."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.noise import SEED_LIMIT
from zoo.config import Config
from zoo.data.images import Images
from zoo.judge import ClassifierConfig, Judge, load_judge
from zoo.judge.competence import check
from zoo.judge.loading import own_judge
from zoo.judge.samples import LEAST_IMAGES, Judged, consult, measure_samples
from zoo.judge.transfer import transfer_accuracy
from zoo.metric import Metric

Generate = Callable[..., np.ndarray]


class GeneratorEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe whose model draws images.

    Args:
        judge: `mnist`, `pixels`, `mobilenet`, or the work directory of a classifier; see
            `zoo.judge.load_judge`. It takes images of its own shape, and of its own classes.
        samples: images to generate, and as many real ones of each kind, if there are so many.
        lesson: images to generate for a classifier to be trained on, and then tested on real ones;
            conditional models only; 0 for no such test.
        validation_samples: images to generate after each epoch, to choose the best weights by.
        seed: of the latents.
    """

    judge: str = "pixels"
    samples: Annotated[int, Field(ge=LEAST_IMAGES)] = 10_000
    lesson: Annotated[int, Field(ge=0)] = 0
    validation_samples: Annotated[int, Field(ge=LEAST_IMAGES)] = 5_000
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0

    def places(self) -> dict[str, Path]:
        """Return where a judge lies that is named by its work directory."""
        path = own_judge(self.judge)
        return {"judge": path.absolute()} if path else {}


def chosen_judge(settings: GeneratorEvaluateConfig, images: Images) -> Judge:
    """Return the judge of a recipe, that can judge its images; see `zoo.judge.competence.check`.

    Raises:
        UsageError: there is no such judge, or it or the pupil of a lesson takes other images.
    """
    judge = load_judge(settings.judge)
    check(judge, images)
    if settings.lesson:
        _pupil(images)
    return judge


def drawn(generate: Generate, count: int, classes: int, seed: int) -> tuple[np.ndarray, ...]:
    """Generate images uint8 `(count, H, W, C)`; of a conditional model labels too, all alike often.

    Args:
        generate: of a model of `zoo`, or of `serving`.
        count: how many.
        classes: of the model; 0 for none.
        seed: of the latents.
    """
    if not classes:
        return (generate(count, seed=seed),)
    labels = np.arange(count) % classes
    return generate(count, labels=labels, seed=seed), labels


def evaluate(generate: Generate, images: Images, settings: GeneratorEvaluateConfig) -> list[Metric]:
    """Measure generated images against the test split, by a judge that was trained on neither.

    Args:
        generate: of a model of `zoo`, or of `serving`.
        images: of the recipe; what is held out of training stands in for a perfect generator.
        settings: of the recipe.

    Returns:
        The metrics of `zoo.judge.samples`; with `lesson` that of `zoo.judge.transfer`.
    """
    judge, classes = chosen_judge(settings, images), images.classes
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


def _lesson(generate: Generate, images: Images, settings: GeneratorEvaluateConfig) -> Metric:
    """Train a classifier on generated images, and one on real ones, and test both."""
    count, classes = settings.lesson, images.classes
    return transfer_accuracy(
        drawn(generate, count, classes, settings.seed),
        images.arrays("test"),
        _pupil(images),
        real=tuple(part[:count] for part in images.arrays("train")),
    )


def _pupil(images: Images) -> ClassifierConfig:
    """Return the classifier that a lesson is given to.

    Raises:
        UsageError: the images are too small for it.
    """
    values = {"image_shape": images.image_shape, "classes": images.classes}
    return ClassifierConfig.parse(values, "evaluate.lesson")
