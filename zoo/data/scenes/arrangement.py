"""Where the things of scenes lie: each group in a row or a column, and none over another."""

from typing import NamedTuple

import numpy as np

from serving.scenes.scene import MOST, PLACES, SIZES
from zoo.data.scenes.combinations import Combinations, Drawn
from zoo.data.scenes.config import ScenesConfig

GAP = 1  # pixels between things beside each other, and to the edge
UNIFORMS = 1 + 4 * MOST  # random numbers of a scene
SLOTS = 2 * MOST  # things that a scene has at most


class Things(NamedTuple):
    """The things of scenes, each in a square that its longer side fills.

    Those of the first group are in the first half of the slots. All are `(N, SLOTS)`.

    Attributes:
        kind: int16, of `Grammar.kinds`; -1 where a slot is empty.
        size: int16, of `SIZES`; -1 likewise.
        top, left: int16, pixels, of the square's corner.
    """

    kind: np.ndarray
    size: np.ndarray
    top: np.ndarray
    left: np.ndarray


def arrange(
    config: ScenesConfig, combinations: Combinations, drawn: Drawn, random: np.ndarray
) -> Things:
    """Place the things of scenes.

    Groups above and below each other are rows in the two halves of a picture, groups beside each
    other columns; a group alone is either, anywhere.

    Args:
        config: of the scenes.
        combinations: of which scenes are drawn.
        drawn: scenes.
        random: float64 in [0, 1), `(N, UNIFORMS)`.
    """
    upright = np.where(drawn.place < 0, random[:, 0] < 0.5, drawn.place >= PLACES.index("left"))
    halves = np.isin(drawn.place, [PLACES.index("below"), PLACES.index("right")])
    parts = []
    for order, group in enumerate((drawn.first, drawn.second)):
        numbers = random[:, 1 + 2 * MOST * order :][:, : 2 * MOST]
        second_half = halves != bool(order)
        parts.append(
            _group(config, combinations, group, upright, second_half, drawn.place, numbers)
        )
    return Things(
        *(np.concatenate(pair, axis=1).astype(np.int16) for pair in zip(*parts, strict=True))
    )


def _group(
    config: ScenesConfig,
    combinations: Combinations,
    group: np.ndarray,
    upright: np.ndarray,
    second_half: np.ndarray,
    place: np.ndarray,
    random: np.ndarray,
) -> Things:
    """Place one group of each scene, `(N, MOST)`."""
    counts = np.array([each.count for each in combinations.groups])
    sizes = np.array([SIZES.index(each.size) for each in combinations.groups])
    there = (np.arange(MOST) < counts[group][:, None]) & (group >= 0)[:, None]  # (N, MOST)
    side = np.array([config.pixels[size] for size in SIZES])[sizes[group]][:, None]  # (N, 1)
    # In its line: the things in order, and what is free spread over the gaps by sorted numbers.
    free = config.size - GAP - counts[group][:, None] * (side + GAP)
    shares = np.sort(np.where(there, random[:, :MOST], 2.0), axis=1)
    along = GAP + np.arange(MOST) * (side + GAP) + _moved(shares, free, config.grid)
    # Across it: within the half of its group, or anywhere.
    half, alone = config.size // 2, (place < 0)[:, None]
    extent = np.where(alone, config.size, half)
    start = np.where(second_half[:, None] & ~alone, half, 0)
    across = start + GAP + _moved(random[:, MOST:], extent - 2 * GAP - side, config.grid)
    top = np.where(upright[:, None], along, across)
    left = np.where(upright[:, None], across, along)
    values = (combinations.kind[group][:, None], sizes[group][:, None], top, left)
    return Things(*(np.where(there, value, -1) for value in values))


def _moved(shares: np.ndarray, free: np.ndarray, grid: int) -> np.ndarray:
    """Return pixels by which things are moved, by shares in [0, 1) of what is free beside them."""
    return np.floor(shares * (free // grid + 1)).astype(np.int64) * grid
