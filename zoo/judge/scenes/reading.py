"""From a detector's answers to things, and from these to whether a picture is as it should be."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from serving.scenes.grammar import COLOURS, DIGITS, Grammar
from serving.scenes.scene import SIZES, Scene
from zoo.judge.scenes.config import CELL

LEAST = 0.4  # nearness to a centre from which on something is there
AROUND = 2  # cells to each side of a centre in which there is no second one


class Found(NamedTuple):
    """A thing in a picture.

    Attributes:
        thing, colour, size: as in a `serving.scenes.scene.Group`.
        down, right: pixels of its centre from the corner above and to the left.
    """

    thing: str
    colour: str | None
    size: str
    down: float
    right: float


class Agreement(NamedTuple):
    """What of a picture is as its caption says, each given those before it.

    Attributes:
        count: there are as many things.
        things: they are these.
        colours: each is in its colour.
        sizes: each has its size.
        all: the groups lie to each other as they should, so that all is right.
    """

    count: bool
    things: bool
    colours: bool
    sizes: bool
    all: bool


def read(
    centre: np.ndarray, thing: np.ndarray, colour: np.ndarray, size: np.ndarray, grammar: Grammar
) -> list[list[Found]]:
    """Return the things of pictures, at the peaks of nearness.

    Args:
        centre: float32 `(N, G, G)`, probabilities.
        thing, colour, size: int `(N, G, G)`, the likeliest of each cell.
        grammar: of the scenes.
    """
    found: list[list[Found]] = [[] for _ in centre]
    for index, row, column in np.argwhere(_is_peak(centre)).tolist():
        at = index, row, column
        name = grammar.things[thing[at]]
        found[index].append(
            Found(
                name,
                COLOURS[colour[at]] if name in DIGITS else None,
                SIZES[size[at]],
                (row + 0.5) * CELL,
                (column + 0.5) * CELL,
            )
        )
    return found


def compare(found: list[Found], scene: Scene) -> Agreement:
    """Say what of a picture is as a scene.

    Example:
        >>> from serving.scenes.scene import Group
        >>> scene = Scene(Group(1, "two", "red"), "above", Group(1, "sun"))
        >>> two = Found("two", "red", "medium", 40, 9)
        >>> compare([two, Found("sun", None, "medium", 20, 9)], scene)
        Agreement(count=True, things=True, colours=True, sizes=True, all=False)
    """
    wanted = [group for group in scene.groups for _ in range(group.count)]
    right = [len(found) == len(wanted)]
    for depth in (1, 2, 3):  # things; with colours; with sizes
        ours, theirs = (
            Counter((each.thing, each.colour, each.size)[:depth] for each in some)
            for some in (found, wanted)
        )
        right.append(right[-1] and ours == theirs)
    return Agreement(*right, all=right[-1] and _lies(found, scene))


def _lies(found: list[Found], scene: Scene) -> bool:
    """Say whether every thing of the first group lies so to every one of the second."""
    if scene.second is None:
        return True
    first, second = (
        np.array([(one.down, one.right) for one in found if (one.thing, one.colour) == group.kind])
        for group in scene.groups
    )
    axis = 0 if scene.place in ("above", "below") else 1
    before, behind = (first, second) if scene.place in ("above", "left") else (second, first)
    return bool(before[:, axis].max() < behind[:, axis].min())


def _is_peak(centre: np.ndarray) -> np.ndarray:
    """Say of each cell whether it is near a centre, and no other around it nearer.

    Of cells that are as near, as where a centre is on their border, the first counts.
    """
    order = np.arange(centre[0].size).reshape(centre.shape[1:])
    ranked = centre.astype(np.float64) - 1e-9 * order
    padded = np.pad(ranked, ((0, 0), (AROUND, AROUND), (AROUND, AROUND)))
    window = (2 * AROUND + 1, 2 * AROUND + 1)
    around = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2))
    return (centre >= LEAST) & (ranked >= around.max(axis=(3, 4)))
