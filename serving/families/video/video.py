"""A model of video at run time: the frames that follow others."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from serving.bundle.records import BundleError
from serving.calls import call
from serving.errors import UsageError
from serving.families.codes.codes import CodedImages, CodesProcessing
from serving.families.images import gather
from serving.families.inputs import as_array, require_room, to_unit
from serving.families.model import Axes, Timed
from serving.families.video.following import Following
from serving.parameters import Parameter, Seed
from serving.runtime.loaded import Loaded

PREDICTOR, NUMBERS, LOGITS = "predictor", "numbers", "logits"
MOST = 100  # frames that are predicted at once


class VideoProcessing(CodesProcessing):
    """How frames are predicted, beside how they enter and leave.

    Attributes:
        numbers, levels: of a code, and how many each can be.
        seen: frames that the next one is predicted from.
        temperature: unless a call says otherwise.
    """

    numbers: Annotated[int, Field(gt=0, le=12)]
    levels: Annotated[int, Field(ge=2, le=64)]
    seen: Annotated[int, Field(ge=2, le=64)]
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0


GivenVideo = Annotated[
    Any, Parameter("videos that go on, of frames as in the data set", content="video")
]
Frames = Annotated[
    int,
    Parameter("frames that follow", minimum=1, maximum=MOST, example=10, multiplies="rows"),
]
Temperature = Annotated[
    float | None,
    Parameter(
        "1 draws as it was learned, 0 takes the middle of what is likely", minimum=0, maximum=10
    ),
]


class Video(CodedImages):
    """A model of video, with the codes that frames are told by, loaded by `serving.load`.

    Videos are uint8 0..255 or floats in [0, 1]; `(N, F, H, W, C)`, one video `(F, H, W, C)`, or for
    one channel either without it. Wrong arguments of any method raise `UsageError`.

    Example:
        >>> import serving
        >>> model = serving.load("bundles/video", device="cpu")  # doctest: +SKIP
        >>> model.continue_from(video, frames=10).shape  # doctest: +SKIP
        (1, 10, 64, 64, 1)
    """

    Processing = VideoProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        processing = self.processing
        if processing.levels**processing.numbers != processing.vocabulary:
            raise BundleError(
                f"{loaded.manifest.name} has {processing.vocabulary} codes of {processing.numbers} "
                f"numbers of {processing.levels} levels, which is not as many; export it again"
            )

    def _graphs(self) -> dict[str, tuple[Axes, Axes]]:
        own = self.processing
        places = own.positions * own.numbers
        takes: Axes = {NUMBERS: ["batch_size", own.seen, places]}
        gives: Axes = {LOGITS: ["batch_size", places, own.levels]}
        return super()._graphs() | {PREDICTOR: (takes, gives)}

    @call(gives="video")
    def continue_from(
        self,
        video: GivenVideo,
        frames: Frames = 10,
        seed: Seed = None,
        temperature: Temperature = None,
    ) -> np.ndarray:
        """Return the frames that follow a video.

        Args:
            video: see the class; its last frames are looked at, as many as the model sees.
            frames: how many follow, each predicted after those before it.
            seed: of what is drawn; at temperature 0 it does not matter.
            temperature: above 0, several things can come of one video.

        Returns:
            uint8 `(N, frames, H, W, C)`, without those that were given.
        """
        given = checked_videos(video, self.image_shape, self.processing.seen)
        require_room(len(given) * frames, self.image_shape, "ask for fewer videos or frames")
        following = self._following(temperature)
        made = following.videos(given, frames, self._seed(seed))
        return gather((self._pixels(batch) for batch in made), len(given))

    @call(gives="video")
    def reconstruct(self, video: GivenVideo) -> np.ndarray:
        """Return what is left of videos when they are told by codes: uint8 `(N, F, H, W, C)`."""
        given = checked_videos(video, self.image_shape, least=1)
        return self._made(self._codes(given.reshape(-1, *self.image_shape))).reshape(given.shape)

    def timed(self, batch: int) -> dict[str, Timed]:
        own = self.processing
        numbers = np.zeros((batch, own.seen, own.positions * own.numbers), np.int32)
        given = np.zeros((batch, own.seen, *self.image_shape), np.uint8)
        return {
            "graph": Timed(lambda: self._logits(numbers), batch),
            "generate": Timed(lambda: self.continue_from(given, frames=4, seed=0), 4 * batch),
        }

    def smallest(self) -> np.ndarray:
        given = np.zeros((self.processing.seen, *self.image_shape), np.uint8)
        return self.continue_from(given, frames=1, seed=0)

    def _following(self, temperature: float | None = None) -> Following:
        own = self.processing
        return Following(
            self._logits,
            self._codes,
            self._decoded,
            own.seen,
            own.positions,
            own.numbers,
            own.levels,
            own.temperature if temperature is None else temperature,
        )

    def _logits(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(self.sessions[PREDICTOR].run([LOGITS], {NUMBERS: numbers})[0])


def checked_videos(videos: Any, shape: tuple[int, ...], least: int) -> np.ndarray:
    """Return videos as an array `(N, F, H, W, C)`, uint8, or float32 in [0, 1].

    Args:
        videos: see `Video`.
        shape: the model's `(H, W, C)`.
        least: frames that a video must have.

    Raises:
        UsageError: they are none, or too short.

    Example:
        >>> checked_videos(np.zeros((4, 8, 8), np.uint8), (8, 8, 1), least=4).shape
        (1, 4, 8, 8, 1)
    """
    array = as_array(videos, "videos")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise UsageError(f"videos are {array.dtype}; expected uint8 0..255 or floats in [0, 1]")
    given = array.shape
    if shape[-1] == 1 and array.shape[-2:] == shape[:2] and array.ndim in (3, 4):
        array = array[..., np.newaxis]  # (N, F, H, W) or (F, H, W): grey without its channel
    if array.ndim == 4:
        array = array[np.newaxis]
    if array.ndim != 5 or array.shape[2:] != shape:
        height, width, channels = shape
        raise UsageError(
            f"videos have shape {given}; expected (N, frames, {height}, {width}, {channels}) or "
            "one video"
        )
    if not len(array):
        raise UsageError("there are no videos; expected at least one")
    if array.shape[1] < least:
        raise UsageError(
            f"the video has {array.shape[1]} frame{'s' * (array.shape[1] != 1)}; the model goes on "
            f"from at least {least}"
        )
    return array if array.dtype == np.uint8 else to_unit(array, 255.0)
