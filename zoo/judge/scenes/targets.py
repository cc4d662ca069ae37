"""What a detector should answer about scenes of which everything is known."""

import numpy as np

from serving.scenes.grammar import COLOURS
from serving.scenes.scene import SIZES
from zoo.data.scenes.arrangement import Things
from zoo.data.scenes.config import ScenesConfig
from zoo.judge.scenes.config import CELL

SPREAD = 1.0  # cells: how far from a centre is near


def targets(things: Things, config: ScenesConfig) -> dict[str, np.ndarray]:
    """Return the right answers, by cell.

    Args:
        things: of scenes.
        config: of the scenes.

    Returns:
        `centre`, float32 `(N, G, G)`: 1 where a thing has its centre, falling to 0 around it; and
        int32 `(N, G, G)` `thing`, `colour` (-1 of an emoji) and `size` of the thing that is
        nearest, of `grammar.things`, `COLOURS` and `SIZES`.
    """
    grammar = config.grammar
    pixels = np.array([config.pixels[size] for size in SIZES])
    cells = np.arange(config.size // CELL)
    down, right = (
        cells - ((corner + pixels[things.size] / 2) / CELL - 0.5)[..., None]
        for corner in (things.top, things.left)
    )  # (N, slots, G)
    far = np.square(down)[..., :, None] + np.square(right)[..., None, :]  # (N, slots, G, G)
    near = np.exp(-far / (2 * SPREAD**2)) * (things.kind >= 0)[..., None, None]
    nearest = near.argmax(axis=1)[:, None]  # (N, 1, G, G)
    thing = np.array([grammar.things.index(name) for name, _ in grammar.kinds])
    colour = np.array([COLOURS.index(name) if name else -1 for _, name in grammar.kinds])
    values = {"thing": thing[things.kind], "colour": colour[things.kind], "size": things.size}
    return {"centre": near.max(axis=1).astype(np.float32)} | {
        name: np.take_along_axis(value[..., None, None], nearest, axis=1)[:, 0].astype(np.int32)
        for name, value in values.items()
    }
