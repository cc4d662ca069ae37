"""Videos: frames of pixels 0..255, `(N, frames, H, W, C)`."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from serving.content import pictures
from serving.content.array import array_of, read_array
from serving.content.content import Cell, Content, Distance, Processing, one_of
from serving.errors import SPOILT_PICTURE, UsageError
from serving.files import is_stream, write_each, written

LEVELS = 1  # of 255: a value next to one half may be rounded either way
DURATION = 100  # ms of a frame
MOST_FRAMES = 1000  # of a GIF that is read, of which few bytes may tell very many
MOST_TOGETHER = 10_000  # of all videos that are read


class VideoContent(Content):
    """Videos of frames of one size, `image_shape` of the processing, and of as many frames.

    They are GIF files that repeat; a frame that stays is told by how long it does. Several are one
    GIF with all in a grid, or in a folder a GIF of each. In `.png` a video is a row of its frames.

    Example:
        >>> content, processing = VideoContent(), {"image_shape": [4, 6, 1]}
        >>> video = np.random.RandomState(0).randint(0, 256, (1, 3, 4, 6, 1)).astype(np.uint8)
        >>> content.writer("v.gif", 1, processing)(video)
        >>> bool((content.read([Path("v.gif")], processing) == video).all())
        True
    """

    name, noun, unit = "video", "video", "frames"
    media = {
        ".gif": "image/gif",
        ".npy": "application/x-npy",
        ".npz": "application/x-npz",
    }
    beside = {"samples.gif": "See them move"}

    def made_files(self) -> Mapping[str, str]:
        return {**self.media, ".png": "image/png"}

    def default_out(self, name: str) -> str:
        return f"{name}.gif"

    def read(self, paths: Sequence[Path], processing: Processing) -> np.ndarray:
        """Return uint8 `(N, frames, H, W, C)` of GIF files, arrays, or folders of such."""
        shape = tuple(processing["image_shape"])
        found: list[np.ndarray] = []
        for file in (each for path in paths for each in _files(path)):
            found += _read(file, shape)
            if sum(map(len, found)) > MOST_TOGETHER:
                raise UsageError(f"there are more than {MOST_TOGETHER} frames; give fewer videos")
        if len(counts := {len(video) for video in found}) > 1:
            raise UsageError(
                f"the videos have {min(counts)} to {max(counts)} frames; give videos of as many "
                "frames together, the others alone"
            )
        return np.stack(found)

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        if Path(out).is_dir() or not (Path(out).suffix or is_stream(out)):
            return lambda value: _save_each(_rows(value), out)
        # What has no suffix only takes bytes: a FIFO, a device, standard output.
        encode = one_of(out, _ENCODE | {"": _encode_gif}, "write")

        def save(value: Any) -> None:
            with written(out) as file:
                encode(_rows(value), file)

        return save

    def to_bytes(self, value: Any, suffix: str, processing: Processing) -> bytes:
        encode, file = one_of(f"video{suffix}", _ENCODE, "write"), io.BytesIO()
        encode(_rows(value), file)
        return file.getvalue()

    def from_json(self, value: Any, processing: Processing) -> np.ndarray:
        """Return videos of `data:` addresses, or of nested lists of levels 0 to 255.

        Example:
            >>> VideoContent().from_json([[[0], [9]], [[1], [8]]], {"image_shape": [2, 1, 1]}).shape
            (2, 2, 1)
        """
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            videos: np.ndarray = super().from_json(value, processing)
            return videos
        levels = array_of(value)
        if levels.dtype.kind not in "iu" or not (
            levels.size and 0 <= levels.min() <= levels.max() <= 255
        ):
            raise UsageError("videos in JSON are no levels; expected whole numbers from 0 to 255")
        return levels.astype(np.uint8)

    def to_json(self, value: Any, processing: Processing) -> Any:
        """Return a `data:` address of a GIF for each video."""
        return [super(VideoContent, self).to_json(each[None], processing) for each in _rows(value)]

    def cell(self, processing: Processing, *, given: bool) -> Cell:
        return Cell("uint8", (-1, *processing["image_shape"]))

    def picture(self, value: Any, processing: Processing) -> np.ndarray:
        """Lay the frames of each video out in a row."""
        return pictures.sheet(_rows(value))

    def write_samples(self, value: Any, processing: Processing, stem: Path) -> None:
        """Write the rows of frames, and beside them what moves."""
        super().write_samples(value, processing, stem)
        self.writer(str(stem.with_suffix(".gif")), self.count(value), processing)(value)

    def looked_at(self, value: Any, processing: Processing) -> Sequence[np.ndarray]:
        frames = np.asarray(value)
        if frames.dtype.kind == "f":
            frames = pictures.to_uint8(frames)
        return list(frames.reshape(-1, *processing["image_shape"]))

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare level by level.

        Example:
            >>> VideoContent().compare(np.uint8([[7]]), np.uint8([[9]])).words
            'within 2 of 255 levels of Keras'
        """
        levels = int(np.abs(found.astype(int) - expected).max())
        return Distance(f"within {levels} of 255 levels of Keras", levels <= LEVELS)


