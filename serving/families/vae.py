"""A variational autoencoder at run time: generate, encode, decode, reconstruct, interpolate."""

from typing import Annotated, Any, NamedTuple

import numpy as np

from serving.calls import call
from serving.errors import UsageError
from serving.families.images import ImageModel, Labels, Steps, parts, slices
from serving.families.inputs import checked_images, checked_labels, to_unit
from serving.families.model import Axes, Timed
from serving.numbers import real, whole
from serving.parameters import Parameter

Images = Annotated[Any, Parameter("images as they are in the data set", content="image")]
Dimension = Annotated[
    int,
    Parameter(
        "of the latent",
        minimum=0,
        maximum=lambda model: model.latent_dim - 1,
        example=0,
    ),
]
Values = Annotated[
    float | tuple[float, ...], Parameter("what it is set to", each=True, multiplies="rows")
]


class Gaussian(NamedTuple):
    """A distribution of latents for each of N images or labels: float32 `(N, D)` each."""

    mean: np.ndarray
    log_variance: np.ndarray


class VAE(ImageModel):
    """A VAE loaded by `serving.load`.

    Labels, batches and errors are those of `ImageModel`. Images are uint8 0..255 or floats in
    [0, 1]; `(N, H, W, C)`, one image `(H, W, C)`, or for one channel either without it.

    Example:
        >>> import serving
        >>> vae = serving.load("vae-mnist", device="cpu")
        >>> images = vae.generate(16, seed=7)
        >>> images.shape, images.dtype
        ((16, 28, 28, 1), dtype('uint8'))
        >>> vae.reconstruct(images).shape
        (16, 28, 28, 1)
    """

    generator = "decoder"

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        latent: list[str | int] = ["batch_size", self.latent_dim]
        image: list[str | int] = ["batch_size", *self.image_shape]
        labels: Axes = {"labels": ["batch_size"]} if self.classes else {}
        posterior = {"mean": latent, "log_variance": latent}
        graphs = {
            "encoder": ({"image": image} | labels, posterior),
            "decoder": ({"z": latent} | labels, {"image": image}),
        }
        return graphs | ({"prior": (labels, posterior)} if self.classes else {})

    @call(gives="array")
    def encode(self, images: Images, labels: Labels = None) -> Gaussian:
        """Return the posterior's mean and log variance, float32 `(N, D)` each."""
        images = checked_images(images, self.image_shape)
        count = len(images)
        labels = checked_labels(labels, count, self.classes)
        mean, log_variance = np.empty((2, count, self.latent_dim), np.float32)
        for rows, part in zip(slices(count), parts(labels, count), strict=True):
            image = to_unit(images[rows], self.processing.scale)
            mean[rows], log_variance[rows] = self._run(
                "encoder", ["mean", "log_variance"], image=image, labels=part
            )
        return Gaussian(mean, log_variance)

    def decode_parameters(self, z: Any, labels: Any = None) -> np.ndarray:
        """Return the likelihood's parameters at latents `(N, D)`: float32 `(N, H, W, P)`."""
        return self._decode(z, labels, "parameters", lambda parameters: parameters)

    def prior(self, labels: Any) -> Gaussian:
        """Return the prior's mean and log variance for each label, float32 `(N, D)` each.

        An unconditional model has no such graph: its prior is the standard normal distribution.
        """
        labels = checked_labels(labels, np.size(labels), self.classes)
        return Gaussian(*self._run("prior", ["mean", "log_variance"], labels=labels))

    @call(gives="image")
    def reconstruct(self, images: Images, labels: Labels = None) -> np.ndarray:
        """Encode images and decode the posterior's mean: uint8 `(N, H, W, C)`."""
        return self.decode(self.encode(images, labels).mean, labels)

    @call(gives="image")
    def interpolate(
        self, start: Images, end: Images, steps: Steps = 8, labels: Labels = None
    ) -> np.ndarray:
        """Walk in a straight line between the latent means of image pairs.

        Args:
            start, end: as many images each.
            steps: images per pair, both ends included; from 2.
            labels: see the class; one per pair.

        Returns:
            uint8 `(N, steps, H, W, C)`; N is 1 for a single pair.
        """
        first, last = self.encode(start, labels).mean, self.encode(end, labels).mean
        if len(first) != len(last):
            raise UsageError(f"there are {len(first)} start images but {len(last)} end images")
        return self._decode_rows(np.linspace(first, last, steps, axis=1), labels)

    @call(gives="image")
    def traverse(
        self,
        images: Images,
        dimension: Dimension,
        values: Values = tuple(range(-3, 4)),
        labels: Labels = None,
    ) -> np.ndarray:
        """Set one latent dimension of each image's code to each of some values.

        Returns:
            uint8 `(N, len(values), H, W, C)`.
        """
        chosen = [real(value, "a value of values") for value in np.atleast_1d(values).tolist()]
        mean = self.encode(images, labels).mean
        z = np.repeat(mean[:, np.newaxis], len(chosen), axis=1)  # (N, V, D)
        z[:, :, whole(dimension, "dimension")] = chosen
        return self._decode_rows(z, labels)

    def timed(self, batch: int) -> dict[str, Timed]:
        labels = np.arange(batch) % self.classes if self.classes else None
        images = self.generate(batch, labels, seed=0)
        return super().timed(batch) | {
            "encode": Timed(lambda: self.encode(images, labels), batch),
            "reconstruct": Timed(lambda: self.reconstruct(images, labels), batch),
        }

    def _latents(self, epsilon: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Turn standard normal noise into latents of the prior."""
        if labels is None:
            return epsilon
        mean, log_variance = self.prior(labels)
        latents: np.ndarray = mean + np.exp(0.5 * log_variance) * epsilon
        return latents

    def _deviation(self, labels: np.ndarray | None) -> np.ndarray | np.float32:
        """Return how far latents of the prior move when noise moves by 1."""
        return np.float32(1) if labels is None else np.exp(0.5 * self.prior(labels).log_variance)
