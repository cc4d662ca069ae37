"""Photographs to paint and paintings whose styles to paint them in: the same for the same seed.

Everything random is a pure function of the seed and of the step.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps
from pydantic import Field

from serving.photographs.photograph import Photograph
from serving.photographs.restyling import SMALLEST
from zoo.data.files import own_path
from zoo.data.sources import RESEARCH, SourceInfo
from zoo.restoration.parts import Parts, PartsConfig
from zoo.style.losses import statistics
from zoo.style.paintings import Paintings
from zoo.style.perception import Perception

AROUND = 1.5  # times the side of a patch that the shorter side of a photograph is made to have
AT_ONCE = 16  # pictures that are read, or whose statistics are found, together

Batch = tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class StyleDataConfig(PartsConfig):
    """The `[data]` table of a recipe that restyles photographs.

    Args:
        name, folders, validation, limit: as of `PartsConfig`.
        paintings: a folder of pictures of any sizes, or a data set of TensorFlow Datasets.
        patch: pixels of a side of what is cut out of photographs and of paintings.
        crops: of all paintings together that are learned from.
        same: share of photographs that are to stay as they are, as their style is their own.

    Example:
        >>> StyleDataConfig(name="flowers_256", paintings="paintings").patch
        96
    """

    paintings: str
    patch: Annotated[int, Field(ge=SMALLEST)] = 96
    validation: Annotated[int, Field(ge=1)] = 24
    crops: Annotated[int, Field(ge=1)] = 600
    same: Annotated[float, Field(ge=0, lt=1)] = 0.1

    def places(self) -> dict[str, Path]:
        """Return where folders of photographs and paintings lie."""
        path = own_path(self.paintings)
        return super().places() | ({"paintings": path.absolute()} if path else {})


class StyleData(Parts):
    """Photographs and paintings of a recipe.

    Args:
        config: the `[data]` table.

    Attributes:
        source: what is known of both data sets together.
        paintings: see `Paintings`.

    Raises:
        UsageError: there are none, or too few.
    """

    config: StyleDataConfig

    def __init__(self, config: StyleDataConfig):
        super().__init__(config)
        self.paintings = Paintings(config.paintings)
        self.source = _both(self.source, self.paintings.source)

    def training_batches(
        self, batch_size: int, judge: Perception, seed: int, start: int = 0
    ) -> tf.data.Dataset:
        """Return batches without end: patches of photographs, and crops of paintings.

        Args:
            batch_size: photographs per batch of all replicas together.
            judge: of what paintings look like.
            seed: of where crops and patches are, and which go together.
            start: steps already done.

        Returns:
            A data set of what `Restyler.compute_loss` takes as `x` and `y`: float32 `(B, p, p, 3)`
            twice in [0, 1], statistics `(B, T)` and marks `(B,)`.
        """
        patch, same = self.config.patch, self.config.same
        with tf.device("CPU:0"):
            photographs = tf.constant(self.squares("train", self._around))
            crops = tf.constant(self._crops(seed))
            wanted = tf.constant(styles_of(crops.numpy() / np.float32(255), judge))
        room = photographs.shape[1] - patch + 1  # places of a patch, each way

        def pick(step: tf.Tensor) -> Batch:
            own = tf.stack([tf.cast(seed, tf.int64), step])
            drawn = tf.random.stateless_uniform((batch_size, 6), own)
            sizes = (len(photographs), len(crops), room, room)
            chosen = tf.cast(drawn[:, :4] * np.float32(sizes), tf.int32)
            photograph, style, row, column = tf.unstack(
                tf.minimum(chosen, np.int32(sizes) - 1), axis=1
            )
            rows, columns = (at[:, None] + tf.range(patch) for at in (row, column))  # (B, p)
            columns = tf.where(drawn[:, 4:5] < 0.5, columns[:, ::-1], columns)
            shown = tf.gather(tf.gather(photographs, photograph), rows, batch_dims=1)
            shown = tf.gather(shown, columns, axis=2, batch_dims=1)  # (B, p, p, 3)
            own_style = drawn[:, 5] < same
            painting = tf.where(own_style[:, None, None, None], shown, tf.gather(crops, style))
            marks = tf.cast(own_style, tf.float32)
            return (_divided(shown), _divided(painting)), (tf.gather(wanted, style), marks)

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(pick, num_parallel_calls=1, deterministic=True).prefetch(2)

    def validation_pictures(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return photographs that are held out, and crops of as many paintings.

        Args:
            seed: of where the crops are.

        Returns:
            float32 `(N, p, p, 3)` twice in [0, 1].
        """
        patch, squares = self.config.patch, self.squares("validation", self._around)
        edge = (squares.shape[1] - patch) // 2
        shown = squares[:, edge : edge + patch, edge : edge + patch]
        crops = self._crops(seed)
        chosen = crops[np.linspace(0, len(crops) - 1, len(shown)).astype(int)]
        return tuple((each / 255).astype(np.float32) for each in (shown, chosen))

    def validation_examples(self, judge: Perception, seed: int) -> tuple:
        """Return photographs that are held out, and crops of paintings, as a batch of them."""
        shown, crops = self.validation_pictures(seed)
        return (shown, crops), (styles_of(crops, judge), np.zeros(len(crops), np.float32))

    def squares(self, part: str, side: int, count: int | None = None) -> np.ndarray:
        """Return the middles of photographs of a part, made as large as is asked.

        Args:
            part: `train`, `validation` or `test`.
            side: in pixels.
            count: of the first photographs; all unless given.

        Returns:
            uint8 `(N, side, side, 3)`.
        """
        rows, found = self._rows(part), []
        stop = min(rows.stop, rows.start + (count or len(range(rows.start, rows.stop))))
        for start in range(rows.start, stop, AT_ONCE):  # as they are, not all may fit in memory
            of = "test" if part == "test" else "train"
            read = self._origin.read(of, slice(start, min(start + AT_ONCE, stop)))
            found += [square(Photograph.of(pixels), side) for pixels in read]
        return np.stack(found)

    @property
    def _around(self) -> int:
        return round(AROUND * self.config.patch)

    def _crops(self, seed: int) -> np.ndarray:
        return self.paintings.crops(self.config.crops, self.config.patch, seed)


