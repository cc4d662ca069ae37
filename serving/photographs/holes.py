"""Where a photograph is unknown: what lies around and inside, and the same half as large."""

import numpy as np


def around(wanted: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the part of a photograph that is wanted, and as much around it as it is large.

    Args:
        wanted: bool `(H, W)`, somewhere.
        margin: pixels around it, at least; the part begins at multiples of it.

    Example:
        >>> wanted = np.zeros((9, 40), bool)
        >>> wanted[5, 21:24] = True
        >>> around(wanted, 4)
        (slice(0, 9, None), slice(16, 28, None))
    """
    found = []
    for axis in (0, 1):
        places = np.flatnonzero(wanted.any(axis=1 - axis))
        first, last = int(places[0]), int(places[-1]) + 1
        more = max(margin, last - first)
        found.append(slice(max(first - more, 0) // margin * margin,
                           min(last + more, wanted.shape[axis])))  # fmt: skip
    return found[0], found[1]


def inside(unknown: np.ndarray, depth: int) -> np.ndarray:
    """Return what is farther than some pixels, up, down or aside, from all that is known.

    Args:
        unknown: bool `(H, W)`; beyond the edges nothing is known.
        depth: pixels.

    Example:
        >>> hole = np.ones((1, 5), bool)
        >>> hole[0, 0] = False
        >>> inside(hole, 2).tolist()
        [[False, False, False, True, True]]
    """
    found = unknown
    for axis in (0, 1):
        margins = [(depth + 1, depth) if each == axis else (0, 0) for each in (0, 1)]
        known = np.cumsum(np.pad(~found, margins), axis, dtype=np.int32)
        length, window = unknown.shape[axis], 2 * depth + 1
        after, before = (known.take(range(at, at + length), axis) for at in (window, 0))
        found = after == before
    return found


def halved(pixels: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph half as large, and what is unknown of it: of four pixels all.

    Args:
        pixels: uint8 `(H, W, 3)`.
        unknown: bool `(H, W)`.

    Example:
        >>> pixels, unknown = np.uint8([[[8] * 3, [9] * 3]]), np.array([[False, True]])
        >>> [each.tolist() for each in halved(pixels, unknown)]
        [[[[8, 8, 8]]], [[False]]]
    """
    margins = [(0, length % 2) for length in unknown.shape]
    known = np.pad(~unknown, margins, mode="edge")[..., None].astype(np.uint16)
    levels = np.pad(pixels, [*margins, (0, 0)], mode="edge") * known
    sums, counts = (_of_four(each) for each in (levels, known))
    return np.rint(sums / np.maximum(counts, 1)).astype(np.uint8), counts[..., 0] == 0


def _of_four(array: np.ndarray) -> np.ndarray:
    """Return the sums of 2x2 pixels: `(H, W, C)` -> `(H / 2, W / 2, C)`."""
    pairs = array[::2] + array[1::2]
    sums: np.ndarray = pairs[:, ::2] + pairs[:, 1::2]
    return sums
