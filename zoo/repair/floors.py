"""What is done to photographs without a network, to compare with: plain ways for each task.

A Wiener filter that knows the blur is given what no network is; another supposes one blur for all.
The numbers of each way are those that do best on photographs held out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from serving.photographs import colouring
from serving.photographs.tasks import COLOURISE, DEBLUR, DENOISE, INPAINT
from zoo.repair.degradations import BLUR_NOISE, Degraded, gaussian

Plain = Callable[[Degraded], np.ndarray]  # to uint8 `(H, W, 3)`

# A Wiener filter supposes so much of the spectrum at one period in a photograph, in levels squared.
SPECTRA = (10.0, 30.0, 100.0, 300.0, 1000.0)
SIGMAS = (0.8, 1.2, 1.6, 2.0)  # of the blur that is supposed, in pixels
MEDIANS = (3, 5)  # pixels of a side


class Floor(NamedTuple):
    """A plain way to do a task.

    Attributes:
        name: of its metrics.
        words: what it is.
        ways: with several numbers, of which the best are to be chosen.
    """

    name: str
    words: str
    ways: Sequence[Plain]


def floors_of(task: str, photographs: Sequence[np.ndarray]) -> list[Floor]:
    """Return the plain ways that a task is done in.

    Args:
        task: one of `serving.photographs.tasks.TASKS`.
        photographs: uint8 `(H, W, 3)` each, real ones, of which a mean may be taken.

    Example:
        >>> (floor,) = floors_of("inpaint", [])
        >>> hole = np.array([[True, False]])
        >>> floor.ways[0](Degraded(np.uint8([[[0, 0, 0], [9, 8, 7]]]), hole)).tolist()
        [[[9, 8, 7], [9, 8, 7]]]
    """
    if task == INPAINT:
        return [Floor("plain", "the mean colour of known pixels", [_mean_colour])]
    if task == COLOURISE:
        colours = [(each - colouring.grey(each).astype(float)).mean((0, 1)) for each in photographs]
        mean = np.mean(colours, axis=0)
        tinted = [lambda degraded: _whole(colouring.within_levels(degraded.pixels + mean))]
        return [Floor("plain", "the mean colour of photographs, as bright as they are", tinted)]
    if task == DEBLUR:
        knowing = [lambda degraded, level=level: wiener(degraded, level) for level in SPECTRA]
        blind = [
            lambda degraded, level=level, sigma=sigma: wiener(degraded._replace(sigma=sigma), level)
            for level in SPECTRA
            for sigma in SIGMAS
        ]
        return [
            Floor("plain", "a Wiener filter that knows the blur", knowing),
            Floor("blind", "a Wiener filter that supposes one blur for all", blind),
        ]
    if task == DENOISE:
        medians = [lambda degraded, side=side: median(degraded.pixels, side) for side in MEDIANS]
        return [Floor("plain", "the better of two median filters", medians)]
    raise ValueError(f"task is '{task}'; expected one that the docstring names")


def wiener(degraded: Degraded, spectrum: float) -> np.ndarray:
    """Undo a Gaussian blur in the domain of frequencies, where it is not lost in noise.

    The spectrum of a photograph is supposed to fall as the square of the frequency does, which
    those of nature do (Field 1987).

    Args:
        degraded: of the blur `sigma`, with noise of `BLUR_NOISE` levels.
        spectrum: power of a frequency of one cycle in a hundred pixels over that of white noise of
            one level.
    """
    margin = int(np.ceil(4 * degraded.sigma))
    # What is reflected goes on smoothly where the transform takes it round.
    margins = [(margin, margin), (margin, margin), (0, 0)]
    padded = np.pad(degraded.pixels.astype(float), margins, mode="symmetric")
    height, width = padded.shape[:2]
    kernel = gaussian(degraded.sigma, margin)
    rows, columns = (_response(kernel, length) for length in (height, width))
    response = (rows[:, None] * columns)[..., None]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))[..., None]
    noise = BLUR_NOISE**2 * (100 * frequency) ** 2 / (100 * spectrum)
    filtered = np.fft.fft2(padded, axes=(0, 1)) * response / (response**2 + noise)
    found = np.fft.ifft2(filtered, axes=(0, 1)).real
    return _whole(found[margin : height - margin, margin : width - margin])


def median(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return the median of each pixel's neighbours, of each colour by itself."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(side)))


def _mean_colour(degraded: Degraded) -> np.ndarray:
    mean = degraded.pixels[~degraded.mask].mean(axis=0)
    return np.where(degraded.mask[..., None], _whole(mean), degraded.pixels)


def _response(kernel: np.ndarray, length: int) -> np.ndarray:
    """Return the response of a symmetric kernel to each frequency: float `(length,)`."""
    reach = len(kernel) // 2
    frequencies = np.fft.fftfreq(length)
    places = np.arange(-reach, reach + 1)
    return np.cos(2 * np.pi * frequencies[:, None] * places) @ kernel


def _whole(levels: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return rounded
