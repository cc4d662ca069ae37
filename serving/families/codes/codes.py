"""A tokenizer of images at run time: images as a few whole numbers, and back."""

import secrets
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from serving.bundle.records import Record
from serving.calls import call
from serving.content.pictures import to_uint8
from serving.errors import GenzooError, UsageError
from serving.families.images import Side, gather, slices
from serving.families.inputs import as_array, checked_images, to_unit
from serving.families.model import Axes, Model, Timed, check_interface
from serving.families.vae import Images
from serving.noise import SEED_LIMIT, checked_seed
from serving.parameters import Parameter
from serving.runtime.loaded import Loaded

ENCODER, DECODER, IMAGE, CODES = "encoder", "decoder", "image", "codes"


class CodesProcessing(Record):
    """How images and codes enter and leave the graphs: `image` is a pixel / 255.

    Attributes:
        image_shape: `(H, W, C)`.
        grid: rows and columns of codes.
        vocabulary: different codes.
    """

    image_shape: Annotated[list[Side], Field(min_length=3, max_length=3)]
    grid: Annotated[list[Side], Field(min_length=2, max_length=2)]
    vocabulary: Annotated[int, Field(gt=1, le=2**24)]

    @property
    def positions(self) -> int:
        """Codes of an image."""
        return self.grid[0] * self.grid[1]


CodeRows = Annotated[
    Any,
    Parameter(
        "codes, those of an image a row", content="array", columns=lambda each: each.positions
    ),
]


class CodedImages(Model):
    """Whatever tells images by codes; the base of `Codes` and of `CodePrior`.

    Attributes:
        image_shape: of the images.
    """

    Processing: ClassVar[type[Record]] = CodesProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.image_shape = tuple(self.processing.image_shape)
        check_interface(loaded.manifest, self._graphs())

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        """Return the inputs and outputs, with their axes, that each graph must have, by role."""
        image: Axes = {IMAGE: ["batch_size", *self.image_shape]}
        codes: Axes = {CODES: ["batch_size", self.processing.positions]}
        return {ENCODER: (image, codes), DECODER: (codes, image)}

    def _codes(self, images: Any) -> np.ndarray:
        images = checked_images(images, self.image_shape)
        batches = (
            self.sessions[ENCODER].run([CODES], {IMAGE: to_unit(images[rows], 255.0)})[0]
            for rows in slices(len(images))
        )
        return gather(batches, len(images))

    def _made(self, codes: Any) -> np.ndarray:
        codes = checked_codes(codes, self.processing.positions, self.processing.vocabulary)
        batches = (self._pixels(self._decoded(codes[rows])) for rows in slices(len(codes)))
        return gather(batches, len(codes))

    def timed(self, batch: int) -> dict[str, Timed]:
        codes = np.random.default_rng(0).integers(
            0, self.processing.vocabulary, (batch, self.processing.positions)
        )
        images = self._made(codes)
        return {
            "generate": Timed(lambda: self._made(codes), batch),
            "encode": Timed(lambda: self._codes(images), batch),
        }

    def smallest(self) -> np.ndarray:
        return self._made(np.zeros((1, self.processing.positions), np.int32))

    def _decoded(self, codes: np.ndarray) -> np.ndarray:
        (image,) = self.sessions[DECODER].run([IMAGE], {CODES: codes})
        return np.asarray(image)

    def _pixels(self, image: np.ndarray) -> np.ndarray:
        if not np.isfinite(image).all():
            raise GenzooError("the model returned values that are not numbers")
        return to_uint8(image)

    def _seed(self, seed: int | None) -> int:
        """Return the seed that is asked for, or a fresh one; `last_seed` remembers it."""
        drawn = secrets.randbelow(SEED_LIMIT) if seed is None else checked_seed(seed)
        self.last_seed = drawn
        return drawn


class Codes(CodedImages):
    """A tokenizer of images loaded by `serving.load`.

    Images are uint8 0..255 or floats in [0, 1]; `(N, H, W, C)`, one image `(H, W, C)`, or for one
    channel either without it. Wrong arguments of any method raise `UsageError`.

    Example:
        >>> import serving
        >>> codes = serving.load("bundles/codes", device="cpu")  # doctest: +SKIP
        >>> codes.encode(images).shape  # doctest: +SKIP
        (16, 49)
    """

    @call(gives="image")
    def reconstruct(self, images: Images) -> np.ndarray:
        """Return what is left of images when they are told by codes: uint8 `(N, H, W, C)`."""
        return self._made(self._codes(images))

    @call(gives="array")
    def encode(self, images: Images) -> np.ndarray:
        """Return the codes of images, row by row of the grid: int32 `(N, positions)`."""
        return self._codes(images)

    @call(gives="image")
    def decode(self, codes: CodeRows) -> np.ndarray:
        """Return the images that codes stand for: uint8 `(N, H, W, C)`."""
        return self._made(codes)


def checked_codes(codes: Any, places: int, vocabulary: int) -> np.ndarray:
    """Return codes as int32 `(N, places)`, each below `vocabulary`.

    Raises:
        UsageError: they are none.

    Example:
        >>> checked_codes([0.0, 7.0], places=2, vocabulary=8).tolist()
        [[0, 7]]
    """
    array = np.atleast_2d(as_array(codes, "codes"))
    if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] != places:
        raise UsageError(
            f"codes are {array.dtype} {array.shape}; expected whole numbers of shape (N, {places})"
        )
    if not len(array):
        raise UsageError("there are no codes; expected those of at least one image")
    inside = (array >= 0) & (array < vocabulary) & (array == np.rint(array))  # false for NaN
    if not inside.all():
        raise UsageError(
            f"{array[~inside][0]} is no code; expected whole numbers from 0 to {vocabulary - 1}"
        )
    return array.astype(np.int32)
