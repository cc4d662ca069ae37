"""Random matrices in blocks, as numbers that weights are."""

import numpy as np

from zoo.checkpoints.blocks import SIZE, Blocks


def random_blocks(rows: int, columns: int, kind: str = "Q4_1", seed: int = 0) -> Blocks:
    """Return a matrix of one of GGUF's kinds, of about 0.3 in size."""
    random = np.random.default_rng(seed)
    low, high, bits = {"Q8_0": (-128, 128, 8), "Q4_0": (-8, 8, 4), "Q4_1": (0, 16, 4)}[kind]
    values = random.integers(low, high, (rows, columns)).astype(np.int8)
    shape = (rows, columns // SIZE)
    scales = (random.uniform(0.5, 1, shape) / high).astype(np.float16)
    minima = -random.uniform(0.2, 0.5, shape).astype(np.float16) if kind == "Q4_1" else None
    return Blocks(values, scales, minima, bits)
