"""Images as batches: split, cached, shuffled, augmented, binarized; the same for the same seed.

A split is held in memory, 8 bits a value. Everything random is a pure function of the seed and of
the position in the run, so a run that stops after any step goes on with exactly the batches it
would have had.
"""

import sys
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import tensorflow as tf
from pydantic import Field, model_validator

from serving.errors import UsageError
from zoo.data import sources
from zoo.data.augmentation import varying
from zoo.data.augmentation.config import AugmentationConfig
from zoo.data.files import own_path
from zoo.data.moving.config import KINDS, MovingConfig
from zoo.data.moving.moving import MovingDigits
from zoo.data.scenes.config import ScenesConfig
from zoo.data.scenes.scenes import Scenes

DECODE_BATCH = 1024
SCENES = ScenesConfig().name
CAPTIONS = ("caption", "text")  # what data sets call them


class ImagesConfig(AugmentationConfig):
    """The `[data]` table of an image recipe; see `AugmentationConfig` for more of its keys.

    Args:
        name: a TensorFlow Datasets name, `digits`, `scenes` or `moving-mnist` (made up, see
            `zoo.data.scenes` and `zoo.data.moving`), or a folder of images.
        validation: training images held out, from the end of the training split.
        binarize: draw each pixel anew as 0 or 1 with its grey level as probability, every epoch
            (dynamic binarization, Burda et al. 2016).
        resize: bring images of another size or colour to the model's image shape: cropped about
            their centre to its aspect ratio, then resized.
        flip: mirror images left to right at random.
        shift: move images by up to this many pixels, the edge repeated.
        flip_vertical: mirror images top to bottom at random.
        crop: cut off up to this share of the height and width, and enlarge what is left.
        limit: use only this many images of each split.
        count, grid: of `scenes`, how many there are to train on, and what things are moved by; see
            `ScenesConfig`.
    """

    later: ClassVar[tuple[str, ...]] = (
        *AugmentationConfig.later,
        "flip_vertical",
        "crop",
        "count",
        "grid",
    )

    name: str
    validation: Annotated[int, Field(ge=1)] = 1000
    binarize: bool = False
    resize: bool = False
    flip: bool = False
    shift: Annotated[int, Field(ge=0)] = 0
    flip_vertical: bool = False
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.0
    limit: Annotated[int, Field(ge=2)] | None = None
    count: int | None = None
    grid: int | None = None

    @model_validator(mode="after")
    def _of_scenes(self) -> Self:
        if self.name == SCENES:
            ScenesConfig.parse(self.of_scenes, "data")
        elif self.of_scenes:
            named = " and ".join(self.of_scenes)
            raise ValueError(f"{named} goes with {SCENES}; leave it out for '{self.name}'")
        return self

    @property
    def of_scenes(self) -> dict[str, int]:
        """What is said of scenes."""
        said = {"count": self.count, "grid": self.grid}
        return {key: value for key, value in said.items() if value is not None}

    def places(self) -> dict[str, Path]:
        """Return where a folder of images lies."""
        path = own_path(self.name)
        return {"name": path.absolute()} if path else {}


