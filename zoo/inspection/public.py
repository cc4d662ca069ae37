"""Data sets of TensorFlow Datasets, looked at example by example. The only part with TensorFlow."""

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from serving.errors import UsageError
from serving.music.piece import Piece
from zoo.data.photographs import as_trained
from zoo.inspection import music, pictures, texts
from zoo.inspection.layout import Item
from zoo.inspection.looks import Look, look_at_pixels
from zoo.inspection.report import Report
from zoo.startup import load_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

TOGETHER = 256  # examples that are read at a time


def inspect_public(name: str, limit: int | None) -> Report:
    """Look at the examples of a data set: all, or the first so many of each split.

    Raises:
        UsageError: there is no such data set, or it has neither images nor text nor music.
        GenzooError: it can be neither downloaded nor read.
    """
    load_tensorflow()
    from zoo.data.sources import kind_of, prepare

    builder = prepare(name)
    features = builder.info.features
    kind = kind_of(features)
    examples = _Examples(builder, limit)
    if kind == "images" and features["image"].np_dtype in (np.uint8, np.uint16):
        return _of_images(name, examples)
    if kind in ("text", "pairs"):
        told = ["text"] if kind == "text" else list(features)
        documents = [texts.look_at(item, _text(each, told), "UTF-8") for item, each in examples]
        return texts.report(name, documents)
    if kind == "notes":
        pieces = [music.Heard(item, Piece(each["notes"])) for item, each in examples]
        return music.report(name, pieces)
    raise UsageError(
        f"data set '{name}' has {', '.join(features)}; expected images of 8 or 16 bits, text or "
        "notes to look at"
    )


class _Examples:
    """The examples of a data set with their names, splits and classes; may be gone through again.

    Names are `train[17]`, as TensorFlow Datasets counts.
    """

    def __init__(self, builder: "tfds.core.DatasetBuilder", limit: int | None):
        self.builder = builder
        features = builder.info.features
        self.labels = list(getattr(features["label"], "names", ())) if "label" in features else []
        self.counts = {
            split: min(held.num_examples, limit or held.num_examples)
            for split, held in builder.info.splits.items()
        }

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[tuple[Item, dict[str, Any]]]:
        return self._read()

    def images(self, names: set[str]) -> Iterator[tuple[str, Image.Image]]:
        """Yield the images of some names; the others are not decoded."""
        import tensorflow_datasets as tfds

        for item, example in self._read({"image": tfds.decode.SkipDecoding()}):
            if item.name in names:
                image = Image.open(io.BytesIO(example["image"]))
                yield item.name, as_trained(image)

    def _read(self, decoders: dict[str, Any] | None = None) -> Iterator[tuple[Item, dict]]:
        import tensorflow_datasets as tfds

        in_order = tfds.ReadConfig(interleave_cycle_length=1)
        for split, count in self.counts.items():
            part = self.builder.as_dataset(
                split=f"{split}[:{count}]", read_config=in_order, decoders=decoders
            )
            for index, example in enumerate(_each(part)):
                number = int(example["label"]) if self.labels else -1  # which is of no class
                label = self.labels[number] if number >= 0 else None
                yield Item(f"{split}[{index}]", split, label), example


def _each(part: "tf.data.Dataset") -> Iterator[dict[str, Any]]:
    """Yield examples as arrays: many at a time from TensorFlow, as far as they are of one shape."""
    import tensorflow as tf

    specs = part.element_spec.values()
    if not all(isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined() for spec in specs):
        yield from part.as_numpy_iterator()
        return
    for batch in part.batch(TOGETHER).as_numpy_iterator():
        for index in range(len(next(iter(batch.values())))):
            yield {name: values[index] for name, values in batch.items()}


def _of_images(name: str, examples: _Examples) -> Report:
    shown = tqdm(examples, total=len(examples), unit=" images", disable=None, leave=False)
    looks: list[Look] = [look_at_pixels(item, each["image"]) for item, each in shown]

    def samples(names: Iterable[str]) -> Mapping[str, np.ndarray]:
        return {each: pictures.shown(image) for each, image in examples.images(set(names))}

    return pictures.report(name, looks, samples)


def _text(example: dict[str, Any], features: Iterable[str]) -> str:
    return "\n".join(example[name].decode("utf-8", "replace") for name in features)