def square(picture: Photograph, side: int) -> np.ndarray:
    """Return the middle of a picture at a size: uint8 `(side, side, 3)`."""
    rgb = picture.image.convert("RGB")
    return np.asarray(ImageOps.fit(rgb, (side, side), Image.Resampling.LANCZOS))


def styles_of(images: np.ndarray, judge: Perception) -> np.ndarray:
    """Return the statistics of pictures: float32 `(N, H, W, 3)` in [0, 1] -> `(N, T)`."""
    parts = np.split(images, range(AT_ONCE, len(images), AT_ONCE))
    return np.concatenate([np.asarray(statistics(part, judge(part))) for part in parts])


def _divided(levels: tf.Tensor) -> tf.Tensor:
    return tf.cast(levels, tf.float32) / 255


def _both(photographs: SourceInfo, paintings: SourceInfo) -> SourceInfo:
    """Return what is known of two data sets as of one."""
    licenses = (photographs.license, paintings.license)
    together = hashlib.sha256((photographs.fingerprint + paintings.fingerprint).encode())
    return SourceInfo(
        name=f"{photographs.name} and {paintings.name}",
        version=f"{photographs.version} and {paintings.version}",
        kind="images",
        license=RESEARCH if RESEARCH in licenses else "{}; paintings: {}".format(*licenses),
        splits=photographs.splits,
        fingerprint=together.hexdigest(),
        image_shape=(None, None, 3),
        citation=photographs.citation,
        url=photographs.url,
    )
