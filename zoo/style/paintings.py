"""Paintings to learn styles from, by name, and crops of them that are learned from.

Every sixth, from the first on, in the order of the data set or of the names in a folder, is held
out, to see how a style is painted that was not learned from.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from serving.errors import UsageError
from serving.photographs.photograph import SUFFIXES, Photograph
from zoo.data import fingerprint, sources
from zoo.data.files import listed, own_path
from zoo.data.sources import SourceInfo

HELD_OUT = 6  # one of so many
LARGEST = 1024  # pixels of the longer side that is kept of a painting
LONGEST_NAME = 60  # letters
SHOWN = (0.6, 1.0)  # of the shorter side of a painting that a crop shows, at least and at most
RECOLOURED = 0.25  # share of the crops whose colours are changed


class Paintings:
    """The paintings of a recipe.

    Args:
        name: a folder of pictures of any sizes, or a data set of TensorFlow Datasets.

    Attributes:
        source: what is known of the data set.
        pictures: all of them by name, images of Pillow in RGB.

    Raises:
        UsageError: there are none, or too few.
    """

    def __init__(self, name: str):
        root = own_path(name)
        self.source, self.pictures = _folder(root) if root else _data_set(name)
        if len(self.pictures) < 2:
            raise UsageError(
                f"'{name}' holds {len(self.pictures)} paintings; expected two at least, one of "
                "which is held out"
            )

    def part(self, held_out: bool) -> dict[str, Photograph]:
        """Return the paintings that are learned from, or those that are not, by name."""
        chosen = enumerate(self.pictures.items())
        return {
            name: Photograph(image)
            for at, (name, image) in chosen
            if (at % HELD_OUT == 0) == held_out
        }

    def crops(self, count: int, side: int, seed: int) -> np.ndarray:
        """Cut squares out of the paintings that are learned from, of each about as many.

        They show most of a painting. Some are mirrored, and some have other colours, so that
        colours are not taken for what a painting is.

        Args:
            count: of all of them.
            side: pixels that they are made to have.
            seed: of where they are.

        Returns:
            uint8 `(count, side, side, 3)`.

        Raises:
            UsageError: there are more paintings than crops.
        """
        images = [each.image for each in self.part(held_out=False).values()]
        if count < len(images):
            raise UsageError(
                f"{count} crops are too few for {len(images)} paintings; raise data.crops"
            )
        random = np.random.RandomState(seed)
        return np.stack([_crop(images[at % len(images)], side, random) for at in range(count)])


def _crop(image: Image.Image, side: int, random: np.random.RandomState) -> np.ndarray:
    length = min(image.size) * random.uniform(*SHOWN)
    left, top = (random.uniform(0, whole - length) for whole in image.size)
    box = (left, top, left + length, top + length)
    cut = image.resize((side, side), Image.Resampling.LANCZOS, box, reducing_gap=3)
    pixels = np.asarray(cut)
    if random.uniform() < 0.5:
        pixels = pixels[:, ::-1]
    if random.uniform() < RECOLOURED:
        pixels = pixels[..., random.permutation(3)]
        pixels = 255 - pixels if random.uniform() < 0.25 else pixels
    return pixels


def _folder(root: Path) -> tuple[SourceInfo, dict[str, Image.Image]]:
    if not root.is_dir():
        raise UsageError(f"{root} is no folder; expected one of paintings")
    files = listed(root, SUFFIXES)
    source = SourceInfo(
        name=root.resolve().name,
        version="1",
        kind="images",
        license="not stated: the user's own images",
        splits={"train": len(files)},
        fingerprint=fingerprint.of_files(root, files),
        image_shape=(None, None, 3),
    )
    return source, _by_name((file, Photograph.read(root / file)) for file in files)


def _data_set(name: str) -> tuple[SourceInfo, dict[str, Image.Image]]:
    builder = sources.prepare(name)
    source = sources.describe(builder)
    if source.kind != "images" or "train" not in source.splits:
        what = "has no train split" if source.kind == "images" else f"holds {source.kind}"
        raise UsageError(f"data set '{name}' {what}; expected a folder of paintings")
    examples = enumerate(builder.as_dataset(split="train").as_numpy_iterator())
    return source, _by_name(
        (
            example["id"].decode() if "id" in example else f"{source.name}-{at}",
            Photograph.of(example["image"]),
        )
        for at, example in examples
    )


def _by_name(found: Iterable[tuple[str, Photograph]]) -> dict[str, Image.Image]:
    """Return pictures by the names of their styles, no larger than is learned from."""
    pictures: dict[str, Image.Image] = {}
    for file, picture in found:
        name, image = _named(file), picture.image.convert("RGB")
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS, reducing_gap=3)
        same = sum(known == name or known.startswith(f"{name}-again-") for known in pictures)
        pictures[f"{name}-again-{same}" if same else name] = image
    return pictures


def _named(file: str) -> str:
    """Return the name of a style.

    Example:
        >>> _named("Hokusai/Great_Wave.jpg")
        'hokusai-great-wave'
    """
    path = Path(file)
    words = (path.with_suffix("") if path.name else path).as_posix().lower()
    words = "-".join("".join(c if c.isalnum() else " " for c in words).split())
    return words[:LONGEST_NAME] or "painting"
