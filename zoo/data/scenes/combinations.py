"""Which scenes are drawn, and which groups of things never occur in those that are trained on.

A group is held out by a hash of its words, "two small red threes", so that it is held out for
everybody, whatever the seed. Scenes to train on and to validate on have no such group; each scene
to test on has at least one.
"""

import hashlib
from itertools import product
from typing import NamedTuple

import numpy as np

from serving.scenes.grammar import Grammar
from serving.scenes.scene import PLACES, ROOM, SIZES, Group, Scene

HELD_OUT = 0.05  # share of groups
PAIRS = 0.75  # share of scenes that have two groups
UNIFORMS = 5  # random numbers of a scene
# How often groups of so many things are, for each size; an emoji is as often as three colours.
_OFTEN = {1: 10, 2: 6, 3: 6}
_EMOJI_OFTEN = 3


class Drawn(NamedTuple):
    """Scenes as numbers.

    Attributes:
        first, second: int64 `(N,)` of `Combinations.groups`; the second is -1 where there is none.
        place: int64 `(N,)` of `PLACES`, of the first seen from the second; -1 likewise.
    """

    first: np.ndarray
    place: np.ndarray
    second: np.ndarray


class Combinations:
    """The groups that a grammar knows, and scenes of them.

    Args:
        grammar: of the captions.

    Attributes:
        groups: every group that fits, those of one kind together.
        kind: int64 `(groups,)`, of `grammar.kinds`.
        held_out: bool `(groups,)`.

    Example:
        >>> found = Combinations(Grammar())
        >>> len(found.groups), int(found.held_out.sum())
        (480, 31)
    """

    def __init__(self, grammar: Grammar):
        self.grammar = grammar
        shapes = [(count, size) for count, size in product(_OFTEN, SIZES) if count <= ROOM[size]]
        self.groups = [
            Group(count, *kind, size) for kind in grammar.kinds for count, size in shapes
        ]
        self.kind = np.repeat(np.arange(len(grammar.kinds)), len(shapes))
        self.held_out = np.array([is_held_out(grammar, group) for group in self.groups])
        often = [_OFTEN[group.count] for group in self.groups]
        weigh = [1 if group.colour else _EMOJI_OFTEN for group in self.groups]
        self._weights = np.array(often) * np.array(weigh)

    def draw(self, random: np.ndarray, held_out: bool) -> Drawn:
        """Return scenes by random numbers.

        Args:
            random: float64 in [0, 1), `(N, UNIFORMS)`.
            held_out: whether each scene has a group that is held out, or none has.
        """
        alone, turned, one, other, place = random.T
        allowed = self._weights * ~self.held_out
        wanted, further = (
            (self._weights * self.held_out, self._weights) if held_out else (allowed, allowed)
        )
        one = self._pick(one, wanted)
        other = self._pick(other, further, besides=self.kind[one])
        paired = alone < PAIRS
        swap = paired & (turned < 0.5)
        return Drawn(
            first=np.where(swap, other, one),
            place=np.where(paired, (place * len(PLACES)).astype(np.int64), -1),
            second=np.where(paired, np.where(swap, one, other), -1),
        )

    def scene(self, drawn: Drawn, index: int) -> Scene:
        """Return one of the scenes."""
        first, second = self.groups[drawn.first[index]], int(drawn.second[index])
        if second < 0:
            return Scene(first)
        return Scene(first, PLACES[drawn.place[index]], self.groups[second])

    def _pick(
        self, random: np.ndarray, weights: np.ndarray, besides: np.ndarray | None = None
    ) -> np.ndarray:
        """Return groups as often as they weigh, of other kinds than `besides`; all `(N,)`.

        Weights are whole numbers, so that nothing of weight 0 is ever picked by rounding.
        """
        ends = np.cumsum(weights)
        if besides is None:
            at = np.floor(random * ends[-1]).astype(np.int64)
        else:
            mass = np.bincount(self.kind, weights, len(self.grammar.kinds)).astype(np.int64)
            start = (np.cumsum(mass) - mass)[besides]
            at = np.floor(random * (ends[-1] - mass[besides])).astype(np.int64)
            at += np.where(at >= start, mass[besides], 0)
        return np.searchsorted(ends, at, side="right")


def is_held_out(grammar: Grammar, scene: Group | Scene) -> bool:
    """Say whether a group, or one of a scene's, never occurs in what is trained on.

    Example:
        >>> is_held_out(Grammar(), Group(2, "three", "red"))
        True
    """
    if isinstance(scene, Scene):
        return any(is_held_out(grammar, group) for group in scene.groups)
    words = hashlib.sha256(grammar.write(Scene(scene)).encode()).digest()
    return int.from_bytes(words[:8], "big") < HELD_OUT * 2**64
