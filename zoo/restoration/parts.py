"""The photographs of a folder or data set, in parts to train, to validate and to test on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from serving.bundle.files import sha256
from serving.errors import UsageError
from serving.photographs.photograph import SUFFIXES, Photograph
from zoo.config import Config
from zoo.data import fingerprint, sources
from zoo.data.files import listed, own_path
from zoo.data.folder import hash_split
from zoo.data.sources import SourceInfo

CREDITS = "CREDITS.txt"


class PartsConfig(Config):
    """What the `[data]` tables have in common of recipes that learn from photographs.

    Args:
        name: a folder of photographs of any sizes, or a data set of TensorFlow Datasets.
        folders: take those in these folders of it alone, such as `["train", "test"]` of BSDS500,
            whose `val` is the test set BSD100.
        validation: photographs held out, from the end of those to train on.
        limit: use only this many of each part.

    Example:
        >>> PartsConfig(name="flowers_256").validation
        20
    """

    name: str
    folders: tuple[str, ...] = ()
    validation: Annotated[int, Field(ge=1)] = 20
    limit: Annotated[int, Field(ge=2)] | None = None

    def places(self) -> dict[str, Path]:
        """Return where a folder of photographs lies."""
        path = own_path(self.name)
        return {"name": path.absolute()} if path else {}


class Parts:
    """The photographs of a recipe; those held out are the last of what there is to train on.

    Args:
        config: the `[data]` table.

    Attributes:
        source: what is known of the data set.

    Raises:
        UsageError: there are none, or too few.
    """

    def __init__(self, config: PartsConfig):
        self.config = config
        folder = own_path(config.name)
        self._origin = _Folder(config, folder) if folder else _DataSet(config)
        self.source = self._origin.source
        count = self._origin.count("train")
        if config.validation >= count:
            raise UsageError(
                f"'{config.name}' has {count} photographs to train on, not more than the "
                f"{config.validation} held out; lower data.validation"
            )

    def count(self, part: str) -> int:
        """Return how many photographs `train`, `validation` or `test` has."""
        rows = self._rows(part)
        return rows.stop - rows.start

    def pictures(self, part: str) -> list[np.ndarray]:
        """Return photographs of `train`, `validation` or `test`: uint8 `(H, W, 1 or 3)` each."""
        return self._origin.read("test" if part == "test" else "train", self._rows(part))

    def credits(self, part: str, count: int) -> list[str]:
        """Return whom the first photographs of a part are by, as far as the data set says.

        It says so by a file `CREDITS.txt` beside its records, each line of which begins with the
        `id` of a photograph.
        """
        rows = self._rows(part)
        first = slice(rows.start, min(rows.start + count, rows.stop))
        return self._origin.credits("test" if part == "test" else "train", first)

    def digests(self) -> set[str]:
        """Return the sha256 of the files that are learned from; nothing of what is no folder."""
        return self._origin.digests()

    def _rows(self, part: str) -> slice:
        """Return which of the origin's own parts are `train`, `validation` or `test`."""
        limit = self.config.limit
        total = self._origin.count("test" if part == "test" else "train")
        if part == "test":
            return slice(0, min(total, limit or total))
        start = total - self.config.validation
        if part == "validation":
            return slice(start, start + min(self.config.validation, limit or total))
        return slice(0, min(start, limit or start))


class _Folder:
    """Photographs of a folder, a tenth of which, by their names, are for testing."""

    def __init__(self, config: PartsConfig, root: Path):
        self.root = root
        if not root.is_dir():
            raise UsageError(f"{root} is no folder; expected one of photographs")
        files = [
            file
            for file in listed(root, SUFFIXES)
            if not config.folders or file.startswith(tuple(f"{each}/" for each in config.folders))
        ]
        if len(files) < 3:
            where = f" in {', '.join(config.folders)}" if config.folders else ""
            raise UsageError(
                f"{root} holds {len(files)} photographs{where}; expected three at least, to train, "
                "to validate and to test on"
            )
        train, test = hash_split(files)
        self.parts = {"train": train, "test": test}
        self.source = SourceInfo(
            name=root.resolve().name,
            version="1",
            kind="images",
            license="not stated: the user's own images",
            splits={part: len(found) for part, found in self.parts.items()},
            fingerprint=fingerprint.of_files(root, files),
            image_shape=(None, None, 3),
        )

    def count(self, part: str) -> int:
        return len(self.parts[part])

    def read(self, part: str, rows: slice) -> list[np.ndarray]:
        return [Photograph.read(self.root / file).pixels for file in self.parts[part][rows]]

    def credits(self, part: str, rows: slice) -> list[str]:
        return []

    def digests(self) -> set[str]:
        return {sha256(self.root / file) for file in self.parts["train"]}


class _DataSet:
    """Photographs of TensorFlow Datasets."""

    def __init__(self, config: PartsConfig):
        self.builder = sources.prepare(config.name)
        self.source = sources.describe(self.builder)
        if self.source.kind != "images" or config.folders:
            what = "has no folders" if config.folders else f"holds {self.source.kind}"
            raise UsageError(f"data set '{config.name}' {what}; expected a folder of photographs")
        splits = self.source.splits
        if "train" not in splits:
            raise UsageError(f"'{config.name}' has no train split; choose another data set")
        whole = splits["train"]
        # Where there is no `test`, the last tenth is for testing.
        self._parts = {"train": ("train", 0, whole), "test": ("test", 0, splits.get("test", 0))}
        if "test" not in splits:
            end = whole - whole // 10
            self._parts = {"train": ("train", 0, end), "test": ("train", end, whole)}

    def count(self, part: str) -> int:
        _, start, end = self._parts[part]
        return end - start

    def read(self, part: str, rows: slice) -> list[np.ndarray]:
        return [example["image"] for example in self._examples(part, rows)]

    def credits(self, part: str, rows: slice) -> list[str]:
        file = Path(self.builder.data_dir) / CREDITS
        if not file.is_file():
            return []
        lines = file.read_text(encoding="utf-8").splitlines()
        by_id = {name: credit for name, _, credit in (line.partition(" ") for line in lines)}
        names = (example["id"].decode() for example in self._examples(part, rows))
        return [by_id[name] for name in names if name in by_id]

    def _examples(self, part: str, rows: slice) -> Iterator[dict[str, Any]]:
        split, first, _ = self._parts[part]
        wanted = f"{split}[{first + rows.start}:{first + rows.stop}]"
        examples: Iterator[dict[str, Any]] = self.builder.as_dataset(
            split=wanted
        ).as_numpy_iterator()
        return examples

    def digests(self) -> set[str]:
        return set()
