"""What is done to a photograph so that a network learns to undo it: a function of the random state.

| task | what becomes of the pixels `x`, in levels of 255 |
|---|---|
| `inpaint` | rectangles and strokes of `SHARES` of the area are unknown, which the mask says |
| `colourise` | `0.299 R + 0.587 G + 0.114 B` for each of them |
| `deblur` | `g * x + n`: a Gaussian `g` of sigma `BLURS` pixels, and noise of `BLUR_NOISE` levels |
| `denoise` | `x + n`: white Gaussian noise of sigma `NOISES`, of each colour by itself |

Sigmas and areas are drawn evenly from their ranges. What comes out is rounded to whole levels, and
limited to them, as in a file. Edge pixels are repeated where a blur looks beyond them. Training,
evaluation and cards all use these functions.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from serving.photographs import colouring
from serving.photographs.tasks import COLOURISE, DEBLUR, DENOISE, INPAINT

SHARES = 0.1, 0.4  # of the area that is unknown
BLURS = 0.8, 2.5  # sigma in pixels
NOISES = 5.0, 50.0  # sigma in levels
BLUR_NOISE = 1.0  # sigma in levels: no blurred photograph is without
SIDES = 0.15, 0.5  # of a rectangle, as shares of the photograph's
WIDTHS = 0.05, 0.15  # of a stroke, likewise
CORNERS = 6  # of a stroke, at most
PLAIN = 128  # the level of unknown pixels, which say nothing


class Degraded(NamedTuple):
    """A photograph that something was done to.

    Attributes:
        pixels: uint8 `(H, W, 3)`.
        mask: which of them are unknown, bool `(H, W)`.
        sigma: of the blur or the noise; 0 of other tasks.
    """

    pixels: np.ndarray
    mask: np.ndarray
    sigma: float = 0.0


def degrade(pixels: np.ndarray, task: str, random: np.random.RandomState) -> Degraded:
    """Do to a photograph what a task is to undo.

    Args:
        pixels: uint8 `(H, W, 3)`.
        task: one of `serving.photographs.tasks.TASKS`.
        random: decides everything that is not said.

    Example:
        >>> white = np.full((32, 48, 3), 255, np.uint8)
        >>> degraded = degrade(white, "inpaint", np.random.RandomState(0))
        >>> bool(0.1 <= degraded.mask.mean() <= 0.4), degraded.pixels[degraded.mask].max()
        (True, np.uint8(128))
    """
    known = np.zeros(pixels.shape[:2], bool)
    if task == INPAINT:
        mask = draw_mask(*known.shape, random)
        return Degraded(np.where(mask[..., None], np.uint8(PLAIN), pixels), mask)
    if task == COLOURISE:
        return Degraded(colouring.grey(pixels), known)
    if task == DEBLUR:
        sigma = random.uniform(*BLURS)
        return Degraded(_noisy(blur(pixels, sigma), BLUR_NOISE, random), known, sigma)
    if task == DENOISE:
        sigma = random.uniform(*NOISES)
        return Degraded(_noisy(pixels, sigma, random), known, sigma)
    raise ValueError(f"task is '{task}'; expected one that the docstring names")


def draw_mask(height: int, width: int, random: np.random.RandomState) -> np.ndarray:
    """Draw rectangles and strokes of many corners: bool `(H, W)`, of `SHARES` of the area.

    Of a photograph of few pixels the share is as near as whole pixels come.
    """
    least, most = SHARES
    wanted = random.uniform(least, most)
    mask = np.zeros((height, width), bool)
    for _ in range(200):
        larger = mask | (_rectangle if random.randint(2) else _stroke)(height, width, random)
        if larger.mean() > most:
            continue  # another one may fit
        mask = larger
        if mask.mean() >= wanted:
            break
    return mask


def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of sigma pixels, cut off at four sigma: float32 of the same shape."""
    reach = int(np.ceil(4 * sigma))
    kernel = gaussian(sigma, reach)
    blurred = pixels.astype(np.float32)
    for axis in (0, 1):
        margins = [(reach, reach) if each == axis else (0, 0) for each in range(3)]
        padded = np.pad(blurred, margins, mode="edge")
        shifted = (
            padded.take(range(at, at + pixels.shape[axis]), axis) for at in range(len(kernel))
        )
        blurred = sum(part * weight for part, weight in zip(shifted, kernel, strict=True))
    return blurred


def gaussian(sigma: float, reach: int) -> np.ndarray:
    """Return the weights of a Gaussian, float32 `(2 reach + 1,)`, which add up to 1."""
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    return (kernel / kernel.sum()).astype(np.float32)


def _noisy(pixels: np.ndarray, sigma: float, random: np.random.RandomState) -> np.ndarray:
    noise = random.standard_normal(pixels.shape) * sigma
    levels: np.ndarray = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    return levels


def _rectangle(height: int, width: int, random: np.random.RandomState) -> np.ndarray:
    rows, columns = (max(1, round(side * random.uniform(*SIDES))) for side in (height, width))
    top, left = random.randint(height - rows + 1), random.randint(width - columns + 1)
    mask = np.zeros((height, width), bool)
    mask[top : top + rows, left : left + columns] = True
    return mask


def _stroke(height: int, width: int, random: np.random.RandomState) -> np.ndarray:
    """Draw a line of some corners, as wide everywhere, and round where it turns."""
    side = min(height, width)
    wide = max(1, round(side * random.uniform(*WIDTHS)))
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    place = random.uniform(size=2) * (width, height)
    for _ in range(random.randint(1, CORNERS)):
        angle, length = random.uniform(0, 2 * np.pi), random.uniform(0.1, 0.4) * side
        after = place + length * np.array([np.cos(angle), np.sin(angle)])
        draw.line([*place, *after], fill=1, width=wide)
        for x, y in (place, after):
            draw.ellipse([x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2], fill=1)
        place = after
    return np.asarray(image)
