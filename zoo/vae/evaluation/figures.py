"""Two pictures that say what numbers do not: reconstructions, and a walk along each latent unit."""

from pathlib import Path

import numpy as np

from serving.content import pictures
from zoo.vae.evaluation.config import EvaluateConfig
from zoo.vae.evaluation.latents import activity
from zoo.vae.evaluation.posteriors import at, infer
from zoo.vae.evaluation.reconstruction import decode, reconstruct
from zoo.vae.evaluation.subject import Labels, LatentModel

COLUMNS = 11
PAIRED_ROWS = 4
UNITS = 10
REACH = 3.0  # standard deviations of the prior
IMAGES_FOR_ACTIVITY = 1000


def draw_figures(
    subject: LatentModel,
    images: np.ndarray,
    labels: Labels,
    settings: EvaluateConfig,
    directory: str | Path,
) -> list[Path]:
    """Write `reconstructions.png` and `traversal.png` and return their paths."""
    figures = {"reconstructions.png": draw_reconstructions, "traversal.png": draw_traversal}
    return [
        pictures.save(figure(subject, images, labels, settings.batch_size), Path(directory) / name)
        for name, figure in figures.items()
    ]


def draw_reconstructions(
    subject: LatentModel, images: np.ndarray, labels: Labels, batch_size: int
) -> np.ndarray:
    """Return a picture of full rows of images, each above the row of their reconstructions."""
    columns = min(COLUMNS, len(images))
    rows = min(PAIRED_ROWS, len(images) // columns)
    shown = slice(rows * columns)
    rebuilt = reconstruct(subject, images[shown], at(labels, shown), batch_size)
    shape = (rows, columns, *subject.image_shape)
    pairs = np.stack([images[shown].reshape(shape), rebuilt.reshape(shape)], axis=1)
    cells = pairs.reshape(-1, *subject.image_shape)  # rows of images and reconstructions in turn
    return pictures.grid(pictures.to_uint8(cells), columns)


def draw_traversal(
    subject: LatentModel, images: np.ndarray, labels: Labels, batch_size: int
) -> np.ndarray:
    """Return a picture with one row for each of the most active units, most active first.

    A row starts from the posterior mean of the first image and moves one unit from `-REACH` to
    `REACH` standard deviations of its prior.
    """
    some = slice(IMAGES_FOR_ACTIVITY)
    posteriors = infer(subject, images[some], at(labels, some), batch_size)
    units = np.argsort(-activity(posteriors))[:UNITS]
    mean, _, prior_mean, prior_log_variance = (value[0] for value in posteriors[:1])  # (D,) each
    steps = np.linspace(-REACH, REACH, COLUMNS, dtype=np.float32)
    z = np.tile(mean, (len(units), COLUMNS, 1))  # (units, COLUMNS, D)
    for row, unit in enumerate(units):
        z[row, :, unit] = prior_mean[unit] + steps * np.exp(0.5 * prior_log_variance[unit])
    z = z.reshape(-1, subject.latent_dim)
    label = None if labels is None else np.repeat(labels[:1], len(z))
    return pictures.grid(pictures.to_uint8(decode(subject, z, label, batch_size)), COLUMNS)
