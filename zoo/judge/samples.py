"""How good generated images are: what a judge makes of them beside what it makes of real ones.

Each number comes with its floor: the same, measured on other real images in place of the generated
ones, as many of them, against the same reference. No generator is closer to the data than the data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from serving.errors import UsageError
from zoo.evaluation import modes
from zoo.evaluation.distances import frechet_distance, kernel_distance
from zoo.evaluation.neighbours import coverage, density, precision
from zoo.judge import Judge
from zoo.metric import Metric

# Of 30 digits the Frechet distance tells all ten classes from five of them in 99 of 100 draws, of
# 20 in 88, of 12 in 72. Of fewer than 20, coverage prefers the five: balls to the 5th neighbour of
# so few hold nearly everything.
LEAST_IMAGES = 30
LEAST_PER_CLASS = 10  # of which real images cover 9 of 10 classes, of 3 only 7
COVERED = (0.5, 2.0)  # a class's share over its real share between which it counts as covered


@dataclass(frozen=True)
class Judged:
    """What a judge says of N images, one row each.

    Attributes:
        features: `(N, F)`.
        probabilities: `(N, classes)`.
        labels: `(N,)`, what images are or were generated for; None where there are no labels.
    """

    features: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice | np.ndarray) -> "Judged":
        labels = None if self.labels is None else self.labels[rows]
        return Judged(self.features[rows], self.probabilities[rows], labels)


def consult(judge: Judge, images: np.ndarray, labels: np.ndarray | None = None) -> Judged:
    """Ask a judge about images.

    Args:
        judge: see `zoo.judge.Judge`.
        images: `(N, H, W, C)`, uint8 or float32 in [0, 1].
        labels: int `(N,)`, if there are any.
    """
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / 255
    labels = None if labels is None else np.asarray(labels)
    return Judged(judge.features(images), judge.probabilities(images), labels)


class Measure(NamedTuple):
    """A number of generated images and of a reference; of classes, it wants some of each."""

    name: str
    definition: str
    value: Callable[[Judged, Judged], float]
    better: Literal["lower", "higher"] = "higher"
    of_classes: bool = False


PAIRED = (
    Measure(
        "fcd",
        "Frechet classifier distance: squared Frechet distance of Gaussians fitted to the judge's "
        "features of generated and of real images",
        lambda sample, real: frechet_distance(sample.features, real.features),
        "lower",
    ),
    Measure(
        "kid",
        "squared maximum mean discrepancy of the judge's features under the kernel (x y / F + 1)^3,"
        " unbiased, mean over blocks of up to 1000",
        lambda sample, real: kernel_distance(sample.features, real.features)[0],
        "lower",
    ),
    Measure(
        "inception_score",
        "exp of the mean divergence of the judge's classes of an image from those of all images, "
        "mean over 10 parts; the floor is that of real images",
        lambda sample, real: modes.inception_score(sample.probabilities),
        of_classes=True,
    ),
    Measure(
        "precision",
        "share of generated features within the ball of a real one to its 3rd nearest neighbour",
        lambda sample, real: precision(sample.features, real.features),
    ),
    Measure(
        "recall",
        "share of real features within the ball of a generated one to its 3rd nearest neighbour",
        lambda sample, real: precision(real.features, sample.features),
    ),
    Measure(
        "density",
        "mean number of real balls, to the 5th nearest neighbour, around a generated feature, / 5",
        lambda sample, real: density(sample.features, real.features),
    ),
    Measure(
        "coverage",
        "share of real features with a generated one in their ball to the 5th nearest neighbour",
        lambda sample, real: coverage(sample.features, real.features),
    ),
    Measure(
        "least_class_share",
        "share of generated images in a class by the judge, over that of real images; least class",
        lambda sample, real: _relative(sample, real).min(),
        of_classes=True,
    ),
    Measure(
        "largest_class_share",
        "share of generated images in a class by the judge, over that of real images; largest "
        "class",
        lambda sample, real: _relative(sample, real).max(),
        "lower",
        of_classes=True,
    ),
    Measure(
        "classes_covered",
        "classes whose share of generated images is 0.5 to 2 times that of real images",
        lambda sample, real: np.sum(
            (_relative(sample, real) >= COVERED[0]) & (_relative(sample, real) <= COVERED[1])
        ),
        of_classes=True,
    ),
)


def measure_samples(
    judge: Judge, generated: Judged, real: Judged, stand_in: Judged, seed: int = 0
) -> Iterator[Metric]:
    """Yield every metric of generated images.

    As many images are used of each kind as there are of the fewest (for the label agreement, all
    that were generated). What is counted by class is left out where there are fewer than
    `LEAST_PER_CLASS` images for each.

    Args:
        judge: who was consulted.
        generated: what it said of generated images, in any order.
        real: what it said of real images, the reference; neither model nor judge was trained on
            them.
        stand_in: what it said of other real images, of which the same holds: a perfect generator.
        seed: of the order, on which blocks depend.

    Returns:
        Metrics whose further keys are `floor`, `judge`, `judge_sha256`, and for `kid` its
        `standard_error`, for `classes_covered` the `shares` of each class.

    Raises:
        UsageError: there are fewer than `LEAST_IMAGES` of a kind.
    """
    count = min(len(generated), len(real), len(stand_in))
    if count < LEAST_IMAGES:
        raise UsageError(
            f"there are {len(generated)} generated and {len(real)} and {len(stand_in)} real "
            f"images; expected at least {LEAST_IMAGES} of each"
        )
    random, everything, all_real = np.random.RandomState(seed), generated, real
    generated, reference, stand_in = (
        each[random.permutation(len(each))[:count]] for each in (generated, real, stand_in)
    )
    shared = {"unit": "", "seed": seed, "judge": judge.name, "judge_sha256": judge.sha256}
    further = {
        "kid": {"standard_error": kernel_distance(generated.features, reference.features)[1]},
        "classes_covered": {"shares": modes.class_shares(generated.probabilities).tolist()},
    }
    classes = generated.probabilities.shape[1]
    for name, definition, value, better, of_classes in PAIRED:
        if of_classes and count < LEAST_PER_CLASS * classes:
            continue
        yield Metric(
            name=name,
            value=float(value(generated, reference)),
            definition=definition,
            samples=count,
            floor=float(value(stand_in, reference)),
            better=better,
            **shared,
            **further.get(name, {}),
        )
    if everything.labels is not None:
        yield Metric(
            name="label_agreement",
            value=modes.label_agreement(everything.probabilities, everything.labels),
            definition="share of generated images that the judge takes for what was asked for; the "
            "floor is its share of real images taken for what they are",
            samples=len(everything),
            floor=modes.label_agreement(all_real.probabilities, all_real.labels),
            better="higher",
            **shared,
        )


def _relative(sample: Judged, real: Judged) -> np.ndarray:
    return modes.relative_shares(sample.probabilities, real.probabilities)
