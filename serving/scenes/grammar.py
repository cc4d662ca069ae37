"""The captions of scenes: written from a scene, and read back into it.

    caption = group [place group]
    group   = count [size] [colour] thing
    count   = "a" | "an" | "one" | "two" | "three"
    size    = "small" | "medium" | "large"
    place   = "above" | "below" | ["to the"] ("left" | "right") "of"
    thing   = a digit, which has a colour, or an emoji, which has none: "seven", "suns"

"two small red threes above a blue seven". What is of medium size is written without a size. A
group has as many things as fit beside each other: three, of large ones two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serving.errors import UsageError, nearest
from serving.scenes.scene import MOST, ROOM, SIZES, Group, Place, Scene, Size

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = ("red", "yellow", "green", "blue", "purple", "black")
COUNTS = ("one", "two", "three")
LONGEST = 12  # words of the longest caption
_MOST_SHOWN = 60  # characters of what is told of a caption
_UNWRITTEN: Size = "medium"
_WRITTEN: dict[Place, str] = {
    "above": "above",
    "below": "below",
    "left": "to the left of",
    "right": "to the right of",
}
_READ: dict[tuple[str, ...], Place] = {
    words: place
    for place, written in _WRITTEN.items()
    for words in (tuple(written.split()), tuple(written.split()[-2:]))
}


@dataclass(frozen=True)
class Grammar:
    """The captions about digits in some colours, and about some emoji.

    Attributes:
        colours: that digits have.
        emoji: names in the singular, one word each.

    Example:
        >>> grammar = Grammar(emoji=("sun",))
        >>> scene = grammar.parse("two red threes above a large sun")
        >>> scene.first
        Group(count=2, thing='three', colour='red', size='medium')
        >>> grammar.write(scene.turned)
        'a large sun below two red threes'
    """

    colours: tuple[str, ...] = COLOURS
    emoji: tuple[str, ...] = ()

    @property
    def things(self) -> tuple[str, ...]:
        """What there can be in a scene, in the singular: the digits in order, then the emoji."""
        return (*DIGITS, *self.emoji)

    @property
    def kinds(self) -> tuple[tuple[str, str | None], ...]:
        """Every thing with every colour that it can have, in the order of `things`."""
        digits = [(digit, colour) for digit in DIGITS for colour in self.colours]
        return (*digits, *((thing, None) for thing in self.emoji))

    @cached_property
    def plurals(self) -> dict[str, str]:
        """Each thing by its plural."""
        return {plural(thing): thing for thing in self.things}

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word of a caption once, in a fixed order."""
        places = [word for written in _READ for word in written]
        known = ("a", "an", *COUNTS, *SIZES, *places, *self.colours, *self.things, *self.plurals)
        return tuple(dict.fromkeys(known))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words, start=1)}

    def encode(self, scene: Scene) -> np.ndarray:
        """Return the words of a scene's caption as int32 `(LONGEST,)`, 1 for the first of `words`.

        What is left at the end is 0.

        Example:
            >>> Grammar().encode(Scene(Group(1, "two", "red"))).tolist()[:4]
            [1, 16, 4, 0]
        """
        ids = [self._ids[word] for word in self.write(scene).split()]
        return np.array(ids + [0] * (LONGEST - len(ids)), np.int32)

    # --- writing ---

    def write(self, scene: Scene) -> str:
        """Return the caption of a scene, the one that `parse` reads as it."""
        if scene.second is None or scene.place is None:
            return self._phrase(scene.first)
        place = _WRITTEN[scene.place]
        return f"{self._phrase(scene.first)} {place} {self._phrase(scene.second)}"

    def _phrase(self, group: Group) -> str:
        size = None if group.size == _UNWRITTEN else group.size
        thing = group.thing if group.count == 1 else plural(group.thing)
        described = [word for word in (size, group.colour, thing) if word]
        article = "an" if described[0][0] in "aeiou" else "a"
        return " ".join([article if group.count == 1 else COUNTS[group.count - 1], *described])

    # --- reading ---

    def parse(self, caption: str) -> Scene:
        """Return the scene that a caption tells of; capitals and a full stop do not matter.

        Raises:
            UsageError: it is empty or too long, has a word that is not known or in the wrong place,
                or tells of more than fits.
        """
        words = caption.lower().strip().removesuffix(".").split()
        self._check_words(words)
        return _Reader(self, words).scene()

    def _check_words(self, words: Sequence[str]) -> None:
        if not words:
            raise UsageError(f"the caption is empty; expected words such as '{self._example}'")
        if len(words) > LONGEST:
            raise UsageError(
                f"the caption has {len(words)} words; expected at most {LONGEST}, such as "
                f"'{self._example}'"
            )
        for word in words:
            if word not in self.words:
                shown = word[:_MOST_SHOWN]
                hint = nearest(word, [each for each in self.words if len(each) > 2])
                known = f"; it has things: {_listed(self.things)}; colours: {_listed(self.colours)}"
                raise UsageError(f"'{shown}' is no word of such a caption{hint or known}")

    @property
    def _example(self) -> str:
        return f"two {self.colours[0]} threes above a {self.colours[-1]} seven"


