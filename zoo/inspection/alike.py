"""Pictures that look the same: found by a hash of their coarse shapes, confirmed by comparing them.

The hash is that of the discrete cosine transform (pHash, Zauner 2010, "Implementation and
Benchmarking of Perceptual Image Hash Functions"). Two hashes of 64 bits that differ in at most
five agree in at least one of six bands of bits, so that only pictures with a band in common are
compared, not all pairs. The hash is of grey pictures; what differs in colour is no copy.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

SIDE = 32  # pixels of the small grey pictures
MOST_BITS = 5
BANDS = 6
LEAST_CORRELATION = 0.99  # at which copies of photographs are found, and few handwritten digits
TINT_SIDE = 8  # pixels of the pictures of colour alone
MOST_TINT = 16  # of 255, that two of them differ by anywhere

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


def groups(small: np.ndarray, tints: np.ndarray) -> list[list[int]]:
    """Return the pictures that look the same.

    Args:
        small: brightness, uint8 `(N, 32, 32)`, those first that are rather kept.
        tints: their colours, blue and red less brightness, uint8 `(N, 8, 8, 2)`.

    Returns:
        Indices, the one to keep first; every other one of a group looks like that one. None is in
        two groups.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
        >>> groups(np.concatenate([noise, noise[1:2] // 2]), np.full((4, 8, 8, 2), 128, np.uint8))
        [[1, 3]]
    """
    codes = hashes(small)
    bands = _bands(codes)
    taken = np.zeros(len(codes), bool)
    found = []
    for first in range(len(codes)):
        if taken[first]:
            continue
        near = np.unique(np.concatenate([band.near(first, codes[first]) for band in bands]))
        near = near[~taken[near]]
        others = near[_are_copies(small, tints, first, near)] if len(near) else near
        if len(others):
            taken[others] = True
            found.append([first, *others.tolist()])
    return found


class _Band(NamedTuple):
    """Pictures in the order of some bits of their hashes, and among equal ones in their own.

    Attributes:
        order, codes: their indices, and their hashes, `(N,)`.
        begin, end: by picture, where those after it with the same bits begin and end.
    """

    order: np.ndarray
    codes: np.ndarray
    begin: np.ndarray
    end: np.ndarray

    def near(self, first: int, code: np.uint64) -> np.ndarray:
        """Return the later pictures with the same bits, and almost the same hash."""
        same = slice(self.begin[first], self.end[first])
        differing = np.bitwise_count(self.codes[same] ^ code)
        return self.order[same][differing <= MOST_BITS]


def _bands(codes: np.ndarray) -> list[_Band]:
    found = []
    for low, high in pairwise(np.linspace(0, 64, BANDS + 1).astype(int).tolist()):
        bits = (codes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(bits, kind="stable")
        begin, end = np.empty(len(codes), int), np.empty(len(codes), int)
        begin[order] = np.arange(1, len(codes) + 1)
        end[order] = np.searchsorted(bits[order], bits[order], side="right")
        found.append(_Band(order, codes[order], begin, end))
    return found


def _are_copies(small: np.ndarray, tints: np.ndarray, first: int, others: np.ndarray) -> np.ndarray:
    """Say of others whether they are the first but for brightness and contrast: bool `(P,)`."""
    one, rest = _centred(small[first][None])[0], _centred(small[others])  # (1024,), (P, 1024)
    scale = np.sqrt(np.square(one).sum() * np.square(rest).sum(axis=1))
    differing = np.abs(tints[others].astype(np.int16) - tints[first]).max(axis=(1, 2, 3))
    alike = rest @ one >= LEAST_CORRELATION * np.maximum(scale, 1e-6)
    return alike & (differing <= MOST_TINT)


def _centred(pictures: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return flat - flat.mean(axis=1, keepdims=True)
