"""Passages of one style each, as blocks to learn from and as windows to be measured on.

The code of a style is before every block and every window, wherever they begin.

Reference:
    Keskar et al. 2019, CTRL (arXiv:1909.05858), section 3.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from zoo.data import tokenizers

UNCODED = 0.1  # share of the blocks of a style that are learned without its code
STYLED = 0.5  # share of the blocks, at least, that are of a style


class Passage(NamedTuple):
    """Text of one style.

    Attributes:
        style: its name; None for text of none.
        code: the token that stands for it.
        tokens: int32 `(N,)`, without the code.
    """

    style: str | None
    code: int | None
    tokens: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """The tokens after the code, if there is one, int32 `(1 + N,)`."""
        before = [] if self.code is None else [self.code]
        return np.concatenate([np.array(before, np.int32), self.tokens])


def blocks(
    passages: Sequence[Passage], context: int, batch_size: int, seed: int
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Return what draws blocks of passages, as a pure function of the step.

    A block lies in one passage, and begins anywhere in it; where less than half of the text has
    styles, it is half of a batch. Now and then a block is learned without its code, so that a model
    writes without one as well.

    Args:
        passages: each longer than the context.
        context: tokens T of a block.
        batch_size: blocks B of a batch.
        seed: of where blocks begin.

    Returns:
        A function of the step, int64, to a pair of int32 `(B, T)`: tokens, and the token that
        follows each.
    """
    passages = sorted(passages, key=lambda passage: passage.code is None)  # those of none last
    lengths = np.array([len(passage.tokens) for passage in passages])
    places = np.cumsum(lengths - context)  # where a block and its target fit, of all up to each
    skipped = np.arange(len(passages)) * context  # tokens of those before where none begins
    whole, styled = int(places[-1]), _places_of_styles(passages, context)
    known = [-1 if passage.code is None else passage.code for passage in passages]
    with tf.device("CPU:0"):
        tokens = tf.constant(np.concatenate([passage.tokens for passage in passages]))
        ends, moved, codes = (tf.constant(each, tf.int32) for each in (places, skipped, known))

    def pick(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        drawn = tf.stack([tf.cast(seed, tf.int64), step])
        other = drawn + tf.constant([1, 0], tf.int64)
        chances = tf.random.stateless_uniform([batch_size, 2], other)
        place = tf.random.stateless_uniform([batch_size], drawn, 0, whole, tf.int32)
        if 0 < styled < STYLED * whole:
            own = tf.random.stateless_uniform([batch_size], drawn, 0, styled, tf.int32)
            rest = tf.random.stateless_uniform([batch_size], drawn, styled, whole, tf.int32)
            place = tf.where(chances[:, 0] < STYLED, own, rest)
        passage = tf.searchsorted(ends, place, side="right")  # (B,)
        begins = place + tf.gather(moved, passage)
        block = tf.gather(tokens, begins[:, None] + tf.range(context + 1))  # (B, T + 1)
        if styled:
            code = tf.gather(codes, passage)[:, None]  # (B, 1)
            coded = (code >= 0) & (chances[:, 1:] >= UNCODED)
            block = tf.where(coded, tf.concat([code, block[:, :-1]], axis=1), block)
        return block[:, :-1], block[:, 1:]

    return pick


def _places_of_styles(passages: Sequence[Passage], context: int) -> int:
    """Return in how many places a block of a passage with a code can begin."""
    return sum(len(each.tokens) - context for each in passages if each.code is not None)


def windows(
    tokens: np.ndarray, context: int, stride: int, code: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut tokens into windows for stride evaluation.

    Args:
        tokens: `(N,)`, N >= 2.
        context: tokens T of a window.
        stride: how far the next window moves on, from 1 to T. A token is predicted from at least
            T - stride others, those at the beginning excepted.
        code: is put before each window, which it takes a place of; the first token is then
            predicted too.

    Returns:
        Inputs and targets, int32 `(windows, T)`, and weights, float32: 1 where a target is counted,
        which each is exactly once, and 0 for context and for padding.

    Raises:
        UsageError: a stride that would leave tokens out.

    Example:
        >>> inputs, targets, weights = windows(np.arange(6), context=4, stride=2)
        >>> inputs.tolist()
        [[0, 1, 2, 3], [2, 3, 4, 5]]
        >>> (targets * weights).tolist()
        [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 5.0, 0.0]]
    """
    if not 1 <= stride <= context:
        raise UsageError(f"stride is {stride}; expected 1 to {context}, the context")
    if code is not None:
        return _coded(code, *windows(tokens, context - 1, min(stride, context - 1)))
    count = 1 + max(0, -(-(len(tokens) - 1 - context) // stride))
    padded = np.full((count - 1) * stride + context + 1, tokenizers.PAD, np.int32)
    padded[: len(tokens)] = tokens
    counted = np.zeros(len(padded), np.float32)
    counted[1 : len(tokens)] = 1
    begins = stride * np.arange(count)[:, None]
    places = begins + np.arange(context)  # (windows, T)
    weights = counted[places + 1]
    weights[1:, : context - stride] = 0  # the window before has counted these
    return padded[places], padded[places + 1], weights


def _coded(
    code: int, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put a code before windows `(W, T)`, from which the first token of all is predicted."""
    codes = np.full((len(inputs), 1), code, np.int32)
    first = np.eye(len(inputs), 1, dtype=np.float32)  # in the first window alone
    pairs = ((codes, inputs), (inputs[:, :1], targets), (first, weights))
    before, after, counted = (np.concatenate(pair, axis=1) for pair in pairs)  # (W, 1 + T)
    return before, after, counted
