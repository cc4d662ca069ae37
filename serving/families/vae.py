"""A variational autoencoder at run time: generate, encode, decode, reconstruct, interpolate."""

from typing import Any

import numpy as np

from serving.errors import UsageError
from serving.families.images import Axes, ImageModel, cut, parts
from serving.families.inputs import checked_images, checked_labels, checked_steps, to_unit


class VAE(ImageModel):
    """A VAE loaded by `serving.load`.

    Labels, batches and errors are those of `ImageModel`.

    Example:
        >>> import serving
        >>> vae = serving.load("vae-mnist", device="cpu")
        >>> images = vae.generate(16, seed=7)
        >>> images.shape, images.dtype
        ((16, 28, 28, 1), dtype('uint8'))
        >>> vae.reconstruct(images).shape
        (16, 28, 28, 1)
    """

    painter = "decoder"

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        latent = ["batch", self.latent_dim]
        image = ["batch", *self.image_shape]
        labels = {"labels": ["batch"]} if self.classes else {}
        posterior = {"mean": latent, "log_variance": latent}
        graphs = {
            "encoder": ({"image": image} | labels, posterior),
            "decoder": ({"z": latent} | labels, {"image": image}),
        }
        return graphs | ({"prior": (labels, posterior)} if self.classes else {})

    def encode(self, images: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the posterior's mean and log variance, float32 `(N, D)` each.

        Args:
            images: uint8 0..255 or floats in [0, 1]; `(N, H, W, C)`, one image `(H, W, C)`, or for
                one channel either without it.
            labels: see the class.
        """
        images = checked_images(images, self.image_shape)
        count = len(images)
        labels = checked_labels(labels, count, self.classes)
        mean, log_variance = np.empty((2, count, self.latent_dim), np.float32)
        for rows, part in zip(cut(count), parts(labels, count), strict=True):
            image = to_unit(images[rows], self._processing.scale)
            mean[rows], log_variance[rows] = self._run(
                "encoder", ["mean", "log_variance"], image=image, labels=part
            )
        return mean, log_variance

    def decode_parameters(self, z: Any, labels: Any = None) -> np.ndarray:
        """Return the likelihood's parameters at latents `(N, D)`: float32 `(N, H, W, P)`."""
        return self._decode(z, labels, "parameters", lambda parameters: parameters)

    def prior(self, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the prior's mean and log variance for each label, float32 `(N, D)` each.

        An unconditional model has no such graph: its prior is the standard normal distribution.
        """
        labels = checked_labels(labels, np.size(labels), self.classes)
        mean, log_variance = self._run("prior", ["mean", "log_variance"], labels=labels)
        return mean, log_variance

    def reconstruct(self, images: Any, labels: Any = None) -> np.ndarray:
        """Encode images and decode the posterior's mean: uint8 `(N, H, W, C)`."""
        return self.decode(self.encode(images, labels)[0], labels)

    def interpolate(self, start: Any, end: Any, steps: int = 8, labels: Any = None) -> np.ndarray:
        """Walk in a straight line between the latent means of image pairs.

        Args:
            start, end: as many images each, as in `encode`.
            steps: images per pair, both ends included; from 2.
            labels: see the class; one per pair.

        Returns:
            uint8 `(N, steps, H, W, C)`; N is 1 for a single pair.
        """
        steps = checked_steps(steps)
        first, last = self.encode(start, labels)[0], self.encode(end, labels)[0]
        if len(first) != len(last):
            raise UsageError(f"there are {len(first)} start images but {len(last)} end images")
        return self._decode_rows(np.linspace(first, last, steps, axis=1), labels)

    def traverse(self, images: Any, dimension: int, values: Any, labels: Any = None) -> np.ndarray:
        """Set one latent dimension of each image's code to each of `values`.

        Returns:
            uint8 `(N, len(values), H, W, C)`.
        """
        if dimension not in range(self.latent_dim):
            raise UsageError(f"dimension is {dimension}; expected 0 to {self.latent_dim - 1}")
        mean, _ = self.encode(images, labels)
        z = np.repeat(mean[:, np.newaxis], len(values), axis=1)  # (N, V, D)
        z[:, :, int(dimension)] = values
        return self._decode_rows(z, labels)

    def _latents(self, epsilon: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Turn standard normal noise into latents of the prior."""
        if labels is None:
            return epsilon
        mean, log_variance = self.prior(labels)
        return mean + np.exp(0.5 * log_variance) * epsilon
