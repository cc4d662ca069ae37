"""How digits move: straight on at one speed, until an edge turns them back.

Reference:
    Srivastava et al. 2015 (arXiv:1502.04681), and its authors' generator: places are in units of
    the room that a digit has, a step is a tenth of it, and who would leave stops at the edge.
"""

from typing import NamedTuple

import numpy as np

STEP = 0.1  # of the room, in each frame
UNIFORMS = 3  # random numbers of a path


class Paths(NamedTuple):
    """Where digits are.

    Attributes:
        place: float64 `(N, frames, 2)`, from the top and from the left, in [0, 1].
        velocity: float64 `(N, frames, 2)`, that a digit leaves each frame with, a frame.
    """

    place: np.ndarray
    velocity: np.ndarray


def paths(random: np.ndarray, frames: int) -> Paths:
    """Return the paths of digits.

    Args:
        random: float64 in [0, 1), `(N, UNIFORMS)`: where each begins, and in which direction.
        frames: that there are, each after a step.

    Example:
        >>> found = paths(np.array([[0.5, 0.95, 0.0]]), frames=3)
        >>> found.place[0, :, 1].round(2).tolist()
        [1.0, 0.9, 0.8]
    """
    place, angle = random[:, :2], 2 * np.pi * random[:, 2]
    velocity = STEP * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    places, velocities = [], []
    for _ in range(frames):
        place = place + velocity
        velocity = np.where((place <= 0) | (place >= 1), -velocity, velocity)
        place = np.clip(place, 0, 1)
        places.append(place)
        velocities.append(velocity)
    return Paths(np.stack(places, axis=1), np.stack(velocities, axis=1))


def straight_on(found: Paths, given: int, frames: int) -> np.ndarray:
    """Return where digits would be after `given` frames if no edge turned them back.

    Returns:
        float64 `(N, frames, 2)`.
    """
    ahead = np.arange(1, frames + 1)[:, None]
    return found.place[:, given - 1, None] + ahead * found.velocity[:, given - 1, None]


def pixels(place: np.ndarray, room: int) -> np.ndarray:
    """Return places as whole pixels of the room, int64."""
    return np.trunc(place * room).astype(np.int64)
