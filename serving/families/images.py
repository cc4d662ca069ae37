"""What every model of images does at run time: load, draw, cut into batches, round to pixels."""

import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from serving.bundle.manifest import BundleError, Manifest
from serving.errors import GenzooError, UsageError
from serving.families.inputs import (
    checked_labels,
    checked_latents,
    checked_truncation,
    require_room,
)
from serving.loader import Loaded
from serving.noise import SEED_LIMIT, checked_count, checked_seed, normal, normal_batches

BATCH = 64  # images per call of a graph; more gains nothing on a CPU and costs memory

Axes = dict[str, list[str | int]]


class ImageModel:
    """A model loaded by `serving.load` that turns latents into images; the base of `VAE` and `GAN`.

    Any number of images goes through in batches, so memory beyond the result itself is bounded.
    `labels` (one whole number for all images, or one for each) is required by a model with classes
    and refused by one without. Wrong arguments of any method raise `UsageError`.

    Attributes:
        manifest: everything that is known about the model.
        variant, device, providers, threads: what was loaded, and where it runs.
        image_shape, latent_dim, classes: the model's sizes; an unconditional model has 0 classes.
        last_seed: the seed of the last `generate`, to get the same images again.
    """

    painter: str  # the role of the graph that turns latents into images

    def __init__(self, loaded: Loaded) -> None:
        self.manifest, self.variant = loaded.manifest, loaded.variant
        self._processing = loaded.manifest.processing
        self.image_shape = tuple(self._processing.image_shape)
        self.latent_dim = self._processing.latent_dim
        self.classes = self._processing.classes
        check_interface(loaded.manifest, self._graphs())
        self.sessions = loaded.sessions
        session = loaded.sessions[self.painter]
        self.device, self.providers, self.threads = (
            session.device,
            session.providers,
            session.threads,
        )
        self.last_seed: int | None = None

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        """Return the inputs and outputs, with their axes, that each graph must have, by role."""
        raise NotImplementedError

    def _latents(self, epsilon: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Turn standard normal noise into latents of the prior."""
        return epsilon

    def generate(
        self, n: int, labels: Any = None, seed: int | None = None, truncation: float = 1.0
    ) -> np.ndarray:
        """Draw new images: uint8 `(n, H, W, C)`, 0..255.

        Args:
            n: from 1; one array holds at most 2 GiB, `generate_batches` has no such limit.
            labels: see the class.
            seed: 0 <= seed < 2**32; None for a fresh one, which `last_seed` then tells. Up to
                rounding, image i depends on the seed, i and its label, not on n.
            truncation: standard deviation of the noise, 0 to 1; less gives images that are more
                typical and less varied.
        """
        count = checked_count(n)
        require_room(count, self.image_shape, "use generate_batches")
        return _gather(self.generate_batches(count, labels, seed, BATCH, truncation), count)

    def generate_batches(
        self,
        n: int,
        labels: Any = None,
        seed: int | None = None,
        batch_size: int = BATCH,
        truncation: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """Draw the images of `generate` a batch at a time: uint8 `(<= batch_size, H, W, C)`."""
        count, size = checked_count(n), checked_count(batch_size, "batch_size")
        labels = checked_labels(labels, count, self.classes)
        scale, seed = checked_truncation(truncation), self._seed(seed)
        if count <= size:
            noise = iter([normal(count, self.latent_dim, seed)])
        else:
            noise = normal_batches(count, self.latent_dim, seed, size)
        return (
            self._pixels(self._paint("image", self._latents(scale * epsilon, part), part))
            for epsilon, part in zip(noise, parts(labels, count, size), strict=True)
        )

    def _seed(self, seed: int | None) -> int:
        """Return the seed that is asked for, or a fresh one; `last_seed` remembers it."""
        self.last_seed = secrets.randbelow(SEED_LIMIT) if seed is None else checked_seed(seed)
        return self.last_seed

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

    # --- graphs ---

    def _run(self, role: str, outputs: list[str], **feeds: np.ndarray | None) -> list[np.ndarray]:
        given = {name: array for name, array in feeds.items() if array is not None}
        return self.sessions[role].run(outputs, given)

    def _paint(self, output: str, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        return self._run(self.painter, [output], z=z, labels=labels)[0]

    def _decode(
        self, z: Any, labels: Any, output: str, finish: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        z = checked_latents(z, self.latent_dim)
        count = len(z)
        labels = checked_labels(labels, count, self.classes)
        batches = (
            finish(self._paint(output, z[rows], part))
            for rows, part in zip(cut(count), parts(labels, count), strict=True)
        )
        return _gather(batches, count)

    def _decode_rows(self, z: np.ndarray, labels: Any) -> np.ndarray:
        """Decode latents `(N, V, D)` to `(N, V, H, W, C)`; labels are N, or one for all."""
        rows, columns, size = z.shape
        if np.ndim(labels) == 1:
            labels = np.repeat(labels, columns)
        return self.decode(z.reshape(-1, size), labels).reshape(rows, columns, *self.image_shape)

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


def cut(count: int, size: int = BATCH) -> Iterator[slice]:
    """Cut `range(count)` into batches."""
    return (slice(start, start + size) for start in range(0, count, size))


def parts(labels: np.ndarray | None, count: int, size: int = BATCH) -> Iterator[Any]:
    """Cut labels into the same batches, each None where there are no labels."""
    return (None if labels is None else labels[rows] for rows in cut(count, size))


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


def check_interface(manifest: Manifest, expected: dict[str, tuple[Axes, Axes]]) -> None:
    """Refuse a bundle whose graphs are not of the sizes that it names.

    Raises:
        BundleError: a graph is missing, or has other inputs, outputs or axes.
    """
    for role, (inputs, outputs) in expected.items():
        interface = manifest.interface.get(role)
        if interface is None:
            raise BundleError(f"{manifest.name} has no graph '{role}', which such a model needs")
        takes = {port.name: port.axes for port in interface.inputs}
        returns = {port.name: port.axes for port in interface.outputs}
        if takes != inputs or any(returns.get(name) != axes for name, axes in outputs.items()):
            raise BundleError(f"graph '{role}' of {manifest.name} is not of the sizes it names")
