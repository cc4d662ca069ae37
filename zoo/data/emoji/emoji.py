"""Emoji and their names: the parts that are trained on, validated on and tested on."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from serving.errors import UsageError, nearest
from zoo.data import sources
from zoo.data.emoji.config import EmojiConfig

PARTS = ("train", "validation", "test")


class Captioned(NamedTuple):
    """Pictures with captions.

    Attributes:
        image: uint8 `(N, size, size, 3)`, on white.
        caption: of each, as "grinning face with smiling eyes".
    """

    image: np.ndarray
    caption: list[str]


class Emoji:
    """The emoji of a configuration. All skin tones of one are in one part.

    Args:
        config: the `[data]` table.

    Attributes:
        source: what is known of the data, whose splits are the parts.

    Raises:
        UsageError: there is no such group, or nothing to train on.
    """

    def __init__(self, config: EmojiConfig):
        self.config = config
        builder = sources.prepare(config.name)
        groups = builder.info.features["group"].names
        if unknown := [group for group in config.groups if group not in groups]:
            hint = nearest(unknown[0], groups) or f"; there are {', '.join(groups)}"
            raise UsageError(f"openmoji has no group '{unknown[0]}'{hint}")
        wanted = {groups.index(group) for group in config.groups or groups}
        read = {
            split: [
                example
                for example in builder.as_dataset(split=split).as_numpy_iterator()
                if int(example["group"]) in wanted
                and (config.skin_tones or not example["skintone"])
            ]
            for split in ("train", "test")
        }
        held_out = self._held_out([each["text"] for each in read["train"]])
        parts = {
            "train": [each for each in read["train"] if each["text"] not in held_out],
            "validation": [each for each in read["train"] if each["text"] in held_out],
            "test": read["test"],
        }
        self._parts = {part: _captioned(some, config.size) for part, some in parts.items()}
        counts = {part: len(some) for part, some in parts.items()}
        self.source = replace(
            sources.describe(builder),
            image_shape=(config.size, config.size, 3),
            splits=counts,
            classes=0,
            class_names=(),
        )

    def read(self, part: str) -> Captioned:
        """Return a part.

        Raises:
            UsageError: there is no such part.
        """
        if part not in PARTS:
            raise UsageError(f"emoji have no part '{part}'; expected one of {', '.join(PARTS)}")
        return self._parts[part]

    def _held_out(self, names: list[bytes]) -> set[bytes]:
        """Return the names that are validated on, spread evenly; with one, all that are called so.

        Raises:
            UsageError: none would be left to train on.
        """
        bases = list(dict.fromkeys(_base(name) for name in names))
        if len(bases) <= self.config.validation:
            raise UsageError(
                f"there are {len(bases)} emoji to train on, not more than the "
                f"{self.config.validation} held out; lower data.validation, or name more groups"
            )
        places = np.linspace(0, len(bases) - 1, self.config.validation).round().astype(int)
        chosen = {bases[place] for place in places}
        return {name for name in names if _base(name) in chosen}


def _base(name: bytes) -> bytes:
    """Return the name of an emoji without skin tones.

    >>> _base(b"kiss: woman, man, light skin tone"), _base(b"ear: dark skin tone")
    (b'kiss: woman, man', b'ear')
    """
    what, _, told = name.partition(b": ")
    kept = [each for each in told.split(b", ") if each and not each.endswith(b" skin tone")]
    return b": ".join([what, b", ".join(kept)] if kept else [what])


def _captioned(examples: list[dict], size: int) -> Captioned:
    image = np.empty((len(examples), size, size, 3), np.uint8)
    for index, example in enumerate(examples):
        picture = Image.fromarray(example["image"])
        image[index] = picture.resize((size, size), Image.Resampling.LANCZOS)
    return Captioned(image, [example["text"].decode() for example in examples])
