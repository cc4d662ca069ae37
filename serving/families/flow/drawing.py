"""Images of noise, and the noise of images, by a network that knows the velocity."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.families.flow.path import Course, Network, Velocity, follow, guided
from serving.families.images import parts
from serving.noise import normal_batches

BATCH = 64  # images at once; with guidance the network sees twice as many


@dataclass(frozen=True)
class Drawing:
    """How images are drawn: the same by Keras and by ONNX Runtime.

    Attributes:
        network: gives the velocity of images `(B, H, W, C)`, times `(B,)` and labels `(B,)`.
        image_shape: `(H, W, C)`.
        classes: 0 for a network that takes no labels.
        course: how the velocity is followed.
    """

    network: Network
    image_shape: tuple[int, ...]
    classes: int
    course: Course

    def images(self, count: int, labels: np.ndarray | None, seed: int) -> Iterator[np.ndarray]:
        """Draw images, a batch at a time: float32 `(<= BATCH, H, W, C)`, in [0, 1] or near it."""
        noise = normal_batches(count, int(np.prod(self.image_shape)), seed, BATCH)
        return (
            self.image(z, part) for z, part in zip(noise, parts(labels, count, BATCH), strict=True)
        )

    def image(self, noise: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Return the images `(B, H, W, C)` of noise `(B, H * W * C)`."""
        start = noise.reshape(-1, *self.image_shape)
        image: np.ndarray = follow(self._velocity(labels), start, self.course)
        return (image + 1) / 2

    def noise(self, image: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Return the noise that images in [0, 1] are drawn of: the way back.

        It is as exact as the steps are small.
        """
        back = follow(self._velocity(labels), 2 * image - 1, self.course, 1.0, -1.0)
        return np.asarray(back, np.float32).reshape(len(image), -1)

    def _velocity(self, labels: np.ndarray | None) -> Velocity:
        return guided(self.network, labels, self.classes, self.course.guidance)
