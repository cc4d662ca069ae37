"""Sequences as the numbers of their codes, and which frames of them are predicted."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from serving.families.video.numbers import numbers_of
from zoo.data.moving.config import FRAMES, GIVEN
from zoo.data.moving.moving import MovingDigits
from zoo.video.config import VideoConfig

TIME, RATE, WHICH, LEVEL = 3, 4, 5, 6  # streams of random numbers of a step
TOGETHER = 64  # sequences that are encoded at a time; bounds memory

Encode = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, C) uint8 -> codes (N, T)
Pair = tuple[Any, Any]  # numbers of the frames that are seen, and those of the next one


def told(
    data: MovingDigits, part: str, encode: Encode, config: VideoConfig, limit: int | None = None
) -> np.ndarray:
    """Return the numbers of sequences, uint8 `(N, FRAMES, P)`.

    Args:
        data: of the recipe.
        part: of `train`, `validation` and `test`.
        encode: of the codes, by Keras or by ONNX Runtime.
        config: of the model.
        limit: use only the first so many.
    """
    count = min(data.config.counts[part], limit or FRAMES**9)
    found = []
    for start in range(0, count, TOGETHER):
        frames = data.read(part, start, min(start + TOGETHER, count)).frames
        codes = encode(frames.reshape(-1, *frames.shape[2:]))
        numbers = numbers_of(codes, config.numbers, config.levels).astype(np.uint8)
        found.append(numbers.reshape(-1, FRAMES, config.frame_numbers))
    return np.concatenate(found)


def drawn(numbers: tf.Tensor, config: VideoConfig, seed: tf.Tensor) -> Pair:
    """Choose a frame of each sequence, and disturb what it is predicted from.

    Args:
        numbers: uint8 `(B, FRAMES, P)`.
        config: of the model.
        seed: int64 `(2,)`, of the run and the step.

    Returns:
        int32 `(B, seen, P)` and `(B, P)`.
    """
    time, rate, which, level = (
        tf.random.experimental.stateless_fold_in(seed, stream)
        for stream in (TIME, RATE, WHICH, LEVEL)
    )
    rows = tf.shape(numbers)[:1]
    first = tf.random.stateless_uniform(rows, time, 0, FRAMES - config.seen, tf.int32)
    frames = first[:, None] + tf.range(config.seen + 1)  # (B, seen + 1)
    numbers = tf.cast(tf.gather(numbers, frames, batch_dims=1), tf.int32)
    seen, following = numbers[:, :-1], numbers[:, -1]
    if config.disturbed:
        # The later a frame the more, as those that were predicted come after those that were given.
        later = tf.range(1.0, config.seen + 1)[:, None] / config.seen
        rate = config.disturbed * tf.random.stateless_uniform(rows, rate)[:, None, None] * later
        hit = tf.random.stateless_uniform(tf.shape(seen), which) < rate
        other = tf.random.stateless_uniform(tf.shape(seen), level, 0, config.levels, tf.int32)
        seen = tf.where(hit, other, seen)
    return seen, following


def measured(numbers: np.ndarray, config: VideoConfig) -> Pair:
    """Return a frame of each sequence that is to be predicted, one after the other of them."""
    time = GIVEN + np.arange(len(numbers)) % (FRAMES - GIVEN)
    frames = time[:, None] + np.arange(-config.seen, 1)  # (N, seen + 1)
    numbers = numbers[np.arange(len(numbers))[:, None], frames].astype(np.int32)
    return numbers[:, :-1], numbers[:, -1]
