"""Pieces as batches of tokens, the same for the same seed and step."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from serving.music.grid import BAR, VOICES, Pitches
from zoo.data.text import windows
from zoo.music.pieces import shifts

REPEATS = 4  # how often each window is given blanks, where a loss is measured by them
VALIDATION_SEED = 0

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]


class Pool(NamedTuple):
    """Pieces to draw examples from, as tensors of a row for each.

    Attributes:
        tokens: int32 `(N, 1 + longest + T)`, the blank before the first note and after the last.
        lengths: how many notes each has, `(N,)`.
        shifts: how far it can be moved down and up, `(N, 2)`.
        rows: of pieces, each as often as it has examples, `(examples,)`.
    """

    tokens: tf.Tensor
    lengths: tf.Tensor
    shifts: tf.Tensor
    rows: tf.Tensor


def pool(pieces: list[np.ndarray], pitches: Pitches, length: int, transpose: int) -> Pool:
    """Return pieces as a pool.

    Args:
        pieces: int16 `(T, 4)` each.
        pitches: what tokens stand for.
        length: of an example, in tokens.
        transpose: semitones that a piece is moved by at most.
    """
    lengths = np.array([piece.size for piece in pieces], np.int32)
    tokens = np.full((len(pieces), 1 + lengths.max() + length), pitches.blank, np.int32)
    for row, piece in enumerate(pieces):
        tokens[row, 1 : 1 + piece.size] = pitches.tokens(piece)
    rows = np.repeat(np.arange(len(pieces), dtype=np.int32), -(-lengths // length))
    with tf.device("CPU:0"):
        moved = shifts(pieces, transpose)
        return Pool(*map(tf.constant, (tokens, lengths, moved, rows)))


def training_batches(
    pool: Pool, pitches: Pitches, length: int, batch_size: int, seed: int, any_order: bool
) -> Callable[[int], tf.data.Dataset]:
    """Return what gives batches without end from a step on.

    An example is a stretch of a piece that begins with a bar, moved by some semitones.

    Args:
        pool: of the training part.
        pitches: what tokens stand for.
        length: of an example T, in tokens.
        batch_size: examples of all replicas together.
        seed: of what is drawn.
        any_order: whether notes are blanked, to be predicted from the others, see `blanks`; else
            each is predicted from those before it.

    Returns:
        A function of the step. A batch is the inputs of a `MusicTransformer`, the notes, int32
        `(B, T)`, and how much each counts, float32 `(B, T)`.
    """

    def pick(step: tf.Tensor) -> Batch:
        drawn = _draws(seed, step)
        x, y, real = _stretches(pool, pitches, length, batch_size, drawn)
        if not any_order:
            return {"input_ids": x}, y, tf.cast(real, tf.float32)
        weights = blanks(_regions(real, drawn), drawn)
        ids = tf.where(weights > 0, pitches.blank, y)
        return {"input_ids": ids, "attention_mask": tf.cast(real, tf.int32)}, y, weights

    def batches(start: int) -> tf.data.Dataset:
        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)

    return batches


Draw = Callable[[tuple[int, ...]], tf.Tensor]


def _draws(seed: int, step: tf.Tensor) -> Draw:
    """Return what draws numbers in [0, 1), others at each call, for one step."""
    count = iter(range(1, 100))

    def draw(shape: tuple[int, ...]) -> tf.Tensor:
        own = tf.stack([tf.cast(seed * 100 + next(count), tf.int64), step])
        return tf.random.stateless_uniform(shape, own)

    return draw


def _whole(share: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
    """Turn numbers in [0, 1) into whole ones below a count."""
    return tf.cast(share * tf.cast(count, tf.float32), tf.int32)


def _stretches(
    pool: Pool, pitches: Pitches, length: int, count: int, draw: Draw
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return stretches of pieces: the notes before each, the notes, and which are there at all."""
    row = tf.gather(pool.rows, _whole(draw((count,)), len(pool.rows)))  # (B,)
    own = tf.gather(pool.lengths, row)
    bars = tf.maximum(0, -(-(own - length) // BAR)) + 1  # that a stretch can begin with
    begin = BAR * _whole(draw((count,)), bars)
    low, high = tf.unstack(tf.gather(pool.shifts, row), axis=1)
    shift = low + _whole(draw((count,)), high - low + 1)
    places = begin[:, None] + tf.range(length + 1)  # (B, T + 1)
    tokens = tf.gather(tf.gather(pool.tokens, row), places, batch_dims=1)
    sounding = (tokens > 0) & (tokens < pitches.blank)
    tokens = tf.where(sounding, tokens + shift[:, None], tokens)
    real = places[:, :-1] < own[:, None]
    return tokens[:, :-1], tf.where(real, tokens[:, 1:], 0), real


def _regions(real: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Choose where blanks can be: half of the time anywhere, else in some voices or some bars."""
    count, length = real.shape
    place = tf.range(length)
    voices = tf.gather(draw((count, VOICES)) < 0.5, place % VOICES, axis=1)  # (B, T)
    border = tf.sort(_whole(draw((count, 2)), length // BAR + 1), axis=1) * BAR
    inside = (place >= border[:, :1]) & (place < border[:, 1:])
    kind = _whole(draw((count, 1)), 4)
    region = real & tf.where(kind < 2, True, tf.where(kind == 2, voices, inside))
    return tf.where(tf.reduce_any(region, axis=1, keepdims=True), region, real)


def blanks(region: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Choose blanks: any number of places of a region, all numbers being equally likely.

    A row counts as a whole, however many of its notes are blank: what is learned is then each note
    given those before it, whatever the order (Uria et al. 2014, arXiv:1310.1757).

    Args:
        region: bool `(B, T)`, true somewhere in each row.
        draw: random numbers of a shape.

    Returns:
        float32 `(B, T)`: one over the number of blanks, and 0 where there is none.
    """
    size = tf.reduce_sum(tf.cast(region, tf.int32), axis=1, keepdims=True)  # (B, 1)
    count = 1 + _whole(draw((region.shape[0], 1)), size)
    order = tf.where(region, draw(tuple(region.shape)), 2.0)
    rank = tf.argsort(tf.argsort(order, axis=1), axis=1)  # (B, T)
    return tf.cast(rank < count, tf.float32) / tf.cast(count, tf.float32)


# --- measured on ---


def time_windows(
    pieces: list[np.ndarray], pitches: Pitches, context: int, stride: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return windows of pieces whose every note is predicted once from those before it.

    Args:
        pieces: int16 `(T, 4)` each.
        pitches: what tokens stand for.
        context: tokens of a window.
        stride: by which the next window of a piece moves on, whole bars.

    Returns:
        Inputs, targets, int32 `(windows, T)`, and weights: 1 where a note counts.
    """
    rows = []
    for piece in pieces:
        stream = np.concatenate([[pitches.blank], pitches.tokens(piece)])
        inputs, targets, weights = windows(stream, context, stride)
        rows.append((inputs, targets, weights))
    inputs, targets, weights = (np.concatenate(each) for each in zip(*rows, strict=True))
    return inputs, targets, weights


def blank_windows(
    pieces: list[np.ndarray],
    pitches: Pitches,
    context: int,
    voices: tuple[int, ...] = tuple(range(VOICES)),
    repeats: int = REPEATS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return windows of pieces with blanks, the same each time, whose weighted mean is the surprise
    at a note in a random order.

    Args:
        pieces: int16 `(T, 4)` each.
        pitches: what tokens stand for.
        context: tokens of a window, which lie side by side.
        voices: in which the blanks are.
        repeats: how often each window comes, with other blanks.

    Returns:
        Inputs, targets, masks, int32 `(windows, T)`, and weights: for each blank of a window how
        many places could be blank, shared among the blanks.
    """
    random, rows = np.random.RandomState(VALIDATION_SEED), []
    for piece in pieces:
        flat = pitches.tokens(piece)
        for begin in range(0, len(flat), context):
            own = flat[begin : begin + context]
            region = np.isin(np.arange(len(own)) % VOICES, voices)
            for _ in range(repeats):
                count = random.randint(1, region.sum() + 1)
                order = np.where(region, random.random_sample(len(own)), 2.0)
                chosen = np.argsort(order, kind="stable")[:count]
                inputs, targets, mask = np.zeros((3, context), np.int32)
                weights = np.zeros(context, np.float32)
                inputs[: len(own)], targets[: len(own)], mask[: len(own)] = own, own, 1
                inputs[chosen], weights[chosen] = pitches.blank, region.sum() / count
                rows.append((inputs, targets, mask, weights))
    inputs, targets, mask, weights = (np.stack(each) for each in zip(*rows, strict=True))
    return inputs, targets, mask, weights
