"""The one source of latent noise: a seed gives the same sample in Keras, SavedModel and ONNX.

No graph of the zoo draws random numbers. Noise is drawn here, on the host, and is an input of every
graph. `numpy.random.RandomState` is used because its stream is frozen for good (NumPy Enhancement
Proposal 19), while the newer `Generator` may change between releases.
"""

import threading
from collections.abc import Iterator

import numpy as np

from serving.numbers import whole

SEED_LIMIT = 2**32
_local = threading.local()


def normal(count: int, size: int, seed: int) -> np.ndarray:
    """Draw standard normal noise.

    Args:
        count: rows, one per sample.
        size: values per row.
        seed: 0 <= seed < 2**32.

    Returns:
        float32 `(count, size)`. Row i depends on `seed` and i alone, so a larger draw starts with a
        smaller one of the same seed.

    Raises:
        UsageError: the seed is not a whole number in that range.

    Example:
        >>> bool((normal(2, 3, seed=7) == normal(5, 3, seed=7)[:2]).all())
        True
    """
    return _seeded(checked_seed(seed)).standard_normal((count, size)).astype(np.float32)


def normal_batches(count: int, size: int, seed: int, batch_size: int) -> Iterator[np.ndarray]:
    """Draw the same noise as `normal`, a batch at a time, for counts that would not fit in memory.

    Returns:
        Iterator over float32 `(batch_size, size)`; the last batch may be shorter.

    Example:
        >>> batches = normal_batches(5, 3, seed=7, batch_size=2)
        >>> bool((np.concatenate(list(batches)) == normal(5, 3, seed=7)).all())
        True
    """
    if count <= batch_size:  # a generator of its own costs more than a small batch
        return iter([normal(count, size, seed)])
    state = np.random.RandomState(checked_seed(seed))
    return (
        state.standard_normal((min(batch_size, count - start), size)).astype(np.float32)
        for start in range(0, count, batch_size)
    )


def uniform_batches(count: int, size: int, seed: int, batch_size: int) -> Iterator[np.ndarray]:
    """Draw numbers in [0, 1), a batch of rows at a time.

    Returns:
        Iterator over float64 `(batch_size, size)`; the last batch may be shorter. Row i depends on
        `seed`, `size` and i alone.

    Raises:
        UsageError: the seed is not a whole number in the range of seeds.

    Example:
        >>> first, last = uniform_batches(3, 2, seed=7, batch_size=2)
        >>> first.round(2).tolist(), last.shape
        ([[0.08, 0.78], [0.44, 0.72]], (1, 2))
    """
    state = np.random.RandomState(checked_seed(seed))
    return (
        state.random_sample((min(batch_size, count - start), size))
        for start in range(0, count, batch_size)
    )


def uniform(seed: int) -> Iterator[float]:
    """Return the numbers of `RandomState(seed).random_sample()`, in [0, 1), without end.

    Raises:
        UsageError: the seed is not a whole number in the range of seeds.

    Example:
        >>> numbers = uniform(7)
        >>> [round(next(numbers), 3) for _ in range(3)]
        [0.076, 0.78, 0.438]
    """
    return _uniform(checked_seed(seed))


def _uniform(seed: int) -> Iterator[float]:
    # Many at a time, since asking costs more than drawing. Those that were drawn before are drawn
    # again, since that costs less than a generator for each seed.
    done, count = 0, 256
    while True:
        numbers = _seeded(seed).random_sample(count)
        yield from numbers[done:].tolist()
        done, count = count, 2 * count


def _seeded(seed: int) -> np.random.RandomState:
    """Return the generator of this thread, at the beginning of a seed's stream."""
    # A new generator costs 100 microseconds, more than drawing a batch; a new seed costs 2.
    state: np.random.RandomState | None = getattr(_local, "state", None)
    if state is None:
        state = _local.state = np.random.RandomState(0)
    state.seed(seed)
    return state


def checked_seed(seed: int) -> int:
    """Return `seed` as a plain integer, or raise UsageError if not a whole number below 2**32."""
    return whole(seed, "seed", 0, SEED_LIMIT - 1)


def checked_count(n: int, what: str = "n") -> int:
    """Return a count of at least 1 as a plain integer."""
    return whole(n, what, 1)
