"""Scenes with captions: the parts that are trained on, validated on and tested on."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from serving.errors import UsageError
from serving.scenes.scene import Scene
from zoo.data import fingerprint, sources
from zoo.data.made_up.digits import check_digits, read_digits
from zoo.data.made_up.rows import random_rows
from zoo.data.scenes import arrangement, combinations, drawing
from zoo.data.scenes.arrangement import Things
from zoo.data.scenes.combinations import CROWDED, USUAL, Combinations, Drawn
from zoo.data.scenes.config import EMOJI, ScenesConfig
from zoo.data.scenes.drawing import Digits, Painter
from zoo.data.sources import SourceInfo

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

PARTS = ("train", "validation", "test")
VERSION = "1.0.0"  # of how scenes are drawn
# Of scenes with emoji; whoever shows them says whose they are.
LICENSE = (
    "CC BY-SA 4.0; all emojis designed by OpenMoji, the open-source emoji and icon project; digits "
    "of {digits.name}: {digits.license}"
)
# Which digits a part shows: a split of the data set, and its rows.
_POOLS = {
    "train": ("train", slice(None)),
    "validation": ("test", slice(0, None, 2)),
    "test": ("test", slice(1, None, 2)),
}
_AT_ONCE = 2048  # scenes that are painted together; bounds memory
_UNIFORMS = combinations.UNIFORMS + arrangement.UNIFORMS + drawing.UNIFORMS


class Pictured(NamedTuple):
    """Scenes, their captions and their pictures.

    Attributes:
        image: uint8 `(N, size, size, 3)`.
        caption: of each.
        scene: what each caption says.
        things: where everything is.
    """

    image: np.ndarray
    caption: list[str]
    scene: list[Scene]
    things: Things


class Scenes:
    """Scenes of a configuration, each a pure function of the seed, the part and its index.

    Digits to train on are of the data set's training images; those to validate on and to test on
    are of the two halves of its test images. Scenes to test on have groups that never occur in the
    others, see `zoo.data.scenes.combinations`.

    Args:
        config: the `[data]` table.

    Attributes:
        source: what is known of the data.
        grammar: of the captions.

    Raises:
        UsageError: the digits are none, or the emoji cannot be had.

    Example:
        >>> scenes = Scenes(ScenesConfig(digits="digits", emoji=()))
        >>> found = scenes.read("train", 0, 3)
        >>> found.image.shape, found.caption[0]
        ((3, 64, 64, 3), 'two purple fives to the left of a large red one')
    """

    def __init__(self, config: ScenesConfig):
        self.config, self.grammar = config, config.grammar
        self._combinations = Combinations(self.grammar)
        self._digits = sources.prepare(config.digits)
        known = sources.describe(self._digits)
        check_digits(known, config.digits, "scenes")
        self._emoji, prints = [], [known.fingerprint]
        if config.emoji:
            builder = sources.prepare("openmoji")
            self._emoji = _emoji(builder, config.emoji)
            prints.append(sources.describe(builder).fingerprint)
        self._painters: dict[str, Painter] = {}
        self.source = _described(config, known, prints)

    def read(self, part: str, start: int = 0, stop: int | None = None) -> Pictured:
        """Return scenes of a part, from `start` to before `stop`, all unless given.

        Raises:
            UsageError: there is no such part.
        """
        if part not in PARTS:
            raise UsageError(f"scenes have no part '{part}'; expected one of {', '.join(PARTS)}")
        stop = self.config.counts[part] if stop is None else stop
        drawn, things, image = self._paint(part, start, stop)
        scene = [self._combinations.scene(drawn, index) for index in range(len(image))]
        return Pictured(image, [self.grammar.write(each) for each in scene], scene, things)

    def pictures(self, part: str, start: int, stop: int) -> tuple[np.ndarray, Things]:
        """Return the pictures of some scenes and where everything is, without their captions."""
        _, things, image = self._paint(part, start, stop)
        return image, things

    def images(self, part: str, start: int, stop: int) -> np.ndarray:
        """Return the pictures of some scenes alone, uint8 `(N, size, size, 3)`."""
        return self.pictures(part, start, stop)[0]

    def captions(self, part: str, start: int, stop: int) -> list[str]:
        """Return the captions of some scenes, which are not painted for it."""
        drawn, _, _ = self._drawn(part, start, stop)
        scenes = (self._combinations.scene(drawn, index) for index in range(len(drawn.first)))
        return [self.grammar.write(each) for each in scenes]

    def _drawn(self, part: str, start: int, stop: int) -> tuple[Drawn, np.ndarray, np.ndarray]:
        """Return what scenes show, and random numbers for where and by which examples."""
        random = random_rows(self.config.seed, PARTS.index(part), start, stop, _UNIFORMS)
        which, where, example = np.split(
            random,
            [combinations.UNIFORMS, combinations.UNIFORMS + arrangement.UNIFORMS],
            axis=1,
        )
        habit = CROWDED if self.config.crowded and part == "train" else USUAL
        return self._combinations.draw(which, part == "test", habit), where, example

    def _paint(self, part: str, start: int, stop: int) -> tuple[Drawn, Things, np.ndarray]:
        drawn, where, example = self._drawn(part, start, stop)
        things = arrangement.arrange(self.config, self._combinations, drawn, where)
        image = np.empty((len(where), self.config.size, self.config.size, 3), np.uint8)
        for at in range(0, len(where), _AT_ONCE):
            rows = slice(at, at + _AT_ONCE)
            some = Things(*(values[rows] for values in things))
            image[rows] = self._painter(part).paint(some, example[rows])
        return drawn, things, image

    def _painter(self, part: str) -> Painter:
        """Return who paints a part, with the digits that are its own."""
        if part not in self._painters:
            split, rows = _POOLS[part]
            images, labels = read_digits(self._digits, split)
            pool = Digits(images[rows], labels[rows])
            self._painters[part] = Painter(self.config, pool, self._emoji)
        return self._painters[part]


def _emoji(builder: "tfds.core.DatasetBuilder", names: Iterable[str]) -> list[np.ndarray]:
    """Return the pictures of emoji, uint8 `(H, W, 3)`, of whichever split they are in."""
    import tensorflow as tf

    wanted, found = {EMOJI[name].encode(): name for name in names}, {}
    for split in sorted(builder.info.splits):
        some = builder.as_dataset(split=split).filter(
            lambda example: tf.reduce_any(example["text"] == tf.constant([*wanted]))
        )
        for example in some.as_numpy_iterator():
            found.setdefault(wanted[example["text"]], example["image"])
    if missing := [name for name in names if name not in found]:
        raise UsageError(f"data set openmoji has no '{EMOJI[missing[0]]}'; expected version 17")
    return [found[name] for name in names]


def _described(config: ScenesConfig, digits: SourceInfo, prints: list[str]) -> SourceInfo:
    """Say what scenes are, which follow from the configuration and from what they are made of."""
    parts = [VERSION, config.model_dump_json(exclude={"digits"}), *prints]
    return SourceInfo(
        name=config.name,
        version=VERSION,
        kind="images",
        license=LICENSE.format(digits=digits) if config.emoji else digits.license,
        splits=config.counts,
        fingerprint=fingerprint.of_documents(parts),
        image_shape=(config.size, config.size, 3),
        citation=digits.citation,
        url="https://openmoji.org" if config.emoji else digits.url,
    )
