"""How batches are varied: pure functions of the images, the run's seed and the step."""

from typing import NamedTuple

import tensorflow as tf

from zoo.data.augmentation.config import AugmentationConfig

# Streams of random numbers of the same step; the first two are older, and must stay what they are.
FLIP, SHIFT, UPSIDE_DOWN, CROP, COLOURS, MIXUP = range(1, 7)


def stream(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Return the seed of another stream of random numbers for the same step.

    Args:
        seed: (seed of the run, step), int64 `(2,)`.
        number: of the stream.
    """
    return tf.bitwise.bitwise_xor(seed, tf.constant([number << 32, 0], tf.int64))


def flip(image: tf.Tensor, seed: tf.Tensor, axis: int = 2) -> tf.Tensor:
    """Mirror each image of `(B, H, W, C)`, or not: left to right, or along axis 1 top to bottom."""
    chosen = tf.random.stateless_uniform((tf.shape(image)[0], 1, 1, 1), seed) < 0.5
    return tf.where(chosen, tf.reverse(image, axis=[axis]), image)


def shift(image: tf.Tensor, reach: int, seed: tf.Tensor) -> tf.Tensor:
    """Move each image of `(B, H, W, C)` by whole pixels, repeating its edge."""
    batch, height, width = tf.shape(image)[0], image.shape[1], image.shape[2]
    offsets = tf.random.stateless_uniform((batch, 2), seed, -reach, reach + 1, dtype=tf.int32)
    rows = tf.clip_by_value(offsets[:, :1] + tf.range(height), 0, height - 1)  # (B, H)
    columns = tf.clip_by_value(offsets[:, 1:] + tf.range(width), 0, width - 1)  # (B, W)
    image = tf.gather(image, rows, axis=1, batch_dims=1)
    return tf.gather(image, columns, axis=2, batch_dims=1)


def crop(image: tf.Tensor, most: float, seed: tf.Tensor) -> tf.Tensor:
    """Cut off up to a share `most` of the height and width, and bring what is left to the size.

    Where it is cut off is random for each image of `(B, H, W, C)`; new pixels lie between old ones
    (bilinear), so that none is darker or brighter than those.
    """
    batch, height, width = tf.shape(image)[0], image.shape[1], image.shape[2]
    drawn = tf.random.stateless_uniform((batch, 3), seed)
    left_out = most * drawn[:, :1]
    start = left_out * drawn[:, 1:]  # of the top and of the left side, from 0 to 1
    boxes = tf.concat([start, start + 1 - left_out], axis=1)  # (B, 4)
    return tf.image.crop_and_resize(image, boxes, tf.range(batch), (height, width))


def colours(images: list[tf.Tensor], config: AugmentationConfig, seed: tf.Tensor) -> list:
    """Vary brightness, contrast and saturation of images in [0, 1], in which they stay.

    Args:
        images: several of as many images `(B, H, W, C)`, such as small ones and the same large; all
            are changed alike, by the contrast about the mean of the first.
        config: how much.
        seed: of the step.
    """
    drawn = tf.random.stateless_uniform((3, tf.shape(images[0])[0], 1, 1, 1), seed, -1.0, 1.0)
    mean = tf.reduce_mean(images[0], axis=(1, 2, 3), keepdims=True)
    contrast, saturation = 1 + config.contrast * drawn[1], 1 + config.saturation * drawn[2]

    def varied(image: tf.Tensor) -> tf.Tensor:
        if config.saturation:
            grey = tf.reduce_mean(image, axis=-1, keepdims=True)
            image = grey + (image - grey) * saturation
        image = mean + (image - mean) * contrast + config.brightness * drawn[0]
        return tf.clip_by_value(image, 0.0, 1.0)

    return [varied(image) for image in images]


class Mixture(NamedTuple):
    """Which other example of its batch lies over each, and how much each counts itself.

    Attributes:
        others: its row, int32 `(B,)`.
        shares: of the example itself, from 0.5 to 1, `(B,)`.
    """

    others: tf.Tensor
    shares: tf.Tensor

    def of(self, values: tf.Tensor) -> tf.Tensor:
        """Mix values `(B, ...)`."""
        shares = tf.reshape(self.shares, [-1] + [1] * (len(values.shape) - 1))
        return shares * values + (1 - shares) * tf.gather(values, self.others)


def mixture(count: tf.Tensor, alpha: float, seed: tf.Tensor) -> Mixture:
    """Draw who lies over whom in a batch of `count`, in shares of Beta(alpha, alpha)."""
    others = tf.random.experimental.stateless_shuffle(tf.range(count), seed)
    drawn = tf.random.stateless_gamma((2, count), stream(seed, MIXUP << 8), alpha)
    share = tf.math.divide_no_nan(drawn[0], tf.reduce_sum(drawn, axis=0))
    return Mixture(others, tf.maximum(share, 1 - share))
