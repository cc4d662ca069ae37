"""Whatever stands for a photograph, as one, and what is made of it as what was given."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from serving.photographs.photograph import Photograph, pixels_of


def as_photograph(given: Any) -> Photograph:
    """Return the photograph of pixels, of an image of Pillow, or itself.

    Raises:
        UsageError: it stands for none.
    """
    if isinstance(given, Photograph):
        return given
    if isinstance(given, Image.Image):
        return Photograph.of_image(given)
    return Photograph.of(np.asarray(given))


def changed(given: Any, change: Callable[[Photograph], Photograph]) -> Any:
    """Change a photograph: pixels are made of pixels, and a `Photograph` of anything else.

    Args:
        given: pixels, uint8 `(H, W)` or `(H, W, C)` of 1 to 4 channels, of 2 and 4 the last being
            alpha; an image of Pillow; or a `Photograph`.
        change: of a photograph.

    Example:
        >>> changed(np.zeros((2, 3), np.uint8), lambda photograph: photograph).shape
        (2, 3)
    """
    made = change(as_photograph(given))
    if isinstance(given, Photograph | Image.Image):
        return made
    pixels = pixels_of(made.image)
    return pixels[..., 0] if np.ndim(given) == 2 and pixels.shape[2] == 1 else pixels
