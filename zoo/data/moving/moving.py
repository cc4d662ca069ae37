"""Sequences of two moving digits: the parts that are trained on, validated on and tested on."""

from typing import NamedTuple

import numpy as np

from serving.errors import UsageError
from zoo.data import fingerprint, sources
from zoo.data.made_up.digits import check_digits, read_digits
from zoo.data.made_up.rows import random_rows
from zoo.data.moving import paths
from zoo.data.moving.config import FRAMES, GIVEN, IMAGES, MovingConfig
from zoo.data.sources import SourceInfo

PARTS = ("train", "validation", "test")
VERSION = "1.0.0"  # of how sequences are made
DIGITS = 2  # in a frame
HELD_OUT = 6  # one digit of so many to train on is only shown when validating


class Moving(NamedTuple):
    """Sequences, and what is in them.

    Attributes:
        frames: uint8 `(N, FRAMES, H, W, 1)`.
        corners: int64 `(N, FRAMES, DIGITS, 2)`, pixels from the top and from the left.
        labels: int64 `(N, DIGITS)`.
    """

    frames: np.ndarray
    corners: np.ndarray
    labels: np.ndarray


class MovingDigits:
    """Sequences of a configuration, each a pure function of the seed, the part and its index.

    The protocol of Moving MNIST (Srivastava et al. 2015): two digits in a frame, the brighter pixel
    where they lie over each other. Digits to test on are those that the data set is tested on.

    Args:
        config: the `[data]` table.

    Attributes:
        source: what is known of the data.
        side: pixels of a digit.

    Raises:
        UsageError: the digits cannot be had.

    Example:
        >>> found = MovingDigits(MovingConfig(name="moving-digits")).read("test", 0, 3)
        >>> found.frames.shape, found.labels.shape
        ((3, 20, 16, 16, 1), (3, 2))
    """

    def __init__(self, config: MovingConfig):
        self.config = config
        self._digits = sources.prepare(config.kind.digits)
        known = sources.describe(self._digits)
        check_digits(known, config.kind.digits, config.name)
        self.side = int(known.image_shape[0])  # type: ignore[index]  # they are images
        self.source = _described(config, known)
        self._pools: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def read(self, part: str, start: int = 0, stop: int | None = None) -> Moving:
        """Return sequences of a part, from `start` to before `stop`, all unless given.

        Raises:
            UsageError: there is no such part.
        """
        stop = self.config.counts.get(part, 0) if stop is None else stop
        found, image, label = self._drawn(part, start, stop)
        shape = (-1, DIGITS)
        corners = self._corners(found.place)
        return Moving(
            self._painted(corners, image),
            corners.reshape(*shape, FRAMES, 2).swapaxes(1, 2),
            label.reshape(shape),
        )

    def straight_on(self, part: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the last frames of sequences as if no edge turned digits back.

        Returns:
            uint8 `(N, FRAMES - GIVEN, H, W, 1)`.
        """
        stop = self.config.counts.get(part, 0) if stop is None else stop
        found, image, _ = self._drawn(part, start, stop)
        return self._painted(self._corners(paths.straight_on(found, GIVEN, FRAMES - GIVEN)), image)

    def images(self, part: str, start: int, stop: int) -> np.ndarray:
        """Return one frame of each of some sequences, uint8 `(N, H, W, 1)`."""
        found, image, _ = self._drawn(part, start, stop)
        shown = np.repeat(np.arange(start, stop) % FRAMES, DIGITS)
        place = found.place[np.arange(len(shown)), shown][:, None]
        return self._painted(self._corners(place), image)[:, 0]

    def _drawn(self, part: str, start: int, stop: int) -> tuple[paths.Paths, ...]:
        """Return the paths of the digits of sequences, their pictures and their labels."""
        if part not in PARTS:
            raise UsageError(
                f"{self.config.name} has no part '{part}'; expected one of {', '.join(PARTS)}"
            )
        columns = DIGITS * (paths.UNIFORMS + 1)
        random = random_rows(self.config.seed, PARTS.index(part), start, stop, columns)
        random = random.reshape(-1, paths.UNIFORMS + 1)  # (N * DIGITS, ...)
        images, labels = self._pool(part)
        which = np.floor(random[:, -1] * len(images)).astype(np.int64)
        return paths.paths(random[:, :-1], FRAMES), images[which], labels[which]

    def _corners(self, place: np.ndarray) -> np.ndarray:
        return paths.pixels(place, self.config.kind.size - self.side)

    def _painted(self, corners: np.ndarray, digits: np.ndarray) -> np.ndarray:
        """Paint frames `(N, frames, H, W, 1)` of digits `(N * DIGITS, ...)` at their corners."""
        size, side = self.config.kind.size, self.side
        count, frames = len(corners) // DIGITS, corners.shape[1]
        # A margin for those that leave the frame, wherever they are then.
        canvas = np.zeros((count, frames, size + 2 * side, size + 2 * side), np.uint8)
        corners = np.clip(corners, -side, size) + side
        for index, digit in enumerate(digits):
            for frame, (top, left) in enumerate(corners[index]):
                region = canvas[index // DIGITS, frame, top : top + side, left : left + side]
                np.maximum(region, digit, out=region)
        return canvas[:, :, side:-side, side:-side, None]

    def _pool(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the digits that a part shows, and their labels."""
        split = "test" if part == "test" else "train"
        if split not in self._pools:
            self._pools[split] = read_digits(self._digits, split)
        images, labels = self._pools[split]
        if part == "test":
            return images, labels
        held_out = np.arange(len(images)) % HELD_OUT == 0
        kept = held_out if part == "validation" else ~held_out
        return images[kept], labels[kept]


def _described(config: MovingConfig, digits: SourceInfo) -> SourceInfo:
    """Say what sequences are, which follow from the configuration and from the digits."""
    return SourceInfo(
        name=config.name,
        version=VERSION,
        kind="images",
        license=digits.license,
        splits=IMAGES,
        fingerprint=fingerprint.of_documents([VERSION, str(config.seed), digits.fingerprint]),
        image_shape=config.frame_shape,
        citation=digits.citation,
        url=digits.url,
    )
