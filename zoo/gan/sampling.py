"""What a trained generator is for: images of latents, of labels, and on walks between them."""

from collections.abc import Sequence

import numpy as np
from keras import KerasTensor, layers, ops

from serving import noise
from serving.content.pictures import to_uint8
from serving.errors import UsageError
from serving.families.walks import shares, spherical
from zoo.gan.config import GANConfig
from zoo.training.built import BuiltModel

GENERATED_ROWS = 1000  # images in memory at once


class Sampler(BuiltModel):
    """A model that draws images; its subclass makes it and trains it.

    Attributes:
        config: what it is made of.
        generator: maps latents `(B, D)` and one-hot labels to images `(B, H, W, C)` on [-1, 1].
    """

    config: GANConfig
    generator: layers.Layer

    def call(
        self, inputs: KerasTensor | dict[str, KerasTensor], training: bool = False
    ) -> KerasTensor:
        z, labels = split(inputs, "z")
        return self.blend(z, self._condition(labels), training)

    def blend(
        self, z: KerasTensor, condition: KerasTensor | None, training: bool = False
    ) -> KerasTensor:
        """Draw images `(B, H, W, C)` in [0, 1] of shares `(B, classes)` of each class, if any."""
        return (self.generator(z, condition, training=training) + 1) / 2

    def drawn_of(self, noise: KerasTensor, labels: KerasTensor | None = None) -> KerasTensor:
        """Map standard normal noise `(B, D)` to images `(B, H, W, C)` in [0, 1]."""
        return self.blend(noise, self._condition(labels))

    def _condition(self, labels: KerasTensor | None) -> KerasTensor | None:
        """Return one-hot labels `(B, classes)` of a conditional model, None of any other."""
        if (labels is None) != (not self.config.classes):
            expected = "needs labels" if self.config.classes else "takes no labels"
            raise UsageError(f"this model {expected} (classes = {self.config.classes})")
        return None if labels is None else ops.one_hot(labels, self.config.classes, dtype="float32")

    def latents(self, count: int, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
        """Draw latents, float32 `(count, D)`; see `generate`."""
        if count < 1:
            raise UsageError(f"count is {count}; expected at least 1")
        if not 0 <= truncation <= 1:
            raise UsageError(f"truncation is {truncation}; expected a number from 0 to 1")
        return np.float32(truncation) * noise.normal(count, self.config.latent_dim, seed)

    def generate(
        self,
        count: int,
        labels: Sequence[int] | None = None,
        seed: int = 0,
        truncation: float = 1.0,
    ) -> np.ndarray:
        """Draw images.

        Args:
            count: how many.
            labels: one label per image; conditional models only.
            seed: 0 <= seed < 2**32; the same seed gives the same images here and in every export.
            truncation: standard deviation of the latents, 0 to 1; less gives images that are more
                typical and less varied (compare Brock et al. 2019, arXiv:1809.11096, who redraw
                large values instead).

        Returns:
            uint8 `(count, H, W, C)`.
        """
        z = self.latents(count, seed, truncation)
        return self._pixels(z, self._one_hot(labels, count))

    def interpolate(
        self,
        start: np.ndarray,
        end: np.ndarray,
        steps: int = 8,
        labels: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Walk between latents along arcs, on which they keep the length of typical latents.

        Args:
            start, end: `(B, D)`, as `latents` gives.
            steps: images per pair, both ends included.
            labels: one per pair; conditional models only.

        Returns:
            uint8 `(B, steps, H, W, C)`.

        Reference:
            White 2016 (arXiv:1609.04468).
        """
        return self._rows(spherical(start, end, steps), self._one_hot(labels, len(start)))

    def interpolate_classes(
        self, start: int, end: int, steps: int = 8, count: int = 1, seed: int = 0
    ) -> np.ndarray:
        """Walk from one label to another, each row of images at one latent.

        Returns:
            uint8 `(count, steps, H, W, C)`.
        """
        if self._one_hot([start, end], 2) is None:
            raise UsageError("this model takes no labels (classes = 0), so there is no path")
        path = shares(start, end, self.config.classes, steps)  # (steps, classes)
        z = np.repeat(self.latents(count, seed)[:, None], steps, axis=1)  # (count, steps, D)
        return self._rows(z, np.broadcast_to(path, (count, *path.shape)))

    def _one_hot(self, labels: Sequence[int] | None, count: int) -> np.ndarray | None:
        """Return checked labels as `(count, classes)` of a conditional model, None of any other."""
        classes = self.config.classes
        if labels is None or not classes:
            return self._condition(labels)
        labels = np.asarray(labels)
        if labels.shape != (count,) or not np.isin(labels, range(classes)).all():
            raise UsageError(
                f"labels are {labels.tolist()[:8]}...; expected {count} whole numbers from 0 to "
                f"{classes - 1}"
            )
        return np.eye(classes, dtype=np.float32)[labels.astype(int)]

    def _rows(self, z: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        """Generate at `(B, steps, D)`, with a condition per row or per image."""
        rows, steps, size = z.shape
        if condition is not None:
            each = condition if condition.ndim == 3 else np.repeat(condition[:, None], steps, 1)
            condition = each.reshape(rows * steps, -1)
        pixels = self._pixels(z.reshape(rows * steps, size), condition)
        return pixels.reshape(rows, steps, *pixels.shape[1:])

    def _pixels(self, z: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        """Generate, a few rows at a time so that memory stays bounded, uint8 `(B, H, W, C)`."""
        parts = [slice(start, start + GENERATED_ROWS) for start in range(0, len(z), GENERATED_ROWS)]
        images = (
            self.blend(z[part], None if condition is None else condition[part]) for part in parts
        )
        return np.concatenate([to_uint8(ops.convert_to_numpy(image)) for image in images])


def split(
    inputs: KerasTensor | dict[str, KerasTensor], name: str
) -> tuple[KerasTensor, KerasTensor | None]:
    """Part what a conditional model is given, a dict, into `name` and the labels."""
    return (inputs[name], inputs["labels"]) if isinstance(inputs, dict) else (inputs, None)
