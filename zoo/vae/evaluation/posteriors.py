"""The posterior of every image, and the images it is one of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.vae.evaluation.subject import Labels, LatentModel


@dataclass(frozen=True)
class Posteriors:
    """The posterior and the prior of each of N images: float32 arrays `(N, D)`."""

    mean: np.ndarray
    log_variance: np.ndarray
    prior_mean: np.ndarray
    prior_log_variance: np.ndarray

    def __getitem__(self, rows: slice) -> tuple[np.ndarray, ...]:
        """Return the four arrays at some rows, in the order of the fields."""
        return tuple(value[rows] for value in vars(self).values())


def infer(subject: LatentModel, images: np.ndarray, labels: Labels, batch_size: int) -> Posteriors:
    """Encode images `(N, H, W, C)`, a batch at a time."""
    parts = [
        subject.encode(images[rows], at(labels, rows)) for rows in batches(len(images), batch_size)
    ]
    mean, log_variance = (
        np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)
    )
    if subject.classes:
        prior = tuple(np.asarray(part, np.float32) for part in subject.prior(labels))
    else:
        prior = np.zeros_like(mean), np.zeros_like(mean)
    return Posteriors(mean, log_variance, *prior)


def batches(count: int, size: int) -> Iterator[slice]:
    """Yield slices that cover `range(count)`, each of at most `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def at(labels: Labels, rows: slice) -> Labels:
    """Return some rows of labels that may be absent."""
    return None if labels is None else labels[rows]


def observed(images: np.ndarray, likelihood: str, seed: int) -> np.ndarray:
    """Return images of the kind a likelihood is a probability of.

    A Bernoulli likelihood is one of binary images: each pixel becomes 1 with the probability of its
    intensity, in one draw fixed by the seed, which for the first images does not depend on how many
    follow. Other likelihoods take the images as they are.
    """
    if likelihood != "bernoulli":
        return images
    uniform = np.random.default_rng((seed, 0)).random(images.shape, dtype=np.float32)
    return (uniform < images).astype(np.float32)