class _Reader:
    """Reads the words of one caption, from the first to the last."""

    def __init__(self, grammar: Grammar, words: Sequence[str]):
        self.grammar, self.words, self.at = grammar, words, 0

    def scene(self) -> Scene:
        first = self._group()
        if self.at == len(self.words):
            return Scene(first)
        place, second = self._place(), self._group()
        if self.at < len(self.words):
            raise self._unexpected("the end, as a caption tells of one group or two")
        if first.kind == second.kind:
            raise UsageError(
                f"both groups of '{' '.join(self.words)}' are of one kind; expected two that "
                "differ in thing or colour, or one group"
            )
        return Scene(first, place, second)

    def _group(self) -> Group:
        count = self._count()
        size: Size = next((each for each in SIZES if self._took(each)), _UNWRITTEN)
        colour = next((each for each in self.grammar.colours if self._took(each)), None)
        thing = self._thing(count)
        if (thing in DIGITS) != (colour is not None):
            raise UsageError(
                f"'{thing}' has no colour; expected one of {_listed(self.grammar.colours)} before "
                "it, as digits have one"
                if colour is None
                else f"'{colour} {thing}': emoji have colours of their own; leave '{colour}' out"
            )
        if count > ROOM[size]:
            raise UsageError(
                f"{COUNTS[count - 1]} {size} things of a kind do not fit; expected at most "
                f"{COUNTS[ROOM[size] - 1]} of that size"
            )
        return Group(count, thing, colour, size)

    def _count(self) -> int:
        if self._took("a") or self._took("an"):
            return 1
        for count, word in enumerate(COUNTS, start=1):
            if self._took(word):
                return count
        if self._next() in DIGITS:
            raise UsageError(
                f"'{self._next()}' is no count of a caption; expected one to {COUNTS[MOST - 1]} "
                "things of a kind, as more do not fit"
            )
        raise self._unexpected(f"a count: a, {_listed(COUNTS)}")

    def _thing(self, count: int) -> str:
        word = self._next()
        if word in self.grammar.things and count == 1:
            self.at += 1
            return word
        if word in self.grammar.plurals and count > 1:
            self.at += 1
            return self.grammar.plurals[word]
        if word in self.grammar.things:
            raise self._unexpected(f"'{plural(word)}' after '{COUNTS[count - 1]}'")
        if word in self.grammar.plurals:
            raise self._unexpected(f"'{self.grammar.plurals[word]}' after a count of one")
        raise self._unexpected("a digit or an emoji")

    def _place(self) -> Place:
        for words, place in _READ.items():
            if tuple(self.words[self.at : self.at + len(words)]) == words:
                self.at += len(words)
                return place
        raise self._unexpected("above, below, left of or right of")

    def _took(self, word: str) -> bool:
        """Say whether a word is the next, and go on behind it if so."""
        taken = self._next() == word
        self.at += taken
        return taken

    def _next(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _unexpected(self, expected: str) -> UsageError:
        before = " ".join(self.words[: self.at])
        where = f"after '{before}'" if before else "at the beginning"
        found = f"'{self._next()}'" if self._next() else "the end"
        return UsageError(f"the caption has {found} {where}; expected {expected}")


def plural(thing: str) -> str:
    """Return the plural of a thing's name.

    Example:
        >>> plural("six"), plural("butterfly"), plural("sun")
        ('sixes', 'butterflies', 'suns')
    """
    if thing.endswith("y") and thing[-2:-1] not in "aeiou":
        return f"{thing[:-1]}ies"
    return f"{thing}es" if thing.endswith(("s", "x", "z", "sh", "ch")) else f"{thing}s"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
