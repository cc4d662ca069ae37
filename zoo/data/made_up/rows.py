"""Random numbers of examples, each a pure function of the seed, the part and its index."""

import numpy as np

_PHILOX = 4  # numbers that the generator makes in a step


def random_rows(seed: int, part: int, start: int, stop: int, columns: int) -> np.ndarray:
    """Return the random numbers of some examples of a part, float64 in [0, 1), `(N, columns)`.

    Example:
        >>> some, more = (random_rows(7, 0, *each, columns=3) for each in [(2, 5), (0, 9)])
        >>> bool((some == more[2:5]).all())
        True
    """
    whole = -(-columns // _PHILOX) * _PHILOX
    numbers = np.random.Philox(key=[seed, part])
    numbers.advance(start * whole // _PHILOX)
    found = np.random.Generator(numbers).random((max(0, stop - start), whole))
    return found[:, :columns]
