"""A photograph painted in the style of a picture, by two networks: one finds it, one paints in it.

How a picture is painted depends on the whole of it, so it is not cut into pieces. Large photographs
are painted smaller, in memory that does not grow with them, and then made as large as they were.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from serving.errors import GenzooError, UsageError
from serving.photographs.photograph import Photograph, pixels_of

SMALLEST = 32  # pixels of a side that the networks take at least
STYLE_SIDE, LONGEST_STYLE = 120, 480  # of a picture whose style is found: its sides, in pixels
SIDE, MOST_SIDE = 1024, 2048  # pixels of the longer side that is painted


class Predictor(Protocol):
    """What finds a style: intensities, float32 `(B, H, W, 3)`, to `(B, S)`."""

    def __call__(self, image: np.ndarray) -> np.ndarray: ...


class Painter(Protocol):
    """What paints: intensities, float32 `(B, H, W, 3)`, and styles `(B, S)`, to `(B, H, W, 3)`."""

    def __call__(self, image: np.ndarray, style: np.ndarray) -> np.ndarray: ...


class Styler:
    """Finds styles, mixes them, and paints photographs in them.

    Args:
        predictor: finds styles.
        painter: paints.

    Example:
        >>> def find(image):
        ...     return image.mean(axis=(1, 2))
        >>> def paint(image, style):
        ...     return 0 * image + style[:, None, None]
        >>> styler = Styler(find, paint)
        >>> red = styler.style(Photograph.of(np.full((5, 5, 3), (255, 0, 0), np.uint8)))
        >>> styler.paint(Photograph.of(np.zeros((2, 3), np.uint8)), red).pixels[0, 0].tolist()
        [255, 0, 0]
    """

    def __init__(self, predictor: Predictor, painter: Painter) -> None:
        self.predictor, self.painter = predictor, painter

    def style(self, picture: Photograph) -> np.ndarray:
        """Return the style of a picture of any size: float32 `(S,)`."""
        width, height = picture.image.size
        scale = min(STYLE_SIDE / min(width, height), LONGEST_STYLE / max(width, height))
        size = [max(SMALLEST, round(side * scale)) for side in (width, height)]
        return _checked(self.predictor(_intensities(picture, (size[0], size[1]))[None])[0])

    def paint(
        self, photograph: Photograph, style: np.ndarray, alpha: float = 1.0, side: int = SIDE
    ) -> Photograph:
        """Paint a photograph.

        Args:
            photograph: of any size.
            style: float32 `(S,)`.
            alpha: how much of it, from 0, the photograph's own style, to 1.
            side: pixels of the longer side that is painted; a larger photograph is made smaller
                for it, and the painting as large as the photograph.

        Returns:
            In colours, of the same size, with the same transparency and colour profile.

        Raises:
            GenzooError: the model gives what are no numbers.
        """
        if alpha != 1:
            own = self.style(photograph)
            style = own + np.float32(alpha) * (style - own)
        image = photograph.image
        scale = min(1.0, side / max(image.size))
        width, height = (max(1, round(length * scale)) for length in image.size)
        given = _intensities(photograph, (width, height))
        beyond = [(0, max(0, SMALLEST - length)) for length in (height, width)]
        given = np.pad(given, (*beyond, (0, 0)), "edge")
        made = _checked(self.painter(given[None], style[None].astype(np.float32))[0])
        levels = np.rint(np.clip(made[:height, :width], 0, 1) * 255).astype(np.uint8)
        painted = Image.fromarray(levels).resize(image.size, Image.Resampling.BICUBIC)
        if "A" in image.mode:
            painted.putalpha(image.getchannel("A"))
        return Photograph(painted, photograph.profile)


def mixed(styles: Sequence[np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """Return the mean of styles, by how much each counts.

    Args:
        styles: float32 `(S,)` each, at least one.
        weights: none below 0, and not all 0; the same for all unless given.

    Raises:
        UsageError: there are other weights.

    Example:
        >>> mixed([np.float32([0, 8]), np.float32([4, 0])], [3, 1]).tolist()
        [1.0, 6.0]
    """
    counted = np.ones(len(styles)) if weights is None else np.asarray(weights, np.float64)
    if counted.shape != (len(styles),):
        raise UsageError(f"there are {counted.size} weights of {len(styles)} styles; give each one")
    if not np.isfinite(counted).all() or (counted < 0).any() or not counted.any():
        raise UsageError(
            "the weights of styles are expected from 0 on, and not to be 0 all of them"
        )
    mean: np.ndarray = np.average(np.stack(styles), axis=0, weights=counted).astype(np.float32)
    return mean


def _intensities(picture: Photograph, size: tuple[int, int]) -> np.ndarray:
    """Return a picture at a size, (width, height): float32 `(H, W, 3)` in [0, 1]."""
    seen = picture.image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    intensities: np.ndarray = pixels_of(seen).astype(np.float32) / np.float32(255)
    return intensities


def _checked(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise GenzooError("the model returned values that are not numbers")
    return np.asarray(values)
