"""Pictures that look the same: found by a hash of their coarse shapes, confirmed by comparing them.

The hash is that of the discrete cosine transform (pHash, Zauner 2010, "Implementation and
Benchmarking of Perceptual Image Hash Functions"). Two hashes of 64 bits that differ in at most
five agree in at least one of six bands of bits, so that only pictures with a band in common are
compared, not all pairs.
"""

from itertools import pairwise

import numpy as np

SIDE = 32  # pixels of the small grey pictures
MOST_BITS = 5
BANDS = 6
LEAST_CORRELATION = 0.985
BLOCK = 128  # rows that are compared at a time

_LOW = 8  # frequencies across and down


def hashes(small: np.ndarray) -> np.ndarray:
    """Return the perceptual hashes of small grey pictures.

    Args:
        small: uint8 `(N, 32, 32)`.

    Returns:
        uint64 `(N,)`.

    Example:
        >>> ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (1, 32, 1))
        >>> int(np.bitwise_count(hashes(ramp) ^ hashes(ramp // 2 + 40))[0])
        0
    """
    cosines = _cosines()
    found = np.empty((len(small), _LOW * _LOW), bool)
    for begin in range(0, len(small), 4096):
        pictures = small[begin : begin + 4096].astype(np.float32)
        waves = (cosines @ pictures @ cosines.T).reshape(-1, _LOW * _LOW)  # (B, 64)
        waves[:, 0] = 0  # of the brightness, which may differ
        # What rounding made of nothing is nothing: of a flat picture no bit is left to chance.
        waves[np.abs(waves) < 1e-2] = 0
        found[begin : begin + 4096] = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
    return np.packbits(found, axis=1).view(np.uint64)[:, 0]


def _cosines() -> np.ndarray:
    """Return the lowest rows of the discrete cosine transform, `(8, 32)`."""
    angles = np.arange(_LOW)[:, None] * (np.arange(SIDE) + 0.5) * np.pi / SIDE
    return np.cos(angles).astype(np.float32) * np.sqrt(2 / SIDE, dtype=np.float32)


def groups(small: np.ndarray) -> list[list[int]]:
    """Return the pictures that look the same.

    Args:
        small: uint8 `(N, 32, 32)`, those first that are rather kept.

    Returns:
        Indices, the one to keep first; every other one of a group looks like that one. None is in
        two groups.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
        >>> groups(np.concatenate([noise, noise[1:2] // 2]))
        [[1, 3]]
    """
    neighbours: dict[int, set[int]] = {}
    for first, second in _pairs(small):
        neighbours.setdefault(first, set()).add(second)
    taken: set[int] = set()
    found = []
    for first in sorted(neighbours):
        others = sorted(neighbours[first] - taken)
        if first not in taken and others:
            taken.update(others)
            found.append([first, *others])
    return found


def _pairs(small: np.ndarray) -> set[tuple[int, int]]:
    """Return all pairs that look the same, the one that is rather kept first."""
    codes = hashes(small)
    found: set[tuple[int, int]] = set()
    borders = np.linspace(0, 64, BANDS + 1).astype(int)
    for low, high in pairwise(borders):
        band = (codes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")  # within a band in the order of the pictures
        starts = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, starts):
            if len(bucket) > 1:
                found.update(_within(bucket, codes, small))
    return found


def _within(bucket: np.ndarray, codes: np.ndarray, small: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs among pictures with a band in common.

    A picture that an earlier block has found a copy of is not compared further, so that ten
    thousand copies of one cost no hundred million pairs.
    """
    found = []
    while len(bucket) > 1:
        rows = bucket[:BLOCK]
        differing = np.bitwise_count(codes[rows][:, None] ^ codes[bucket][None])  # (R, N)
        near = (differing <= MOST_BITS) & (rows[:, None] < bucket[None])
        row, column = np.nonzero(near)
        sure = _correlated(small, rows[row], bucket[column])
        row, column = row[sure], column[sure]
        found += zip(rows[row].tolist(), bucket[column].tolist(), strict=True)
        left = np.ones(len(bucket), bool)
        left[: len(rows)] = False
        left[column] = False
        bucket = bucket[left]
    return found


def _correlated(small: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Say of pairs whether they are the same but for brightness and contrast: bool `(P,)`."""
    found = np.empty(len(first), bool)
    for begin in range(0, len(first), 4096):
        part = slice(begin, begin + 4096)
        one, other = (_centred(small[index[part]]) for index in (first, second))  # (B, 1024)
        both = np.einsum("bp,bp->b", one, other)
        scale = np.sqrt(np.square(one).sum(1) * np.square(other).sum(1))
        found[part] = both >= LEAST_CORRELATION * np.maximum(scale, 1e-6)
    return found


def _centred(pictures: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return flat - flat.mean(axis=1, keepdims=True)