def _rows(value: Any) -> np.ndarray:
    return np.asarray(value, np.uint8)


def _files(path: Path) -> list[Path]:
    """Return the files of a path: itself, or the GIF files of a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix.lower() == ".gif")
    if not found:
        raise UsageError(f"{path} holds no videos; expected names in .gif")
    return found


def _read(path: Path, shape: tuple[int, ...]) -> Sequence[np.ndarray]:
    """Return the videos of a file, each `(frames, H, W, C)`."""
    if path.suffix.lower() not in (".npy", ".npz"):
        return [_frames(path, shape)]
    array = read_array(path)
    if array.dtype != np.uint8 or array.shape[-3:] != shape or array.ndim not in (4, 5):
        height, width, channels = shape
        raise UsageError(
            f"{path} holds {array.dtype} {array.shape}; expected uint8 (N, frames, {height}, "
            f"{width}, {channels})"
        )
    return list(array if array.ndim == 5 else array[None])


def _frames(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Decode a GIF: uint8 `(frames, H, W, C)`."""
    from PIL import Image, ImageSequence

    height, width, channels = shape
    if channels not in (1, 3):
        raise UsageError(f"this model takes frames of {channels} channels; give {path} as .npy")
    found, stays = [], []
    try:
        with Image.open(path, formats=["GIF"]) as video:
            if video.size != (width, height):
                raise UsageError(
                    f"{path} has {video.width}x{video.height} pixels; this model takes videos of "
                    f"{width}x{height}"
                )
            for frame in ImageSequence.Iterator(video):
                found.append(np.asarray(frame.convert("L" if channels == 1 else "RGB")))
                stays.append(max(1, round(frame.info.get("duration", 0) / 10)))
                if len(found) > MOST_FRAMES:
                    break
    except (*SPOILT_PICTURE, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is no GIF, or is spoilt"
        raise UsageError(f"{path} cannot be read as a video: {reason}") from None
    times = np.array(stays) // reduce(math.gcd, stays)
    if times.sum() > MOST_FRAMES:
        raise UsageError(f"{path} has more than {MOST_FRAMES} frames; give a shorter part of it")
    return np.repeat(np.stack(found), times, axis=0).reshape(-1, *shape)


def _encode_gif(videos: np.ndarray, file: BinaryIO) -> None:
    """Write videos beside each other as one GIF, which repeats."""
    from PIL import Image

    frames = [pictures.sheet(videos[:, at]) for at in range(videos.shape[1])]
    images = [Image.fromarray(each[..., 0] if each.shape[-1] == 1 else each) for each in frames]
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=DURATION, loop=0)


def _encode_png(videos: np.ndarray, file: BinaryIO) -> None:
    pictures.encode(pictures.sheet(videos), file)


def _encode_npy(videos: np.ndarray, file: BinaryIO) -> None:
    np.save(file, videos)


def _encode_npz(videos: np.ndarray, file: BinaryIO) -> None:
    np.savez_compressed(file, videos=videos)


_ENCODE: dict[str, Callable[[np.ndarray, BinaryIO], None]] = {
    ".gif": _encode_gif,
    ".png": _encode_png,
    ".npy": _encode_npy,
    ".npz": _encode_npz,
}


def _save_each(videos: np.ndarray, out: str) -> None:
    """Write a folder with a GIF of each video, all or none."""
    write_each(out, {f"{at:05d}.gif": partial(_save, each) for at, each in enumerate(videos)})


def _save(video: np.ndarray, path: Path) -> None:
    with written(path) as file:
        _encode_gif(video[None], file)
