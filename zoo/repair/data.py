"""Photographs in several sizes, from which patches are cut and degraded: the same for a seed.

Everything random is a pure function of the seed, the step and the row of the batch.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import tensorflow as tf
from PIL import Image
from pydantic import Field

from serving.errors import UsageError
from zoo.repair.degradations import Degraded, degrade
from zoo.restoration.parts import Parts, PartsConfig

PER_EPOCH = 4  # patches of each photograph and task in an epoch
VALIDATION_SEED, TEST_SEED = 1, 2  # of what is done to photographs that are not learned from

Batch = tuple[dict[str, np.ndarray], np.ndarray]


class RepairDataConfig(PartsConfig):
    """The `[data]` table of a recipe that repairs photographs.

    Args:
        name, folders, validation, limit: as of `PartsConfig`.
        patch: pixels of a side of a patch.
        views: how large photographs are made before patches are cut: the shorter side, in patches.
            At 1 nearly all of a photograph is in a patch, so that the network sees what it is of.
            None is made larger than it is.

    Example:
        >>> RepairDataConfig(name="flowers_256").patch
        64
    """

    patch: Annotated[int, Field(ge=8)] = 64
    views: Annotated[tuple[Annotated[float, Field(ge=1)], ...], Field(min_length=1)] = (
        1,
        1.5,
        2,
        4,
    )


class RepairPhotographs(Parts):
    """The photographs of a recipe that repairs them.

    Args:
        config: the `[data]` table.
        tasks: what is done to them, see `zoo.repair.degradations`.
    """

    config: RepairDataConfig

    def __init__(self, config: RepairDataConfig, tasks: Sequence[str]):
        super().__init__(config)
        self.tasks = tasks

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches in which each photograph gives `PER_EPOCH` patches for each task."""
        return -(-self.count("train") * PER_EPOCH * len(self.tasks) // batch_size)

    def pictures(self, part: str) -> list[np.ndarray]:
        """Return photographs of `train`, `validation` or `test`: uint8 `(H, W, 3)` each."""
        return [_coloured(pixels) for pixels in super().pictures(part)]

    def training_batches(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Return batches without end: degraded patches, and the patches.

        Args:
            batch_size: patches per batch of all replicas together, of all tasks in turn.
            seed: of where patches are, and of what is done to them.
            start: steps already done.

        Returns:
            A data set of inputs and targets: a dict of `image` `(B, p, p, 3)` and `mask`
            `(B, p, p, 1)`, float32 in [0, 1], and `task`, int32 `(B,)`; `(B, p, p, 3)`.
        """
        views = [self.views(pixels) for pixels in self.pictures("train")]

        def made(step: np.ndarray) -> list[np.ndarray]:
            inputs, target = self._batch(views, batch_size, seed, int(step))
            return [inputs["image"], inputs["mask"], inputs["task"], target]

        def shaped(step: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            kinds = [tf.float32, tf.float32, tf.int32, tf.float32]
            parts = tf.numpy_function(made, [step], kinds)
            side = self.config.patch
            square = (batch_size, side, side)
            shapes = [(*square, 3), (*square, 1), (batch_size,), (*square, 3)]
            image, mask, task, target = map(tf.ensure_shape, parts, shapes)
            return {"image": image, "mask": mask, "task": task}, target

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(shaped, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_examples(self) -> Batch:
        """Return photographs held out, each degraded for every task: of one view and then another.

        What is seen of them is the middle.
        """
        side = self.config.patch
        found = []
        for row, pixels in enumerate(self.pictures("validation")):
            views = self.views(pixels)
            middle = _middle(views[row % len(views)], side)
            for at, task in enumerate(self.tasks):
                random = np.random.RandomState([VALIDATION_SEED, row, at])
                found.append((middle, at, degrade(middle, task, random)))
        return _stacked(found)

    def views(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return a photograph in the sizes of `views`, of which those that are the same once.

        Raises:
            UsageError: it is smaller than a patch.
        """
        side, shorter = self.config.patch, min(pixels.shape[:2])
        if shorter < side:
            raise UsageError(
                f"a photograph of '{self.config.name}' has {shorter} pixels a side; expected "
                f"{side} at least, or a smaller data.patch"
            )
        sizes = sorted({min(shorter, round(side * view)) for view in self.config.views})
        return [scaled(pixels, size) for size in sizes]

    def _batch(self, views: list[list[np.ndarray]], batch_size: int, seed: int, step: int) -> Batch:
        found = []
        for row in range(batch_size):
            random = np.random.RandomState([seed, step, row])
            own = views[random.randint(len(views))]
            patch = _patch(own[random.randint(len(own))], self.config.patch, random)
            at = row % len(self.tasks)
            found.append((patch, at, degrade(patch, self.tasks[at], random)))
        return _stacked(found)


def scaled(pixels: np.ndarray, shorter: int) -> np.ndarray:
    """Return a photograph whose shorter side has so many pixels, antialiased and bicubic."""
    height, width = pixels.shape[:2]
    if min(height, width) == shorter:
        return pixels
    scale = shorter / min(height, width)
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _coloured(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


def _patch(pixels: np.ndarray, side: int, random: np.random.RandomState) -> np.ndarray:
    """Cut a patch somewhere, half of them mirrored."""
    top, left = (random.randint(length - side + 1) for length in pixels.shape[:2])
    patch = pixels[top : top + side, left : left + side]
    return patch[:, ::-1] if random.randint(2) else patch


def _middle(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _stacked(found: list[tuple[np.ndarray, int, Degraded]]) -> Batch:
    """Return inputs and targets of patches, tasks, and what was done to the patches."""
    targets, tasks, degraded = zip(*found, strict=True)
    inputs = {
        "image": np.stack([each.pixels for each in degraded]).astype(np.float32) / 255,
        "mask": np.stack([each.mask for each in degraded])[..., None].astype(np.float32),
        "task": np.array(tasks, np.int32),
    }
    return inputs, np.stack(targets).astype(np.float32) / 255
