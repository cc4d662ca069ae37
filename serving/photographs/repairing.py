"""A photograph repaired by a network, piece by piece, so that its size does not matter.

Each piece is seen with as much around it as the network looks at, and begins where the network's
coarsest pixels do, so that it comes out as it would in the whole photograph: no seams, and memory
for one piece beside the photographs themselves.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from serving.errors import GenzooError, UsageError
from serving.photographs import colouring
from serving.photographs.enlarging import pieces
from serving.photographs.holes import around, halved, inside
from serving.photographs.photograph import Photograph, pixels_of
from serving.photographs.tasks import COLOURISE, INPAINT

PIECE = 512  # pixels of a side, about; of smaller ones more is seen twice
BAND = 256  # rows that are given colours at once
WHITE = 128  # from this level on a mask says that a pixel is to be repaired
LEVELS = np.float32(255)


class Network(Protocol):
    """What repairs intensities in [0, 1].

    Takes float32 `(B, H, W, 3)`, of what is unknown float32 `(B, H, W, 1)`, and the places of the
    tasks, int `(B,)`; gives float32 `(B, H, W, 3)`.
    """

    def __call__(self, image: np.ndarray, mask: np.ndarray, task: np.ndarray) -> np.ndarray: ...


class Mender:
    """Repairs photographs.

    Args:
        network: of which height and width are multiples of `multiple`.
        tasks: that it knows, in its order.
        multiple: pixels that a side of its coarsest pixels has.
        reach: how many pixels around one it looks at.
        coloured: pixels of the shorter side of a photograph in which colours are found.
        depth: pixels from what is known to the inside of a hole that it fills well.
        piece: pixels of a side of a piece, made a multiple.

    Example:
        >>> network = lambda image, mask, task: image
        >>> mender = Mender(network, ["denoise"], multiple=4, reach=3, coloured=64, depth=8)
        >>> mender(Photograph.of(np.zeros((3, 5, 4), np.uint8)), "denoise").image.size
        (5, 3)
    """

    def __init__(
        self,
        network: Network,
        tasks: Sequence[str],
        multiple: int,
        reach: int,
        coloured: int,
        depth: int,
        piece: int = PIECE,
    ):
        self.network, self.tasks, self.multiple = network, list(tasks), multiple
        self.coloured, self.depth = coloured, depth
        self.reach, self.piece = (-(-size // multiple) * multiple for size in (reach, piece))

    def __call__(
        self, photograph: Photograph, task: str, mask: Photograph | None = None
    ) -> Photograph:
        """Return a photograph repaired, with its alpha and profile.

        Args:
            photograph: of any size.
            task: one of those the network knows.
            mask: of the same size, white where the photograph is to be repaired; all of it unless
                given. To fill what is unknown takes one.

        Raises:
            UsageError: the mask is of another size, or leaves nothing to do or nothing to see.
            GenzooError: the network gives what are no numbers.
        """
        wanted = wanted_of(mask, photograph, task)
        image = photograph.image
        alpha = image.getchannel("A") if "A" in image.mode else None
        grey = image.mode.startswith("L")
        pixels = photograph.pixels.repeat(3, axis=2) if grey else photograph.pixels
        repaired = self.pixels(pixels, task, wanted)
        stays_grey = grey and task != COLOURISE
        made = Image.fromarray(colouring.grey(repaired)[..., 0] if stays_grey else repaired)
        if alpha is not None:
            made.putalpha(alpha)
        # The profile of a grey photograph says nothing of colours.
        return Photograph(made, photograph.profile if grey == stays_grey else None)

    def pixels(self, pixels: np.ndarray, task: str, wanted: np.ndarray | None) -> np.ndarray:
        """Repair pixels, uint8 `(H, W, 3)`, where bool `(H, W)` says so, or everywhere."""
        if wanted is None:
            wanted = np.ones(pixels.shape[:2], bool)
        if task == COLOURISE:
            return self._coloured(pixels, wanted)
        if task == INPAINT:
            box = around(wanted, self.reach)
            result = pixels.copy()
            result[box] = self._filled(pixels[box], wanted[box])
            return result
        return self._in_pieces(pixels, task, wanted, np.zeros_like(wanted))

    def _filled(self, pixels: np.ndarray, unknown: np.ndarray) -> np.ndarray:
        """Fill what is unknown, of wide holes the inside first, in a photograph half as large.

        So no network fills holes wider than those that it has learned on, and what is far from
        all that is known is of what is seen around the whole hole.
        """
        deep = inside(unknown, self.depth)
        if deep.any() and not unknown.all():
            coarse = self._filled(*halved(pixels, unknown))
            size = (pixels.shape[1], pixels.shape[0])
            large = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
            pixels = np.where(deep[..., None], large, pixels)
            unknown = unknown & ~deep
        return self._in_pieces(pixels, INPAINT, unknown, unknown)

    def _in_pieces(
        self, pixels: np.ndarray, task: str, wanted: np.ndarray, unknown: np.ndarray
    ) -> np.ndarray:
        """Let the network repair what is wanted."""
        result = pixels.copy()
        for own, part in self._pieces(pixels, task, wanted, unknown):
            np.copyto(result[own], _whole(part), where=wanted[own][..., None])
        return result

    def _pieces(
        self, pixels: np.ndarray, task: str, wanted: np.ndarray, unknown: np.ndarray
    ) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """Yield the pieces of which something is wanted: where each lies, and its levels repaired.

        Args:
            pixels: uint8 `(H, W, 3)`.
            task: what the network is to do.
            wanted: where, bool `(H, W)`.
            unknown: what it does not see, likewise.
        """
        height, width = pixels.shape[:2]
        for (left, top, right, bottom), seen in pieces(width, height, self.piece, self.reach):
            own = (slice(top, bottom), slice(left, right))
            if wanted[own].any():
                looked_at = (slice(seen[1], seen[3]), slice(seen[0], seen[2]))
                part = self._run(pixels[looked_at], task, unknown[looked_at])
                part = part[top - seen[1] :, left - seen[0] :]
                yield own, part[: bottom - top, : right - left]

    def _coloured(self, pixels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Give colours to what is grey, each pixel staying as bright as it is.

        They are found in a smaller photograph, of which the network sees what it is of; that
        colours are less sharp than brightness is not seen.
        """
        height, width = pixels.shape[:2]
        scale = min(1.0, self.coloured / min(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        colours = [Image.fromarray(each) for each in np.moveaxis(self._colours(small), 2, 0)]
        result = pixels.copy()
        for top in range(0, height, BAND):
            rows = slice(top, min(top + BAND, height))
            edges = (0, top * size[1] / height, size[0], rows.stop * size[1] / height)
            large = (width, rows.stop - top)
            band = [np.asarray(each.resize(large, Image.Resampling.BICUBIC, box=edges))
                    for each in colours]  # fmt: skip
            made = colouring.within_levels(colouring.grey(pixels[rows]) + np.stack(band, axis=2))
            np.copyto(result[rows], _whole(made), where=wanted[rows][..., None])
        return result

    def _colours(self, pixels: np.ndarray) -> np.ndarray:
        """Return what gives a photograph colours and changes no brightness: float32 `(H, W, 3)`."""
        plain = colouring.grey(pixels)
        colour, nothing = np.zeros(plain.shape, np.float32), np.zeros(plain.shape[:2], bool)
        for own, part in self._pieces(plain, COLOURISE, ~nothing, nothing):
            colour[own] = part - plain[own]
        # Whatever was rounded on the way, as it is in 8 bits.
        return colour - (colour @ colouring.WEIGHTS)[..., None]

    def _run(self, levels: np.ndarray, task: str, unknown: np.ndarray) -> np.ndarray:
        """Let the network repair levels: float32 `(H, W, 3)`, reflected up to whole multiples."""
        height, width = levels.shape[:2]
        margins = [(0, -height % self.multiple), (0, -width % self.multiple)]
        image = np.pad(levels, [*margins, (0, 0)], mode="reflect").astype(np.float32) / LEVELS
        mask = np.pad(unknown, margins, mode="reflect").astype(np.float32)[..., None]
        place = np.array([self.tasks.index(task)])
        repaired = self.network(image[None], mask[None], place)[0, :height, :width]
        if not np.isfinite(repaired).all():
            raise GenzooError("the model returned values that are not numbers")
        found: np.ndarray = np.multiply(repaired, LEVELS, dtype=np.float32)
        return found


def wanted_of(mask: Photograph | None, photograph: Photograph, task: str) -> np.ndarray | None:
    """Return which pixels a mask wants repaired, bool `(H, W)`; None for all without a mask.

    Raises:
        UsageError: it is of another size, or black or white where that leaves nothing.
    """
    if mask is None:
        if task == INPAINT:
            raise UsageError(
                "there is no mask; give one that is white where the photograph is to be filled"
            )
        return None
    if mask.size != photograph.size:
        sizes = [f"{width}x{height}" for height, width in (mask.size, photograph.size)]
        raise UsageError(
            f"the mask has {sizes[0]} pixels and the photograph {sizes[1]}; give a mask of the "
            "same size"
        )
    # What is transparent of a mask wants nothing.
    black = Image.new("RGBA", mask.image.size, "black")
    levels = pixels_of(Image.alpha_composite(black, mask.image.convert("RGBA")).convert("L"))
    wanted: np.ndarray = levels[..., 0] >= WHITE
    if not wanted.any():
        raise UsageError(
            "the mask is black everywhere, so that nothing is to be repaired; make white what is"
        )
    if task == INPAINT and wanted.all():
        raise UsageError(
            "the mask is white everywhere, so that nothing is known of the photograph; leave black "
            "what is good"
        )
    return wanted


def _whole(levels: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return rounded
