"""The codes of images with what is told of them, and how some are hidden to be learned."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from serving.families.codes.captions import CaptionWords
from zoo.data.images import Images
from zoo.prior.config import PriorConfig

HIDE, ORDER, TOLD = 3, 4, 5  # streams of random numbers of a step, beside those of the images

Encode = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, C) uint8 -> codes (N, T)
Batch = tuple[dict[str, Any], Any, Any]  # what a `Prior` takes, the codes, 1 for what is learned


def told(
    images: Images,
    part: str,
    encode: Encode,
    words: CaptionWords | None,
    longest: int,
    limit: int | None = None,
) -> dict[str, np.ndarray]:
    """Return the codes of images, and what is told of them.

    Args:
        images: of the recipe.
        part: of `train`, `validation` and `test`.
        encode: of the codes, by Keras or by ONNX Runtime.
        words: of captions, where they are told.
        longest: words of a caption.
        limit: use only the first so many.

    Returns:
        `codes` int32 `(N, T)`, and `labels` int32 `(N,)` or `words` int32 `(N, longest)`.
    """
    pictures, labels = images.levels(part)
    found = {"codes": encode(pictures[:limit])}
    if labels is not None:
        found["labels"] = labels[:limit]
    if words is not None:
        found["words"] = words.encode(images.captions(part)[:limit], longest)
    return found


def hidden(examples: dict[str, Any], config: PriorConfig, seed: tf.Tensor) -> Batch:
    """Hide codes of examples, and of some what is told of them.

    How many of an image are hidden is a cosine of a uniform number, as when it is drawn. Where each
    code is learned from those before it, none is hidden, and all count.

    Args:
        examples: `codes` `(B, T)`, and `labels` `(B,)` or `words` `(B, L)`.
        config: of the prior.
        seed: int64 `(2,)`, of the run and the step.
    """
    share, order, told = (
        tf.random.experimental.stateless_fold_in(seed, stream) for stream in (HIDE, ORDER, TOLD)
    )
    rows, places = tf.shape(examples["codes"])[0], config.positions
    share = tf.cos(math.pi / 2 * tf.random.stateless_uniform((rows,), share))
    order = tf.random.stateless_uniform((rows, places), order)
    x = _without(examples, share, order, config)
    hide = tf.random.stateless_uniform((rows,), told) < config.unlabelled
    if config.classes:
        x[0]["labels"] = tf.where(hide, config.classes, x[0]["labels"])
    elif config.words:
        x[0]["words"] = tf.where(hide[:, None], 0, x[0]["words"])
    return x


def measured(examples: dict[str, np.ndarray], config: PriorConfig, seed: int = 0) -> Batch:
    """Hide codes of examples, from few to all, the same each time; all is told of them."""
    codes = examples["codes"]
    share = np.cos(math.pi / 2 * (np.arange(len(codes)) * 0.61803 % 1)).astype(np.float32)
    order = np.random.RandomState(seed).random_sample(codes.shape).astype(np.float32)
    x, y, weights = _without(examples, tf.constant(share), tf.constant(order), config)
    return {name: np.asarray(each) for name, each in x.items()}, np.asarray(y), np.asarray(weights)


def _without(
    examples: dict[str, Any], share: tf.Tensor, order: tf.Tensor, config: PriorConfig
) -> Batch:
    """Hide a share `(B,)` of codes, one at least, the first in an order `(B, T)`."""
    codes = examples["codes"]
    if config.filling == "next":
        return dict(examples), codes, tf.ones(tf.shape(codes))
    count = tf.maximum(1, tf.cast(tf.math.ceil(share * config.positions), tf.int32))  # (B,)
    rank = tf.argsort(tf.argsort(order, axis=1), axis=1)
    hide = rank < count[:, None]  # (B, T)
    seen = tf.where(hide, config.vocabulary, codes)
    return dict(examples) | {"codes": seen}, codes, tf.cast(hide, tf.float32)