class Images:
    """The images of a recipe, ready to train on and to evaluate.

    Args:
        config: the `[data]` table.
        image_shape: `(H, W, C)` that the model takes.
        classes: labels that the model takes; 0 for none.

    Raises:
        UsageError: the data set does not fit the model, or cannot be had.
    """

    def __init__(self, config: ImagesConfig, image_shape: tuple[int, int, int], classes: int = 0):
        self.config = config
        self.image_shape = image_shape
        self.classes = classes
        # A folder of mixed sizes is cropped and brought to one size when it is read.
        size = image_shape[:2] if config.resize else None
        self._made_up = _made_up(config)
        if self._made_up is None:
            self.builder = sources.prepare(config.name, image_size=size)
            self.source = sources.describe(self.builder)
        else:
            self.source = self._made_up.source
        self._check_fit()
        config.check_channels(image_shape[-1])

    def _check_fit(self) -> None:
        source, config = self.source, self.config
        if source.kind != "images":
            raise UsageError(f"data set '{config.name}' holds {source.kind}; expected images")
        if "train" not in source.splits:
            raise UsageError(
                f"'{config.name}' has no train split, only {', '.join(source.splits)}; "
                "choose another data set"
            )
        if source.image_shape != self.image_shape and not config.resize:
            raise UsageError(
                f"images of '{config.name}' are {_by(source.image_shape)} and the model takes "
                f"{_by(self.image_shape)}; set data.resize=true, or model.image_shape to theirs"
            )
        if self.classes and source.classes != self.classes:
            raise UsageError(
                f"'{config.name}' has {source.classes} classes and the model takes {self.classes}; "
                f"set model.classes={source.classes}"
            )
        most = self._rows("validation").stop
        if config.validation >= most:
            raise UsageError(
                f"'{config.name}' has {most} training images, not more than the "
                f"{config.validation} held out; lower data.validation"
            )

    def _rows(self, part: str) -> slice:
        """Return the rows of the data set's own split that are `train`, `validation` or `test`.

        The end of `train` is held out for validation, and where the data set has no `test`, the
        last tenth is for testing.
        """
        splits = self.source.splits
        if part == "test" and "test" in splits:
            return slice(0, splits["test"])
        total = splits["train"]
        end = total if "test" in splits else total - total // 10
        if part == "test":
            return slice(end, total)
        start = max(0, end - self.config.validation)
        return slice(start, end) if part == "validation" else slice(0, start)

    def count(self, part: str) -> int:
        """Return the number of images of `train` (an epoch), `validation` or `test`."""
        rows = self._rows(part)
        return min(rows.stop - rows.start, self.config.limit or sys.maxsize)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches in an epoch; the last may be smaller."""
        return -(-self.count("train") // batch_size)

    def smallest_batch(self, batch_size: int) -> int:
        """Number of images in the last batch of an epoch."""
        return self.count("train") % batch_size or batch_size

    def training_batches(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Return batches without end, each epoch in a new order.

        Args:
            batch_size: images per batch of all replicas together.
            seed: of the order, the augmentation and the binarization.
            start: steps already done.

        Returns:
            A data set of images `(B, H, W, C)` float32 in [0, 1], or for a conditional model of
            dicts with `image` and `labels`, int32 `(B,)`.
        """
        examples = self._load("train")
        with tf.device("CPU:0"):
            examples = {name: tf.constant(values) for name, values in examples.items()}
        epoch, done = divmod(start, self.steps_per_epoch(batch_size))

        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            rows = tf.range(self.count("train"))
            order = tf.random.experimental.stateless_shuffle(rows, [seed, epoch])
            return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

        def pick(step: tf.Tensor, rows: tf.Tensor) -> tf.Tensor | dict[str, tf.Tensor]:
            batch = {name: tf.gather(values, rows) for name, values in examples.items()}
            return self._vary(batch, tf.stack([tf.cast(seed, tf.int64), step]))

        batches = tf.data.Dataset.range(epoch, tf.int64.max).flat_map(one_epoch).skip(done)
        batches = batches.enumerate(start).map(pick, num_parallel_calls=2, deterministic=True)
        return batches.prefetch(4)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a whole split, unvaried.

        Args:
            split: `train`, `validation` (held out of it) or `test`.

        Returns:
            Images `(N, H, W, C)` float32 in [0, 1], and labels int32 `(N,)` of a conditional model.
        """
        images, labels = self.levels(split)
        return images.astype(np.float32) / 255, labels

    def levels(self, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what `arrays` does, images as uint8, 0 to 255, in a quarter of the memory."""
        examples = self._load(split)
        return examples["image"], examples.get("labels")

    def captions(self, split: str) -> list[str]:
        """Return the captions of a split, in the order of `arrays`.

        Raises:
            UsageError: the images have none.
        """
        name, start, stop = self._place(split)
        if isinstance(self._made_up, Scenes):
            return self._made_up.captions(name, start, stop)
        features = () if self._made_up else self.builder.info.features
        known = [key for key in CAPTIONS if key in features]
        if not known:
            raise UsageError(
                f"images of '{self.config.name}' have no captions; choose a data set with "
                f"{' or '.join(CAPTIONS)}, as scenes, or set model.words=0"
            )
        examples = self._examples(name, start, stop).map(lambda example: example[known[0]])
        return [caption.decode() for caption in examples.as_numpy_iterator()]

    def _place(self, part: str) -> tuple[str, int, int]:
        """Return the split that a part is in, and its first row and the one behind its last."""
        start = self._rows(part).start
        name = "test" if part == "test" and "test" in self.source.splits else "train"
        return name, start, start + self.count(part)

    def _load(self, part: str) -> dict[str, np.ndarray]:
        """Return a split as uint8 images of the model's shape, with labels if it takes them."""

        def pick(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            picked = {"image": _fit(example["image"], self.image_shape)}
            if self.classes:
                picked["labels"] = tf.cast(example["label"], tf.int32)
            return picked

        examples = self._examples(*self._place(part))
        examples = examples.map(pick, num_parallel_calls=2, deterministic=True)
        batches = list(examples.batch(DECODE_BATCH).as_numpy_iterator())
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    def _examples(self, split: str, start: int, stop: int) -> tf.data.Dataset:
        """Return some examples of a split of the data set, as they are."""
        if self._made_up is None:
            return self.builder.as_dataset(split=f"{split}[{start}:{stop}]")
        with tf.device("CPU:0"):
            image = tf.constant(self._made_up.images(split, start, stop))
        return tf.data.Dataset.from_tensor_slices({"image": image})

    def _vary(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor | dict:
        """Scale to [0, 1], augment and binarize a batch; `seed` is (run seed, step)."""
        image = tf.cast(batch["image"], tf.float32) / 255
        config, labels = self.config, {"labels": batch["labels"]} if self.classes else {}
        if config.flip:
            image = varying.flip(image, varying.stream(seed, varying.FLIP))
        if config.flip_vertical:
            image = varying.flip(image, varying.stream(seed, varying.UPSIDE_DOWN), axis=1)
        if config.crop:
            image = varying.crop(image, config.crop, varying.stream(seed, varying.CROP))
        if config.shift:
            image = varying.shift(image, config.shift, varying.stream(seed, varying.SHIFT))
        if config.colours:
            (image,) = varying.colours([image], config, varying.stream(seed, varying.COLOURS))
        if config.mixup:
            mixed = varying.mixture(
                tf.shape(image)[0], config.mixup, varying.stream(seed, varying.MIXUP)
            )
            image = mixed.of(image)
            labels["other_labels"] = tf.gather(labels["labels"], mixed.others)
            labels["share"] = mixed.shares
        if config.binarize:
            drawn = tf.random.stateless_uniform(tf.shape(image), seed) < image
            image = tf.cast(drawn, tf.float32)
        return {"image": image} | labels if self.classes else image


def _made_up(config: ImagesConfig) -> Scenes | MovingDigits | None:
    """Return what makes a data set up as it is asked for; None of what lies on disk."""
    if config.name == SCENES:
        return Scenes(ScenesConfig.parse(config.of_scenes, "data"))
    if config.name in KINDS:
        return MovingDigits(MovingConfig.parse({"name": config.name}, "data"))
    return None


def _by(shape: tuple[int | None, int | None, int]) -> str:
    height, width, channels = shape
    size = f"{height}x{width}" if height and width else "of several sizes, "
    return f"{size}x{channels}" if height and width else f"{size}{channels} channels"


def _fit(image: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """Crop, resize and recolour an image `(h, w, c)` uint8 to `shape`; the identity where equal."""
    height, width, channels = shape
    if image.shape[:2] != (height, width):
        kept = _cropped(image, height, width)
        resized = tf.image.resize(tf.cast(kept, tf.float32), (height, width), antialias=True)
        image = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
    if image.shape[-1] == 1 and channels == 3:
        image = tf.image.grayscale_to_rgb(image)
    elif image.shape[-1] == 3 and channels == 1:
        image = tf.image.rgb_to_grayscale(image)
    return tf.ensure_shape(image, shape)


def _cropped(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Return the largest part of an image, about its centre, that is as wide for its height."""
    rows, columns = tf.shape(image)[0], tf.shape(image)[1]
    kept_rows = tf.clip_by_value(columns * height // width, 1, rows)
    kept_columns = tf.clip_by_value(rows * width // height, 1, columns)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return image[top : top + kept_rows, left : left + kept_columns]
