"""A variational autoencoder at run time: generate, encode, decode, reconstruct, interpolate."""

import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from serving.bundle import BundleError, Manifest
from serving.inputs import (
    checked_images,
    checked_labels,
    checked_latents,
    require_room,
    to_unit,
)
from serving.loader import Loaded
from zoo.errors import GenzooError, UsageError
from zoo.noise import SEED_LIMIT, checked_count, checked_seed, normal, normal_batches

BATCH = 64  # images per call of a graph; more gains nothing on a CPU and costs memory


class VAE:
    """A VAE loaded by `serving.load`.

    Any number of images goes through in batches, so memory beyond the result itself is bounded.
    `labels` (one whole number for all images, or one for each) is required by a model with classes
    and refused by one without. Wrong arguments of any method raise `UsageError`.

    Attributes:
        manifest: everything that is known about the model.
        variant, device, providers, threads: what was loaded, and where it runs.
        image_shape, latent_dim, classes: the model's sizes; an unconditional model has 0 classes.
        last_seed: the seed of the last `generate`, to get the same images again.

    Example:
        >>> import serving
        >>> vae = serving.load("vae-mnist", device="cpu")
        >>> images = vae.generate(16, seed=7)
        >>> images.shape, images.dtype
        ((16, 28, 28, 1), dtype('uint8'))
        >>> vae.reconstruct(images).shape
        (16, 28, 28, 1)
    """

    def __init__(self, loaded: Loaded) -> None:
        _check_interface(loaded.manifest)
        self.sessions = loaded.sessions
        self._processing = loaded.manifest.processing
        decoder = loaded.sessions["decoder"]
        self.manifest = loaded.manifest
        self.variant = loaded.variant
        self.device = decoder.device
        self.providers = decoder.providers
        self.threads = decoder.threads
        self.image_shape = tuple(self._processing.image_shape)
        self.latent_dim = self._processing.latent_dim
        self.classes = self._processing.classes
        self.last_seed: int | None = None

    def generate(self, n: int, labels: Any = None, seed: int | None = None) -> np.ndarray:
        """Draw new images: uint8 `(n, H, W, C)`, 0..255.

        Args:
            n: from 1; one array holds at most 2 GiB, `generate_batches` has no such limit.
            labels: see the class.
            seed: 0 <= seed < 2**32; None for a fresh one, which `last_seed` then tells. Up to
                rounding, image i depends on the seed, i and its label, not on n.
        """
        count = checked_count(n)
        require_room(count, self.image_shape, "use generate_batches")
        return _gather(self.generate_batches(count, labels, seed), count)

    def generate_batches(
        self, n: int, labels: Any = None, seed: int | None = None, batch_size: int = BATCH
    ) -> Iterator[np.ndarray]:
        """Draw the images of `generate` a batch at a time: uint8 `(<= batch_size, H, W, C)`."""
        count, size = checked_count(n), checked_count(batch_size, "batch_size")
        labels = checked_labels(labels, count, self.classes)
        seed = secrets.randbelow(SEED_LIMIT) if seed is None else checked_seed(seed)
        self.last_seed = seed
        if count <= size:
            noise = iter([normal(count, self.latent_dim, seed)])
        else:
            noise = normal_batches(count, self.latent_dim, seed, size)
        return (
            self._pixels(self._run_decoder("image", self._latents(epsilon, part), part))
            for epsilon, part in zip(noise, _parts(labels, count, size), strict=True)
        )

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
        for rows, part in zip(_rows(count), _parts(labels, count), strict=True):
            image = to_unit(images[rows], self._processing.scale)
            mean[rows], log_variance[rows] = self._run(
                "encoder", ["mean", "log_variance"], image=image, labels=part
            )
        return mean, log_variance

    def decode(self, z: Any, labels: Any = None, dtype: Any = np.uint8) -> np.ndarray:
        """Turn latents into images `(N, H, W, C)`.

        Args:
            z: `(N, D)`, finite.
            labels: see the class.
            dtype: uint8 for pixels 0..255, float32 for intensities in [0, 1].
        """
        finish = {np.uint8: self._pixels, np.float32: self._clipped}.get(np.dtype(dtype).type)
        if finish is None:
            raise UsageError(f"dtype is {np.dtype(dtype)}; expected uint8 or float32")
        return self._decode(z, labels, "image", finish)

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
        if checked_count(steps, "steps") < 2:
            raise UsageError("steps is 1; expected at least 2, for both ends")
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

    # --- graphs ---

    def _run(self, role: str, outputs: list[str], **feeds: np.ndarray | None) -> list[np.ndarray]:
        given = {name: array for name, array in feeds.items() if array is not None}
        return self.sessions[role].run(outputs, given)

    def _run_decoder(self, output: str, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        return self._run("decoder", [output], z=z, labels=labels)[0]

    def _decode(
        self, z: Any, labels: Any, output: str, finish: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        z = checked_latents(z, self.latent_dim)
        count = len(z)
        labels = checked_labels(labels, count, self.classes)
        batches = (
            finish(self._run_decoder(output, z[rows], part))
            for rows, part in zip(_rows(count), _parts(labels, count), strict=True)
        )
        return _gather(batches, count)

    def _decode_rows(self, z: np.ndarray, labels: Any) -> np.ndarray:
        """Decode latents `(N, V, D)` to `(N, V, H, W, C)`; labels are N, or one for all."""
        rows, columns, size = z.shape
        if np.ndim(labels) == 1:
            labels = np.repeat(labels, columns)
        return self.decode(z.reshape(-1, size), labels).reshape(rows, columns, *self.image_shape)

    def _latents(self, epsilon: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Turn standard normal noise into latents of the prior."""
        if labels is None:
            return epsilon
        mean, log_variance = self.prior(labels)
        return mean + np.exp(0.5 * log_variance) * epsilon

    # --- pixels ---

    def _clipped(self, image: np.ndarray) -> np.ndarray:
        return np.clip(image, self._processing.low, self._processing.high, out=image)

    def _pixels(self, image: np.ndarray) -> np.ndarray:
        """Round intensities to pixels, in place: a copy would cost more than the arithmetic."""
        image = self._clipped(image)
        image *= np.float32(self._processing.scale)
        try:
            with np.errstate(invalid="raise"):
                return np.rint(image, out=image).astype(np.uint8)
        except FloatingPointError:
            raise GenzooError("the model returned values that are not numbers") from None


def _rows(count: int, size: int = BATCH) -> Iterator[slice]:
    """Cut `range(count)` into batches."""
    return (slice(start, start + size) for start in range(0, count, size))


def _parts(labels: np.ndarray | None, count: int, size: int = BATCH) -> Iterator[Any]:
    """Cut labels into the same batches, each None where there are no labels."""
    return (None if labels is None else labels[rows] for rows in _rows(count, size))


def _gather(batches: Iterator[np.ndarray], count: int) -> np.ndarray:
    """Join batches of `count` rows in all, without holding them twice."""
    first = next(batches)
    if len(first) == count:
        return first
    whole = np.empty((count, *first.shape[1:]), first.dtype)
    filled = 0
    for batch in chain([first], batches):
        whole[filled : filled + len(batch)] = batch
        filled += len(batch)
    return whole


def _check_interface(manifest: Manifest) -> None:
    """Refuse a bundle whose graphs are not those of a VAE of the sizes it names."""
    processing = manifest.processing
    latent = ["batch", processing.latent_dim]
    image = ["batch", *processing.image_shape]
    labels = {"labels": ["batch"]} if processing.classes else {}
    posterior = {"mean": latent, "log_variance": latent}
    expected = {
        "encoder": ({"image": image} | labels, posterior),
        "decoder": ({"z": latent} | labels, {"image": image}),
    }
    if processing.classes:
        expected["prior"] = (labels, posterior)
    for role, (inputs, outputs) in expected.items():
        interface = manifest.interface.get(role)
        if interface is None:
            raise BundleError(f"{manifest.name} has no graph '{role}', which such a VAE needs")
        takes = {port.name: port.axes for port in interface.inputs}
        returns = {port.name: port.axes for port in interface.outputs}
        if takes != inputs or any(returns.get(name) != axes for name, axes in outputs.items()):
            raise BundleError(f"graph '{role}' of {manifest.name} is not of the sizes it names")
