"""A graph whose large constants are in files beside it: never are all of them in memory twice."""

import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from serving.graphs.folding import fold
from serving.graphs.protobuf import ALIGNMENT, LARGE, Message, elements
from serving.graphs.writing import written
from serving.runtime.sealed import Sealed

LOOKED_UP = 2**20  # bytes of a constant of which only a few rows are wanted at a time
_LOOK_UPS = ("Gather", "GatherBlockQuantized")
_OFTEN = 0.001  # seconds, in which some megabytes can be read
_ON_DISK = Path("/var/tmp")  # where the usual place for such files may be memory


class Tables:
    """Constants in a file without a name, of which memory has what is read of them and no more.

    Nobody else can open the file, and it is gone with this object. What was read of it is let go
    at `let_go`, and read again when it is asked for.

    Args:
        arrays: by name.

    Raises:
        OSError: there is no room for it, or no such file is to be had.

    Example:
        >>> tables = Tables({"words": np.arange(6).reshape(3, 2)})
        >>> tables.let_go()
        >>> tables.arrays["words"][1].tolist()
        [2, 3]
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        begins, end = {}, 0
        place = str(_ON_DISK) if os.access(_ON_DISK, os.W_OK) else None
        with tempfile.TemporaryFile(prefix="genzoo-", dir=place) as file:
            for name, array in arrays.items():
                begins[name] = end
                file.seek(end)
                file.write(np.ascontiguousarray(array).data)
                end = -(-file.tell() // ALIGNMENT) * ALIGNMENT
            file.flush()
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.arrays = {
            name: np.frombuffer(self._content, each.dtype, each.size, begins[name]).reshape(
                each.shape
            )
            for name, each in arrays.items()
        }

    def let_go(self) -> None:
        """Let go of what was read, where the system has a word for it."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._content.madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def read_through(self) -> Iterator[None]:
        """Let go again and again, while all of it is read in the block."""
        done = threading.Event()

        def let_go() -> None:
            while not done.wait(_OFTEN):
                self.let_go()

        thread = threading.Thread(target=let_go, name="tables", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.let_go()


class Divided(NamedTuple):
    """A graph, and those of its constants that are beside it.

    Attributes:
        graph: the rest.
        constants: by name, which ONNX Runtime is given, so that it opens no file for them.
        tables: those that it goes on to read where they lie.
        folder: where the file is that it reads all others from itself; None where there are none.
        check: called when it has read them; raises `BundleError` if they were altered meanwhile.
    """

    graph: Sealed | bytes
    constants: Mapping[str, np.ndarray]
    tables: Tables | None = None
    folder: Path | None = None
    size: int = 0
    check: Callable[[], object] = lambda: None


Checked: TypeAlias = Sealed | bytes | Divided  # what may be given to ONNX Runtime


def size_of(data: Checked) -> int:
    """Return how many bytes a graph has, with its constants."""
    if not isinstance(data, Divided):
        return len(data)
    return data.size or len(data.graph) + sum(each.nbytes for each in data.constants.values())


def divided(
    model: Message, path: Path, content: mmap.mmap, check: Callable[[], object]
) -> Divided | None:
    """Return a graph whose large constants stay in the file that it came in.

    What it computes from constants is computed. That, and of which rows are looked up as long as
    it runs, is in a file of its own.

    Args:
        model: of `serving.graphs.protobuf.read_model`, which has been checked.
        path: of the file.
        content: of the file.
        check: raises `BundleError` if the file was altered.

    Returns:
        None where most numbers lie askew, so that no processor may read them where they are.

    Raises:
        OSError: there is no room for the file.
    """
    given = {each["name"] for each in model["graph"].get("initializer", [])}
    graph, first = fold(model)["graph"], _address(content)
    looked_up = {each["input"][0] for each in graph["node"] if each["op_type"] in _LOOK_UPS}
    tables, tensors, askew = {}, [], 0
    for tensor in graph["initializer"]:
        data = tensor.get("raw_data", b"")
        if len(data) < LARGE:
            tensors.append(tensor)
            continue
        array, own = elements(tensor), tensor["name"] not in given
        askew += 0 if own or array.flags.aligned else len(data)
        own |= not array.flags.aligned
        own |= len(data) >= LOOKED_UP and tensor["name"] in looked_up
        if own:
            tables[tensor["name"]] = array
        tensors.append(_beside(tensor, path.name, 0 if own else _address(data) - first))
    if askew > len(content) // 4:
        return None
    pieces = written(model | {"graph": graph | {"initializer": tensors}})
    held = Tables(tables) if tables else None
    return Divided(b"".join(pieces), {}, held, path.parent, len(content), check)


def _beside(tensor: Message, file: str, begin: int) -> Message:
    """Return a constant that is said to lie in a file."""
    told = {"location": file, "offset": str(begin), "length": str(len(tensor["raw_data"]))}
    entries = [{"key": key, "value": value} for key, value in told.items()]
    kept = {key: tensor[key] for key in ("name", "data_type", "dims")}
    return kept | {"external_data": entries, "data_location": 1}


def _address(data: mmap.mmap | memoryview) -> int:
    address: int = np.frombuffer(data, np.uint8, 1).ctypes.data
    return address
