"""Data sets of TensorFlow Datasets, looked at example by example. The only part with TensorFlow."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from serving.errors import UsageError
from serving.music.piece import Piece
from zoo.inspection import music, pictures, texts
from zoo.inspection.layout import Item
from zoo.inspection.looks import Look, as_image, look_at_pixels
from zoo.inspection.report import Report
from zoo.startup import load_tensorflow

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


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
    if kind == "images" and features["image"].dtype in (np.uint8, np.uint16):
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
        import tensorflow_datasets as tfds

        in_order = tfds.ReadConfig(interleave_cycle_length=1)
        for split, count in self.counts.items():
            part = self.builder.as_dataset(split=f"{split}[:{count}]", read_config=in_order)
            for index, example in enumerate(part.as_numpy_iterator()):
                number = int(example["label"]) if self.labels else -1  # which is of no class
                label = self.labels[number] if number >= 0 else None
                yield Item(f"{split}[{index}]", split, label), example


def _of_images(name: str, examples: _Examples) -> Report:
    shown = tqdm(examples, total=len(examples), unit=" images", disable=None, leave=False)
    looks: list[Look] = [look_at_pixels(item, each["image"]) for item, each in shown]

    def samples(names: Iterable[str]) -> Mapping[str, np.ndarray]:
        wanted = set(names)
        return {
            item.name: pictures.shown(as_image(each["image"]))
            for item, each in examples
            if item.name in wanted
        }

    return pictures.report(name, looks, samples)


def _text(example: dict[str, Any], features: Iterable[str]) -> str:
    return "\n".join(example[name].decode("utf-8", "replace") for name in features)
