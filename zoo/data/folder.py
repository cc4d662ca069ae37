"""A folder of the user's own images as a TensorFlow Datasets builder.

    photos/cat/1.png  photos/dog/2.jpg              classes; hashed into train and test
    photos/1.png  photos/2.jpg                      no classes; hashed into train and test
    photos/train/cat/1.png  photos/test/cat/2.png   splits as given, with or without classes

Files are PNG, JPEG, BMP, GIF (its first frame) or WebP; other files and hidden ones are left alone,
and linked folders are not entered. If any file is in colour all images become RGB, otherwise all
have one channel. Transparent pixels are laid on white; photographs are turned as their camera says.
The prepared copy, in `folder/` of the data directory, may be deleted at any time. It is found by
what is in the files, so that it serves the same images in another folder too.
"""

import dataclasses
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import tensorflow_datasets as tfds

from serving.errors import UsageError, nearest
from zoo.data import fingerprint
from zoo.data.files import SPLITS, is_parted, listed
from zoo.data.fingerprint import FILES_SHA256
from zoo.data.photographs import SUFFIXES, header, read

_TEST_SHARE = 0.1


@dataclasses.dataclass(eq=False)
class FolderConfig(tfds.core.BuilderConfig):
    """What is in a folder of images, read when first asked for.

    `name` ends in a digest of `sha256`, the fingerprint of the files, and of `image_size`, so a
    changed folder is another data set. `files` are paths below `root` with forward slashes.
    """

    root: Path = Path()
    files: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None
    sha256: str = ""

    @cached_property
    def splits(self) -> dict[str, dict[str, str | None]]:
        """For each split, the class of each of its files, or None where there are no classes."""
        if is_parted(self.files):
            return self._given_splits()
        labels = self._labels({file: file for file in self.files})
        train, test = hash_split(list(self.files))
        if not train:
            raise UsageError(
                f"{self.root} holds one image; at least two are needed, to train and to test on"
            )
        return {
            "train": {file: labels[file] for file in train},
            "test": {file: labels[file] for file in test},
        }

    def _given_splits(self) -> dict[str, dict[str, str | None]]:
        stray = next(
            (f for f in self.files if not f.startswith(tuple(s + "/" for s in SPLITS))), None
        )
        if stray:
            raise UsageError(
                f"{self.root} is parted into splits, but {stray} is not in train/, test/ or "
                "validation/; move it, or rename its folder"
            )
        labels = self._labels({file: file.partition("/")[2] for file in self.files})
        splits: dict[str, dict[str, str | None]] = {"train": {}, "test": {}}
        for file in self.files:
            splits.setdefault(file.partition("/")[0], {})[file] = labels[file]
        empty = next((split for split, files in splits.items() if not files), None)
        if empty:
            raise UsageError(
                f"{self.root} has no images in {empty}/; give both train/ and test/, or neither"
            )
        return splits

    def _labels(self, inner: dict[str, str]) -> dict[str, str | None]:
        """Map each file to the first folder of its `inner` path, or all of them to None."""
        folders = {file: path.rpartition("/")[0] for file, path in inner.items()}
        labels = {file: folder.partition("/")[0] or None for file, folder in folders.items()}
        loose = [file for file, label in labels.items() if label is None]
        if 0 < len(loose) < len(labels):
            placed = next(file for file, label in labels.items() if label)
            raise UsageError(
                f"{self.root} has both an image with a class folder ({placed}) and one without "
                f"({loose[0]}); give all images a class folder, or none"
            )
        for name in filter(None, labels.values()):
            _check_class(name, self.root)
        return labels

    @cached_property
    def classes(self) -> list[str]:
        """Sorted names of the classes of all splits; empty when there are none."""
        return sorted(
            {label for files in self.splits.values() for label in files.values() if label}
        )

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image, once read."""
        headers = {file: header(self.root / file) for file in self.files}
        channels = 3 if any(colour for _, colour in headers.values()) else 1
        if self.image_size:
            return *self.image_size, channels
        first, *others = self.files
        (width, height), _ = headers[first]
        for file in others:
            (other_width, other_height), _ = headers[file]
            if (other_width, other_height) != (width, height):
                raise UsageError(
                    f"images of {self.root} differ in size: {first} is {width}x{height} and {file} "
                    f"is {other_width}x{other_height}; set data.resize=true to crop and resize them"
                )
        return height, width, channels


class Folder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Data set of a folder: `image` uint8 (H, W, C), and `label` where the folder has classes."""

    name = "folder"
    VERSION = tfds.core.Version("2.0.0")  # of how images are read

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        features = {"image": tfds.features.Image(shape=config.shape, encoding_format="png")}
        if config.classes:
            features["label"] = tfds.features.ClassLabel(names=config.classes)
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images of a folder.",
            features=tfds.features.FeaturesDict(features),
            license="not stated: the user's own images",
            metadata=tfds.core.MetadataDict({FILES_SHA256: config.sha256}),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        splits = self.builder_config.splits
        return {split: self._generate_examples(files) for split, files in splits.items()}

    def _generate_examples(self, files: dict[str, str | None]) -> Iterator[tuple[bytes, dict]]:
        config = self.builder_config
        for file, label in files.items():
            example: dict = {"image": read(config.root / file, config.shape)}
            if label is not None:
                example["label"] = label
            yield os.fsencode(file), example


def configure(root: Path, image_size: tuple[int, int] | None = None) -> FolderConfig:
    """List the images below `root`, without decoding any.

    Args:
        root: the folder.
        image_size: height and width that images are cropped and resized to, or None to keep them.

    Raises:
        UsageError: the folder is missing, cannot be read, or holds no image.
    """
    root = root.expanduser()
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        hint = nearest(root.name, _folders_beside(root))
        raise UsageError(f"{root} {what}; expected a folder of images{hint}")
    files = listed(root, SUFFIXES)
    if not files:
        raise UsageError(f"{root} holds no images; expected files ending in {', '.join(SUFFIXES)}")
    sha256 = fingerprint.of_files(root, files)
    digest = hashlib.sha256(f"{image_size} {sha256}".encode()).hexdigest()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", root.resolve().name).strip("_") or "images"
    return FolderConfig(
        name=f"{plain}-{digest[:16]}",
        root=root,
        files=tuple(files),
        image_size=image_size,
        sha256=sha256,
    )


def _check_class(name: str, root: Path) -> None:
    """Refuse the name of a class that would not come back as it is from a list of names in UTF-8.

    Raises:
        UsageError: it is not one line of text.
    """
    odd = any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    if odd or name != name.strip():
        raise UsageError(
            f"the class folder {name!a} of {root} cannot name a class; expected text in UTF-8 "
            "without line breaks, nor blanks at its ends; rename it"
        )


def hash_split(files: list[str]) -> tuple[list[str], list[str]]:
    """Part files into train and test, about nine to one, by a hash of each name alone.

    Neither the order of `files` nor other files matter, so that a file added to the folder does not
    move the others; only where the test split would be empty does the first by hash go there.

    >>> hash_split([f"{index}.png" for index in range(8)])[1]
    ['0.png', '6.png']
    """

    def rank(file: str) -> float:
        digest = hashlib.sha256(os.fsencode(file)).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    ranked = sorted(files, key=rank)
    tested = sum(rank(file) < _TEST_SHARE for file in files)
    tested = max(1, min(tested, len(files) - 1))
    return sorted(ranked[tested:]), sorted(ranked[:tested])


def _folders_beside(root: Path) -> list[str]:
    try:
        return [path.name for path in root.parent.iterdir() if path.is_dir()]
    except OSError:
        return []
