"""What is known of a kind of content, whatever model makes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from serving.content import pictures
from serving.errors import UsageError
from serving.files import replacing

Processing = Mapping[str, Any]
PICTURE, WORDS = "samples.png", "samples.txt"


class Distance(NamedTuple):
    """How far samples are from the expected ones, in words, and whether that is rounding."""

    words: str
    is_rounding: bool


class Content(ABC):
    """A kind of content: its files, how it is shown, and how two of it are compared.

    A value is many at once: images `(N, H, W, C)`, a list of texts. What a model's own values look
    like (the size of its images) is in the `processing` of its manifest.

    Attributes:
        name: as manifests have it.
        noun: one of it, in words; `s` makes it several.
        unit: what speed is told in.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    unit: ClassVar[str]

    # --- files ---

    @abstractmethod
    def read(self, paths: Sequence[Path], processing: Processing) -> Any:
        """Return what files or folders hold, as a model with this processing takes it.

        Raises:
            UsageError: they cannot be read, or do not fit.
        """

    @abstractmethod
    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        """Return what writes so many to `out`; what is wrong with `out` shows before they are made.

        Raises:
            UsageError: no such file can be written.
        """

    def default_out(self, name: str) -> str | None:
        """Return the file that a model of that name writes to unless told; None to print."""
        return f"{name}.png"

    # --- showing ---

    def picture(self, value: Any, processing: Processing) -> np.ndarray | None:
        """Return a picture that shows a value, uint8 `(H, W, 1 or 3)`; None where words do."""
        return None

    def words(self, value: Any, processing: Processing) -> str | None:
        """Return a value in words; None where a picture shows it."""
        return None

    def write_samples(self, value: Any, processing: Processing, stem: Path) -> None:
        """Write what shows a value beside `stem`, with a suffix for each kind of file.

        A picture to `.png`, words to `.txt`.
        """
        picture, words = self.picture(value, processing), self.words(value, processing)
        if picture is not None:
            pictures.save(picture, stem.with_suffix(".png"))
        if words is not None:
            with replacing(stem.with_suffix(".txt")) as temporary:
                temporary.write_text(words + "\n", encoding="utf-8")

    # --- comparing ---

    @abstractmethod
    def compare(self, found: Any, expected: Any) -> Distance:
        """Say how far values of the same seeds are apart."""

    def count(self, value: Any) -> int:
        """Return how many a value holds."""
        return len(value)

    def amount(self, count: int) -> str:
        """Say how many.

        Raises nothing; of 1 it leaves the `s` out.
        """
        return f"{count} {self.noun}{'' if count == 1 else 's'}"


def one_of(path: str, kinds: Mapping[str, Any], what: str) -> Any:
    """Return what stands for the suffix of a path, `""` being that of a folder.

    Raises:
        UsageError: nothing does.
    """
    suffix = "" if Path(path).is_dir() else Path(path).suffix.lower()
    if suffix not in kinds:
        known = [kind for kind in kinds if kind]
        names = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else known[0]
        folder = ", or a folder" if "" in kinds else ""
        raise UsageError(f"cannot {what} '{path}'; expected a name in {names}{folder}")
    return kinds[suffix]
