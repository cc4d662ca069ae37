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
from serving.scenes.scene import MOST, PLACES, ROOM, SIZES, Group, Scene

HELD_OUT = 0.05  # share of groups
UNIFORMS = 5  # random numbers of a scene


class Habit(NamedTuple):
    """What is drawn often.

    Attributes:
        pairs: share of scenes that have two groups.
        counts: how often groups of one, two and three things are, for each size.
        emoji: how often an emoji is, beside a digit in one of its colours.
    """

    pairs: float
    counts: tuple[int, ...]
    emoji: int


USUAL = Habit(0.75, (10, 6, 6), 3)
CROWDED = Habit(0.95, (2, 6, 12), 1)  # more than twice as many digits


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
        shapes = [
            (count, size)
            for count, size in product(range(1, MOST + 1), SIZES)
            if count <= ROOM[size]
        ]
        self.groups = [
            Group(count, *kind, size) for kind in grammar.kinds for count, size in shapes
        ]
        self.kind = np.repeat(np.arange(len(grammar.kinds)), len(shapes))
        self.held_out = np.array([is_held_out(grammar, group) for group in self.groups])
        self._counts = np.array([group.count for group in self.groups])
        self._is_emoji = np.array([group.colour is None for group in self.groups])

    def draw(self, random: np.ndarray, held_out: bool, habit: Habit = USUAL) -> Drawn:
        """Return scenes by random numbers.

        Args:
            random: float64 in [0, 1), `(N, UNIFORMS)`.
            held_out: whether each scene has a group that is held out, or none has.
            habit: what is often.
        """
        alone, turned, one, other, place = random.T
        often = np.array(habit.counts)[self._counts - 1] * np.where(self._is_emoji, habit.emoji, 1)
        allowed = often * ~self.held_out
        wanted, further = (often * self.held_out, often) if held_out else (allowed, allowed)
        one = self._pick(one, wanted)
        other = self._pick(other, further, besides=self.kind[one])
        paired = alone < habit.pairs
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
