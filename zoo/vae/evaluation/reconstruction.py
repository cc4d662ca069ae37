"""How alike an image and its reconstruction are, as pictures."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from zoo.metric import Metric
from zoo.vae.evaluation.config import EvaluateConfig
from zoo.vae.evaluation.posteriors import at, batches, infer
from zoo.vae.evaluation.subject import Labels, LatentModel
from zoo.vae.likelihoods import expected_image

SSIM_WINDOW = 11
LEAST_ERROR = 1e-10  # caps the PSNR of a perfect reconstruction at 100 dB


def reconstruction(
    subject: LatentModel, images: np.ndarray, labels: Labels, settings: EvaluateConfig
) -> Iterator[Metric]:
    """Yield MSE, PSNR and, for images that hold its 11x11 window, SSIM of reconstructions.

    Reference:
        Wang et al. 2004, "Image quality assessment: from error visibility to structural
        similarity".
    """
    pairs = "of each test image as it is, in [0, 1], and the decoder's mean at its posterior mean"

    def metric(name: str, values: np.ndarray, unit: str, definition: str) -> Metric:
        return Metric(
            name=name, value=values.mean(), unit=unit, definition=definition, samples=len(images),
            seed=settings.seed, better="lower" if name == "mse" else "higher",
        )  # fmt: skip

    rebuilt = reconstruct(subject, images, labels, settings.batch_size)
    error = np.square(images - rebuilt, dtype=np.float64).mean(axis=(1, 2, 3))  # (N,)
    yield metric("mse", error, "", f"mean squared difference {pairs}")
    decibels = -10 * np.log10(np.maximum(error, LEAST_ERROR))
    yield metric("psnr", decibels, "dB", f"-10 log10 of the mean squared difference {pairs}; mean")
    if min(images.shape[1:3]) >= SSIM_WINDOW:
        similarity = ssim(images, rebuilt, settings.batch_size)
        definition = f"structural similarity, 11x11 Gaussian window of sigma 1.5, {pairs}; mean"
        yield metric("ssim", similarity, "", definition)


def reconstruct(
    subject: LatentModel, images: np.ndarray, labels: Labels, batch_size: int
) -> np.ndarray:
    """Encode images `(N, H, W, C)` and return the expected images at their posterior means."""
    return decode(subject, infer(subject, images, labels, batch_size).mean, labels, batch_size)


def decode(subject: LatentModel, z: np.ndarray, labels: Labels, batch_size: int) -> np.ndarray:
    """Return the expected images `(N, H, W, C)` in [0, 1] at latents `(N, D)`, float32."""
    parts = []
    for rows in batches(len(z), batch_size):
        parameters = np.asarray(subject.decode_parameters(z[rows], at(labels, rows)), np.float32)
        parts.append(expected_image(parameters, subject.likelihood))
    return np.concatenate(parts)


def ssim(first: np.ndarray, second: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the structural similarity `(N,)` of pairs of images in [0, 1]; 1 where they agree."""
    return np.concatenate(
        [
            tf.image.ssim(first[rows], second[rows], max_val=1.0, filter_size=SSIM_WINDOW)
            for rows in batches(len(first), batch_size)
        ]
    )
