"""A photograph made larger by a network, piece by piece, so that its size does not matter.

Each piece is seen with as much around it as the network looks at, so that it comes out as it would
in the whole photograph: no seams, and memory for one piece beside the photographs themselves.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from serving.errors import GenzooError
from serving.photographs import bicubic
from serving.photographs.luminance import from_luminance, luminance, to_rgb, to_ycbcr
from serving.photographs.photograph import Photograph, check_pixels, pixels_of

PIECE = 256  # pixels of a side; larger ones are no faster
BICUBIC_REACH = 3  # pixels around one that bicubic enlarging looks at
LEVELS = np.float32(255)


class Network(Protocol):
    """What enlarges intensities in [0, 1]: float32 `(B, H, W, C)` to `(B, H s, W s, C)`."""

    def __call__(self, image: np.ndarray) -> np.ndarray: ...


class Piece(NamedTuple):
    """A part of a photograph, and what is looked at of it: `(left, top, right, bottom)` each."""

    own: tuple[int, int, int, int]
    seen: tuple[int, int, int, int]


class Enlarger:
    """Makes photographs larger.

    Args:
        network: of one channel, which is Y of `serving.photographs.luminance`, or of RGB.
        scale: of the network.
        colours: 1 or 3; its channels.
        reach: how many pixels around one it looks at.
        piece: pixels of a side of a piece.

    Example:
        >>> def twice(image):
        ...     return image.repeat(2, axis=1).repeat(2, axis=2)
        >>> enlarger = Enlarger(twice, scale=2, colours=1, reach=0)
        >>> enlarger(Photograph.of(np.zeros((3, 5, 4), np.uint8))).image.size
        (10, 6)
    """

    def __init__(self, network: Network, scale: int, colours: int, reach: int, piece: int = PIECE):
        self.network, self.scale, self.colours = network, scale, colours
        self.reach, self.piece = max(reach, BICUBIC_REACH), piece

    def __call__(self, photograph: Photograph) -> Photograph:
        """Return a photograph of `scale` times the height and width, with alpha and profile.

        Raises:
            UsageError: it would have too many pixels.
            GenzooError: the network gives what are no numbers.
        """
        image, scale = photograph.image, self.scale
        width, height = image.width * scale, image.height * scale
        check_pixels(width, height, "the enlarged photograph")
        larger = Image.new(image.mode, (width, height))
        for own, seen in pieces(image.width, image.height, self.piece, self.reach):
            part = self.pixels(pixels_of(image.crop(seen)))
            left, top = ((own[at] - seen[at]) * scale for at in (0, 1))
            part = part[top : top + (own[3] - own[1]) * scale]
            part = part[:, left : left + (own[2] - own[0]) * scale]
            shown = Image.fromarray(part[..., 0] if part.shape[2] == 1 else part)
            larger.paste(shown, (own[0] * scale, own[1] * scale))
        return Photograph(larger, photograph.profile)

    def pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Enlarge pixels at once, uint8 `(H, W, 1 to 4)`; of 2 and 4 channels the last is alpha."""
        if pixels.shape[2] in (2, 4):
            alpha = bicubic.enlarge(pixels[..., -1:], self.scale)
            return np.concatenate([self.pixels(pixels[..., :-1]), alpha], axis=2)
        larger = self._of_luminance(pixels) if self.colours == 1 else self._of_rgb(pixels)
        np.clip(larger, 0, 255, out=larger)
        rounded = np.rint(larger, out=larger).astype(np.uint8)
        return np.stack([*rounded], axis=-1)  # faster than to move the axis

    def _of_luminance(self, pixels: np.ndarray) -> np.ndarray:
        """Let the network enlarge Y; Cb and Cr, which are seen less sharply, are bicubic.

        Returns:
            Levels, not limited, `(1 or 3, H s, W s)`.
        """
        if pixels.shape[2] == 1:
            return from_luminance(self._run(luminance(pixels)))
        ycbcr = to_ycbcr(pixels.astype(np.float32))
        (y,) = self._run(ycbcr[..., :1])
        cb, cr = bicubic.enlarge_planes(np.moveaxis(ycbcr[..., 1:], 2, 0), self.scale)
        return to_rgb(y, cb, cr)

    def _of_rgb(self, pixels: np.ndarray) -> np.ndarray:
        grey = pixels.shape[2] == 1
        larger = self._run(pixels.repeat(3, axis=2) if grey else pixels)
        return larger.mean(axis=0, keepdims=True) if grey else larger

    def _run(self, levels: np.ndarray) -> np.ndarray:
        """Enlarge levels `(H, W, C)` by the network: float32 `(C, H s, W s)`."""
        larger = self.network((levels / LEVELS).astype(np.float32)[None])[0]
        if not np.isfinite(larger).all():
            raise GenzooError("the model returned values that are not numbers")
        planes: np.ndarray = np.multiply(np.moveaxis(larger, 2, 0), LEVELS, dtype=np.float32)
        return planes


def pieces(width: int, height: int, side: int, reach: int) -> Iterator[Piece]:
    """Cut a photograph into pieces, row by row.

    Example:
        >>> [piece.seen for piece in pieces(10, 4, side=6, reach=2)]
        [(0, 0, 8, 4), (4, 0, 10, 4)]
    """
    for top in range(0, height, side):
        for left in range(0, width, side):
            right, bottom = min(left + side, width), min(top + side, height)
            seen = (
                max(left - reach, 0),
                max(top - reach, 0),
                min(right + reach, width),
                min(bottom + reach, height),
            )
            yield Piece((left, top, right, bottom), seen)
