"""Arrays of numbers by name: latents, distributions of latents, whatever has no form of its own."""

import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content.content import Cell, Content, Distance, Processing, one_of
from serving.errors import UsageError, first_line
from serving.files import written

# What NumPy raises of files that hold something else, and of archives that are spoilt.
_UNREADABLE = (
    OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class ArrayContent(Content):
    """An array, or several by name, in files of NumPy.

    Example:
        >>> ArrayContent().words({"mean": np.zeros((2, 3))}, {})
        'mean: float64 (2, 3)'
    """

    name, noun, unit = "array", "row", "rows"
    media = {".npz": "application/x-npz", ".npy": "application/x-npy"}

    def read(self, paths: Sequence[Path], processing: Processing) -> np.ndarray:
        """Return the rows of files, one after the other; of an archive its first array."""
        arrays = [np.atleast_1d(read_array(path)) for path in paths]
        if len({array.shape[1:] for array in arrays}) != 1:
            raise UsageError(f"{len(arrays)} arrays are given that are not all of one shape")
        return np.concatenate(arrays)

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        save = one_of(out, {".npz": _save_all, ".npy": _save_first}, "write")
        return lambda value: save(_named(value), out)

    def default_out(self, name: str) -> str:
        return f"{name}.npz"

    def from_json(self, value: Any, processing: Processing) -> np.ndarray:
        """Return nested lists of numbers as an array, or the file of a `data:` address.

        Of several by name, as `to_json` gives them, it is the first.
        """
        if isinstance(value, dict) and value:
            value = next(iter(value.values()))
        if isinstance(value, str):
            rows: np.ndarray = super().from_json(value, processing)
            return rows
        return array_of(value)

    def to_json(self, value: Any, processing: Processing) -> Any:
        """Return nested lists of numbers by name."""
        return {name: array.tolist() for name, array in _named(value).items()}

    def cell(self, processing: Processing, *, given: bool) -> Cell | None:
        return Cell("float32", (-1,)) if given else None  # what is made may be several, by name

    def words(self, value: Any, processing: Processing) -> str:
        arrays = _named(value)
        return "\n".join(f"{name}: {each.dtype} {each.shape}" for name, each in arrays.items())

    def looked_at(self, value: Any, processing: Processing) -> Sequence[Any]:
        return ()  # numbers are neither words nor pictures

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare number by number."""
        pairs = zip(_named(found).values(), _named(expected).values(), strict=True)
        error = max(float(np.abs(one - other).max()) for one, other in pairs)
        return Distance(f"within {error:.1e} of Keras", error <= 1e-4)

    def count(self, value: Any) -> int:
        return len(next(iter(_named(value).values())))


def _named(value: Any) -> Mapping[str, np.ndarray]:
    """Return arrays by name; a named tuple names its own."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "_asdict"):
        named: Mapping[str, np.ndarray] = value._asdict()
        return named
    return {"values": np.asarray(value)}


def array_of(value: Any) -> np.ndarray:
    """Return nested lists of numbers as an array.

    Raises:
        UsageError: they are none, or not all of one length.

    Example:
        >>> array_of([[1, 2.5]]).dtype
        dtype('float64')
    """
    try:
        # Words in an array all take the room of the longest.
        array = np.asarray(value if _no_words(value) else "")
    except ValueError:  # lists of different lengths
        raise UsageError("nested lists are not all of one length; expected one array") from None
    if array.dtype.kind not in "iuf":
        raise UsageError(
            "an array in JSON holds what are no numbers; expected nested lists of such"
        )
    return array


def _no_words(value: Any) -> bool:
    """Say whether nested lists hold no text."""
    if isinstance(value, list):
        return all(map(_no_words, value))
    return not isinstance(value, str | bytes | dict)


def read_array(path: Path) -> np.ndarray:
    """Return the array of a file of NumPy; of an archive its first.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            if not loaded.files:
                raise ValueError("it is empty")
            return np.asarray(loaded[loaded.files[0]])
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UsageError(f"{path} cannot be read as an array: {reason}") from None


def _save_all(arrays: Mapping[str, np.ndarray], path: str) -> None:
    with written(path) as file:
        np.savez_compressed(file, **{**arrays})  # type: ignore[arg-type]  # its flag is no array


def _save_first(arrays: Mapping[str, np.ndarray], path: str) -> None:
    if len(arrays) > 1:
        raise UsageError(f"{path} holds one array, and there are {', '.join(arrays)}; use .npz")
    with written(path) as file:
        np.save(file, next(iter(arrays.values())))
