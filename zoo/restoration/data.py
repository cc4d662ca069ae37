"""Photographs and the same made smaller, from which patches are cut: the same for the same seed.

What is to be enlarged is made by the bicubic shrinking that all papers use, of the whole photograph
and in whole levels. Everything random is a pure function of the seed and of the step.
"""

import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from serving.photographs import bicubic
from serving.photographs.luminance import luminance
from zoo.restoration.parts import Parts, PhotographsConfig

VALIDATED = 72  # pixels of a side of what is validated on, at most, before it is enlarged
PER_EPOCH = 100  # patches of each photograph in an epoch

Batch = tuple[tf.Tensor, tf.Tensor]


class Photographs(Parts):
    """The photographs of a recipe, ready to train on and to evaluate.

    Args:
        config: the `[data]` table.
        scale: of the model.
        channels: 1 for Y, 3 for RGB.

    Attributes:
        source: what is known of the data set.

    Raises:
        UsageError: there are none, or too few, or they are smaller than a patch.
    """

    def __init__(self, config: PhotographsConfig, scale: int, channels: int):
        super().__init__(config)
        self.scale, self.channels = scale, channels

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches in which each photograph gives `PER_EPOCH` patches."""
        return -(-self.count("train") * PER_EPOCH // batch_size)

    def pictures(self, part: str) -> list[np.ndarray]:
        """Return photographs of `train`, `validation` or `test`: uint8 `(H, W, 1 or 3)` each.

        They are cut at the right and below so that height and width are multiples of the scale.
        """
        return [self._even(pixels) for pixels in super().pictures(part)]

    def training_batches(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Return batches without end: patches, each turned and mirrored at random.

        Args:
            batch_size: patches per batch of all replicas together.
            seed: of where patches are, and how they are turned.
            start: steps already done.

        Returns:
            A data set of small patches `(B, p, p, C)` and the same large `(B, p s, p s, C)`,
            float32 in [0, 1].
        """
        patch, scale = self.config.patch, self.scale
        pictures = self.pictures("train")
        large = [self._levels(pixels) for pixels in pictures]
        small = [self._levels(bicubic.shrink(pixels, scale)) for pixels in pictures]
        sizes = np.array([pixels.shape[:2] for pixels in small])
        if sizes.min() < patch:
            raise UsageError(
                f"a photograph of '{self.config.name}' has {sizes.min() * scale} pixels a side; "
                f"expected {patch * scale} at least, or a smaller data.patch"
            )
        with tf.device("CPU:0"):
            small, large = _Pool(small), _Pool(large)
            room = tf.constant(sizes - patch + 1, tf.float32)  # places of a patch, each way

        def pick(step: tf.Tensor) -> Batch:
            own = tf.stack([tf.cast(seed, tf.int64), step])
            drawn = tf.random.stateless_uniform((batch_size, 6), own)
            chosen = tf.cast(drawn[:, 0] * len(sizes), tf.int32)
            chosen = tf.minimum(chosen, len(sizes) - 1)
            places = tf.cast(drawn[:, 1:3] * tf.gather(room, chosen), tf.int32)  # (B, 2)
            turns = drawn[:, 3:] < 0.5
            return (
                small.patches(chosen, places, patch, turns),
                large.patches(chosen, places * scale, patch * scale, turns),
            )

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_examples(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the middles of the photographs held out, all of one size, small and large."""
        scale, found = self.scale, self.pictures("validation")
        smallest = min(min(pixels.shape[:2]) for pixels in found)
        side = min(VALIDATED, smallest // scale)
        small, large = [], []
        for pixels in found:
            less = self._levels(bicubic.shrink(pixels, scale))
            top, left = ((length - side) // 2 for length in less.shape[:2])
            small.append(less[top : top + side, left : left + side])
            rows, columns = (slice(at * scale, (at + side) * scale) for at in (top, left))
            large.append(self._levels(pixels)[rows, columns])
        return tuple(np.stack(each).astype(np.float32) / 255 for each in (small, large))

    def _even(self, pixels: np.ndarray) -> np.ndarray:
        height, width = (length - length % self.scale for length in pixels.shape[:2])
        return pixels[:height, :width]

    def _levels(self, pixels: np.ndarray) -> np.ndarray:
        """Return what the model sees of a picture, in whole levels: uint8 `(H, W, C)`."""
        if self.channels == 1:
            return np.rint(luminance(pixels)).astype(np.uint8)
        return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


class _Pool:
    """Pictures of several sizes in one array, of which patches are taken."""

    def __init__(self, pictures: list[np.ndarray]):
        sizes = np.array([pixels.shape[0] * pixels.shape[1] for pixels in pictures])
        channels = pictures[0].shape[2]
        joined = np.concatenate([pixels.reshape(-1, channels) for pixels in pictures])
        self.pixels = tf.constant(joined)  # (all pixels, C)
        self.starts = tf.constant(np.cumsum(sizes) - sizes, tf.int32)
        self.widths = tf.constant([pixels.shape[1] for pixels in pictures], tf.int32)

    def patches(
        self, chosen: tf.Tensor, places: tf.Tensor, side: int, turns: tf.Tensor
    ) -> tf.Tensor:
        """Take a patch of each chosen picture: float32 `(B, side, side, C)` in [0, 1].

        Args:
            chosen: which pictures, int32 `(B,)`.
            places: row and column of the first pixel, int32 `(B, 2)`.
            side: in pixels.
            turns: whether each is mirrored top to bottom, left to right, and along its diagonal,
                bool `(B, 3)`: together all eight ways to lay a square.
        """
        down, across, over = tf.unstack(turns[:, :, None, None], axis=1)  # (B, 1, 1) each
        rows, columns = tf.range(side)[:, None], tf.range(side)[None]
        rows, columns = tf.where(over, columns, rows), tf.where(over, rows, columns)
        rows = tf.where(down, side - 1 - rows, rows)  # (B, side, side)
        columns = tf.where(across, side - 1 - columns, columns)
        rows, columns = rows + places[:, :1, None], columns + places[:, 1:, None]
        widths = tf.gather(self.widths, chosen)[:, None, None]
        index = tf.gather(self.starts, chosen)[:, None, None] + rows * widths + columns
        return tf.cast(tf.gather(self.pixels, index), tf.float32) / 255
