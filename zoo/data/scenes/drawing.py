"""Pictures of scenes: digits in colour and emoji, on white."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from serving.scenes.grammar import DIGITS
from serving.scenes.scene import SIZES
from zoo.data.scenes.arrangement import SLOTS, Things
from zoo.data.scenes.config import ScenesConfig

UNIFORMS = SLOTS  # random numbers of a scene: which example of each digit
WHITE = 255
_RGB = {
    "red": (220, 20, 30),
    "yellow": (240, 180, 0),
    "green": (20, 150, 50),
    "blue": (30, 80, 230),
    "purple": (150, 40, 180),
    "black": (0, 0, 0),
}
_SMOOTH = Image.Resampling.BICUBIC


class Digits:
    """Examples of handwritten digits, each cut to a square that its longer side fills.

    Args:
        images: uint8 `(N, H, W)`, white on black.
        labels: int `(N,)`, 0 to 9.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        order = np.argsort(labels, kind="stable")
        images, inked = images[order], (images[order] > 0)
        self._counts = np.bincount(labels, minlength=len(DIGITS))
        self._starts = np.cumsum(self._counts) - self._counts
        (top, height), (left, width) = (_extent(inked.any(axis=axis)) for axis in (2, 1))
        self._sides = np.maximum(height, width)
        self._patches, self._row = {}, np.zeros(len(images), np.int64)
        for side in np.unique(self._sides).tolist():
            own = np.flatnonzero(self._sides == side)
            corners = [
                (at - (side - size) // 2)[own] for at, size in ((top, height), (left, width))
            ]
            self._patches[side] = _squares(images[own], *corners, side)
            self._row[own] = np.arange(len(own))

    def pick(self, digits: np.ndarray, random: np.ndarray) -> np.ndarray:
        """Return which example of each digit, by numbers in [0, 1); all `(M,)`."""
        return self._starts[digits] + np.floor(random * self._counts[digits]).astype(np.int64)

    def ink(self, examples: np.ndarray, side: int) -> np.ndarray:
        """Return how much of each pixel is ink, float32 in [0, 1], `(M, side, side)`."""
        found = np.zeros((len(examples), side, side), np.float32)
        for own, patches in self._patches.items():
            rows = np.flatnonzero(self._sides[examples] == own)
            resize = _resizing(own, side)  # (side, own)
            patch = patches[self._row[examples[rows]]].astype(np.float32) / 255
            found[rows] = np.clip(resize @ patch @ resize.T, 0, 1)
        return found


class Painter:
    """Paints the things of scenes.

    Args:
        config: of the scenes.
        digits: examples.
        emoji: uint8 `(emoji, H, W, 3)` on white, in the order of the grammar.
    """

    def __init__(self, config: ScenesConfig, digits: Digits, emoji: Sequence[np.ndarray]):
        self._config, self._digits = config, digits
        self._emoji = {
            side: np.array([_fitted(picture, side) for picture in emoji], np.uint8)
            for side in config.pixels.values()
        }
        grammar = config.grammar
        self._thing = np.array([grammar.things.index(thing) for thing, _ in grammar.kinds])
        colours = [_RGB[colour] if colour else (0, 0, 0) for _, colour in grammar.kinds]
        self._colour = np.array(colours, np.float32)

    def paint(self, things: Things, random: np.ndarray) -> np.ndarray:
        """Return pictures uint8 `(N, size, size, 3)`.

        Args:
            things: of each scene.
            random: float64 in [0, 1), `(N, UNIFORMS)`: which example of each digit.
        """
        size = self._config.size
        pictures = np.full((len(things.kind), size, size, 3), WHITE, np.uint8)
        for index, name in enumerate(SIZES):
            side = self._config.pixels[name]
            scene, slot = np.nonzero(things.size == index)
            kinds, top, left = (
                values[scene, slot].astype(np.int64)
                for values in (things.kind, things.top, things.left)
            )
            inner = np.arange(side)
            rows, columns = top[:, None, None] + inner[:, None], left[:, None, None] + inner
            pictures[scene[:, None, None], rows, columns] = self._painted(
                kinds, random[scene, slot], side
            )
        return pictures

    def _painted(self, kinds: np.ndarray, random: np.ndarray, side: int) -> np.ndarray:
        """Return things `(M,)` of one size, uint8 `(M, side, side, 3)`."""
        found = np.empty((len(kinds), side, side, 3), np.uint8)
        thing = self._thing[kinds]
        digits, emoji = thing < len(DIGITS), thing >= len(DIGITS)
        ink = self._digits.ink(self._digits.pick(thing[digits], random[digits]), side)[..., None]
        colour = self._colour[kinds[digits]][:, None, None]
        found[digits] = np.rint(WHITE - ink * (WHITE - colour))
        if emoji.any():
            found[emoji] = self._emoji[side][thing[emoji] - len(DIGITS)]
        return found


def _extent(inked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where ink begins, and how far it goes, in each row of `(N, L)`; at least 1."""
    begin, behind = inked.argmax(axis=1), inked.shape[1] - inked[:, ::-1].argmax(axis=1)
    return begin, np.maximum(behind - begin, 1)


def _squares(images: np.ndarray, top: np.ndarray, left: np.ndarray, side: int) -> np.ndarray:
    """Cut a square out of each image `(N, H, W)`, black where it goes beyond."""
    padded = np.pad(images, ((0, 0), (side, side), (side, side)))
    inner = np.arange(side)
    rows = (top + side)[:, None, None] + inner[:, None]
    return padded[np.arange(len(images))[:, None, None], rows, (left + side)[:, None, None] + inner]


def _resizing(before: int, after: int) -> np.ndarray:
    """Return what maps a column of pixels to one of another length, float32 `(after, before)`."""
    unit = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(unit.resize((after, before), _SMOOTH)).T


def _fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """Cut a picture on white to its square, and resize it to `(side, side, 3)`."""
    inked = (picture < WHITE).any(axis=2)
    (top, height), (left, width) = (_extent(inked.any(axis=axis)[None]) for axis in (1, 0))
    longer = max(height[0], width[0])
    top, left = top - (longer - height) // 2, left - (longer - width) // 2
    channels = np.moveaxis(WHITE - picture, 2, 0)  # (3, H, W)
    square = WHITE - np.moveaxis(
        _squares(channels, np.repeat(top, 3), np.repeat(left, 3), longer), 0, 2
    )
    return np.asarray(Image.fromarray(square).resize((side, side), _SMOOTH))
