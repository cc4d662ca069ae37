"""Classes that nobody named: how much images tell of them, and how they fit labels.

Reference:
    Chen et al. 2016, InfoGAN (arXiv:1606.03657).
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from zoo.data.images import Images
from zoo.judge import generators
from zoo.judge.generators import GeneratorEvaluateConfig
from zoo.metric import Metric

ROWS = 500  # images in memory at once
Recognise = Callable[[np.ndarray], np.ndarray]  # images in [0, 1] to probabilities


class Finder(Protocol):
    """A model that draws images of classes, and finds the class of an image."""

    def generate(self, count: int, labels: Any = None, seed: Any = None) -> np.ndarray: ...

    def recognise(self, images: Any) -> Any: ...


def evaluate(
    model: Finder, images: Images, settings: GeneratorEvaluateConfig, classes: int
) -> list[Metric]:
    """Measure images, what they tell of their classes, and how these fit labels, if there are any.

    Args:
        model: a `zoo.GAN` or `serving.GAN` whose classes are implicit.
        images: of the recipe, which have no labels.
        settings: of the recipe.
        classes: of the model.
    """
    metrics = generators.evaluate(evenly(model.generate, classes), images, settings)
    metrics.append(bound(model.generate, model.recognise, classes, settings.samples, settings.seed))
    if images.source.classes:
        labelled = Images(images.config, images.image_shape, images.source.classes)
        metrics += matched(model.recognise, *labelled.arrays("test"))
    return metrics


def evenly(generate: Callable[..., np.ndarray], classes: int) -> Callable[..., np.ndarray]:
    """Return what draws images of all classes alike often, without being told of which."""

    def draw(count: int, seed: int) -> np.ndarray:
        return generate(count, labels=np.arange(count) % classes, seed=seed)

    return draw


def bound(
    generate: Callable[..., np.ndarray], recognise: Recognise, classes: int, count: int, seed: int
) -> Metric:
    """Measure, in nats, what images tell at least of the class that they were drawn with.

    It takes no labels, so that of several runs the best may be chosen by it.
    """
    labels = np.arange(count) % classes
    images = generate(count, labels=labels, seed=seed).astype(np.float32) / 255
    likely = _all(recognise, images)[np.arange(count), labels]
    return Metric(
        name="bound",
        value=math.log(classes) + float(np.mean(np.log(np.maximum(likely, 1e-12)))),
        unit="nats",
        definition="lower bound of the information between class and image: entropy of the "
        "classes, less the cross-entropy of those that are found in generated images",
        samples=count,
        seed=seed,
        better="higher",
    )


def matched(recognise: Recognise, images: np.ndarray, labels: np.ndarray) -> list[Metric]:
    """Measure how classes that were found fit labels that were never learned from.

    Args:
        recognise: gives the probability of each class.
        images: real ones, `(N, H, W, C)` in [0, 1].
        labels: `(N,)`.
    """
    found = _all(recognise, images).argmax(axis=1)
    size = max(int(found.max()), int(labels.max())) + 1
    counts = np.zeros((size, size), int)  # class found, label
    np.add.at(counts, (found, labels), 1)
    pairs = linear_sum_assignment(counts, maximize=True)
    definitions = {
        "matched_accuracy": (
            counts[pairs].sum(),
            "each standing for one label, as fits best",
        ),
        "majority_accuracy": (
            counts.max(axis=1).sum(),
            "each standing for its likeliest one",
        ),
    }
    return [
        Metric(
            name=name,
            value=float(right / len(labels)),
            unit="",
            definition=f"share of test images whose class, found without labels, is their label, "
            f"{way}",
            samples=len(labels),
            seed=0,
            better="higher",
        )
        for name, (right, way) in definitions.items()
    ]


def _all(recognise: Recognise, images: np.ndarray) -> np.ndarray:
    parts = range(0, len(images), ROWS)
    return np.concatenate([np.asarray(recognise(images[at : at + ROWS])) for at in parts])
