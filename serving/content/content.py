"""What is known of a kind of content, whatever model makes it."""

import base64
import binascii
import math
import mimetypes
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from serving.errors import UsageError
from serving.files import replacing
from serving.numbers import shown

if TYPE_CHECKING:
    from serving.provenance.origin import Origin

Processing = Mapping[str, Any]
UNPACKED = 2**28  # bytes of an archive that somebody sends
PICTURE, WORDS, SOUND = "samples.png", "samples.txt", "samples.wav"


class Distance(NamedTuple):
    """How far samples are from the expected ones, in words, and whether that is rounding."""

    words: str
    is_rounding: bool


class Cell(NamedTuple):
    """What one of a content is in a tensor: its type as NumPy names it, and its axes, -1 any."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """How many it takes; of an axis of any size, as if it were 1."""
        return math.prod(map(abs, self.shape)) * np.dtype(self.dtype).itemsize


class Content(ABC):
    """A kind of content: its files, how it is shown, and how two of it are compared.

    A value is many at once: images `(N, H, W, C)`, a list of texts. What a model's own values look
    like (the size of its images) is in the `processing` of its manifest.

    Attributes:
        name: as manifests have it.
        noun: one of it, in words; `s` makes it several.
        media: the types of its files as the web has them, by suffix, the usual one first; that of
            `default_out` unless given.
        unit: what speed is told in.
        beside: the files that samples have beside a picture, and what a card calls them.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    unit: ClassVar[str]
    media: ClassVar[Mapping[str, str]] = {}
    beside: ClassVar[Mapping[str, str]] = {}

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

    # --- over a wire ---

    def files(self) -> Mapping[str, str]:
        """Return the types of files that are read, as the web has them, by suffix.

        The usual one comes first.
        """
        if self.media:
            return self.media
        name = self.default_out("content") or "content.bin"
        return {Path(name).suffix: mimetypes.guess_type(name)[0] or "application/octet-stream"}

    def made_files(self) -> Mapping[str, str]:
        """Return the types of files that are written: those of `files`, unless it is said."""
        return self.files()

    def from_json(self, value: Any, processing: Processing) -> Any:
        """Return what a value of JSON stands for: a file, or several, as `data:` addresses.

        Raises:
            UsageError: it stands for nothing that a model takes.
        """
        addresses = value if isinstance(value, list) else [value]
        with tempfile.TemporaryDirectory(prefix="genzoo-") as folder:
            paths = [
                _unpacked(address, Path(folder) / str(index), self.files())
                for index, address in enumerate(addresses)
            ]
            return self.read(paths, processing)

    def to_json(self, value: Any, processing: Processing) -> Any:
        """Return a value as JSON has it: its file as a `data:` address, unless it can be plain."""
        suffix, kind = next(iter(self.made_files().items()))
        return data_address(kind, self.to_bytes(value, suffix, processing))

    def to_bytes(self, value: Any, suffix: str, processing: Processing) -> bytes:
        """Return what a file of a value holds.

        Raises:
            UsageError: there are no such files of this value.
        """
        with tempfile.TemporaryDirectory(prefix="genzoo-") as folder:
            path = Path(folder) / f"content{suffix}"
            self.writer(str(path), self.count(value), processing)(value)
            return path.read_bytes()

    def cell(self, processing: Processing, *, given: bool) -> Cell | None:
        """Return what one of it is in a tensor, `given` to a model or made; None if it is none."""
        return None

    def from_tensor(self, array: np.ndarray) -> Any:
        """Return the value that a tensor of cells stands for."""
        return array

    def to_tensor(self, value: Any) -> np.ndarray:
        """Return a value as a tensor of cells."""
        return np.asarray(value)

    def from_bytes(self, data: bytes, suffix: str, processing: Processing) -> Any:
        """Return what the bytes of a file hold, as `read` does.

        Raises:
            UsageError: they cannot be read, or do not fit.
        """
        with tempfile.TemporaryDirectory(prefix="genzoo-") as folder:
            path = Path(folder) / f"content{suffix}"
            _keep(data, path)
            return self.read([path], processing)

    def looked_at(self, value: Any, processing: Processing) -> Sequence[str | np.ndarray]:
        """Return what filters look at: texts, and pictures uint8 `(H, W, C)`."""
        shown = (self.words(value, processing), self.picture(value, processing))
        return [each for each in shown if each is not None]

    # --- where it comes from ---

    def marked(self, data: bytes, origin: "Origin") -> bytes:
        """Return a file with a mark of its origin, or as it is where it has no place for one.

        PNG, WAV, MIDI and GIF have; a kind whose files are of another format adds its own.
        """
        from serving.provenance import marks

        return marks.marked(data, origin)

    def markable(self, suffix: str) -> bool:
        """Say whether files with a suffix have a place for a mark."""
        from serving.provenance import marks

        return suffix in marks.SUFFIXES

    def origin_of(self, data: bytes) -> "Origin | None":
        """Return what the mark of a file says; None where it has none.

        Raises:
            GenzooError: it has one that says nothing.
        """
        from serving.provenance import marks

        return marks.origin_of(data)

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
            from serving.content import pictures

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


def data_address(kind: str, data: bytes) -> str:
    """Return a file as a `data:` address.

    Example:
        >>> data_address("image/png", b"PNG")
        'data:image/png;base64,UE5H'
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _unpacked(address: Any, stem: Path, media: Mapping[str, str]) -> Path:
    """Write what a `data:` address holds beside `stem`, with the suffix of its type."""
    head, comma, data = str(address).partition(",") if isinstance(address, str) else ("", "", "")
    kinds = {f"data:{kind};base64": suffix for suffix, kind in media.items()}
    if not comma or head not in kinds:
        raise UsageError(
            f"content in JSON begins with {shown(head)}; expected {' or '.join(kinds)}, a comma, "
            "and the file in base64"
        )
    try:
        return _keep(base64.b64decode(data, validate=True), stem.with_suffix(kinds[head]))
    except binascii.Error as error:
        raise UsageError(f"content in JSON is no base64: {error}") from None


def _keep(data: bytes, path: Path) -> Path:
    """Write somebody's file, unless it is an archive of much more than it seems."""
    path.write_bytes(data)
    if data.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(each.file_size for each in archive.infolist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UsageError(f"the archive cannot be read: {error}") from None
        if size > UNPACKED:
            raise UsageError(f"the archive unpacks to {size} bytes; expected {UNPACKED} at most")
    return path


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
