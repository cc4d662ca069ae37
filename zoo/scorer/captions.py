"""The right caption of each scene, and wrong ones that differ in a single thing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from serving.families.codes.captions import PAD, UNKNOWN, CaptionWords, written
from serving.scenes.grammar import DIGITS, Grammar
from serving.scenes.scene import PLACES, ROOM, SIZES, Group, Scene
from zoo.data.scenes.combinations import Combinations

ALTERED, OTHERS = 6, 2  # wrong captions of a scene
_TRIES = 100


def words_of(grammar: Grammar) -> bytes:
    """Return the content of `tokenizer.json` for every word that a grammar writes.

    They are those of a prior that has seen captions of all groups.

    Example:
        >>> len(CaptionWords(words_of(Grammar())).ids)
        38
    """
    groups = Combinations(grammar).groups
    first, last = groups[0], groups[-1]
    scenes = [*map(Scene, groups), *(Scene(first, place, last) for place in PLACES)]
    words = {word for scene in scenes for word in grammar.write(scene).split()}
    return written([PAD, UNKNOWN, *sorted(words)])


def candidates(
    grammar: Grammar,
    words: CaptionWords,
    scenes: Sequence[Scene],
    longest: int,
    random: np.random.RandomState,
) -> np.ndarray:
    """Return captions for each scene as int32 `(N, 1 + ALTERED + OTHERS, longest)`.

    The first is right; then come those that differ in one thing, and those of other scenes.
    """
    told = []
    for index, scene in enumerate(scenes):
        wrong = [altered(grammar, scene, random) for _ in range(ALTERED)]
        steps = random.randint(1, max(2, len(scenes)), OTHERS)
        others = [scenes[(index + step) % len(scenes)] for step in steps.tolist()]
        told += [grammar.write(each) for each in (scene, *wrong, *others)]
    return words.encode(told, longest).reshape(len(scenes), -1, longest)


def altered(grammar: Grammar, scene: Scene, random: np.random.RandomState) -> Scene:
    """Return a scene that differs in one thing: a count, a thing, a colour, a size or the place.

    Example:
        >>> grammar = Grammar()
        >>> grammar.write(altered(grammar, grammar.parse("a red two"), np.random.RandomState(4)))
        'a red seven'
    """
    for _ in range(_TRIES):
        if scene.second is not None and random.randint(5) == 0:
            found = replace(scene, place=_pick(PLACES, random))
        else:
            which = "first" if scene.second is None or random.randint(2) else "second"
            group = _altered_group(grammar, getattr(scene, which), random)
            found = replace(scene, **{which: group})
        if found != scene and _fits(found):
            return found
    raise AssertionError(f"nothing else is like {scene}")


def _altered_group(grammar: Grammar, group: Group, random: np.random.RandomState) -> Group:
    def another_thing() -> Group:
        some = DIGITS if group.thing in DIGITS else grammar.emoji
        return replace(group, thing=_pick(some, random))

    ways: list[Callable[[], Group]] = [
        lambda: replace(group, count=random.randint(1, max(ROOM.values()) + 1)),
        lambda: replace(group, size=_pick(SIZES, random)),
        another_thing,
    ]
    if group.colour is not None:
        ways.append(lambda: replace(group, colour=_pick(grammar.colours, random)))
    return ways[random.randint(len(ways))]()


def _fits(scene: Scene) -> bool:
    kinds = {group.kind for group in scene.groups}
    room = all(group.count <= ROOM[group.size] for group in scene.groups)
    return room and len(kinds) == len(scene.groups)


def _pick(values: Sequence[Any], random: np.random.RandomState) -> Any:
    return values[random.randint(len(values))]
