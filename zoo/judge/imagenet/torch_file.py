"""Arrays of a file that PyTorch wrote before its version 1.6, read without PyTorch and its pickles.

Such a file is a few pickles and then the numbers. A pickle may name any function, which is called
as it is read. Here four names are known, and each stands for a function of this module.

Reference:
    `_legacy_load` of torch/serialization.py.
"""

import io
import math
import pickle
import struct
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from serving.errors import GenzooError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
LARGEST = 2**28  # values of an array
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

# What reading a pickle raises that is none, or one of other things.
WRONG = (
    pickle.UnpicklingError, struct.error, ValueError, KeyError, TypeError, AttributeError,
    EOFError, IndexError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip


class _Stored(NamedTuple):
    """Numbers that come later in the file."""

    key: str
    dtype: np.dtype


class _Tensor(NamedTuple):
    """Which of the numbers are of an array."""

    stored: _Stored
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Reads pickles that name nothing but arrays in a dictionary."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
            **{("torch", storage): storage for storage in DTYPES},
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return known[module, name]

    def persistent_load(self, reference: Any) -> _Stored:
        kind, storage, key, _, _, view = reference
        if kind != "storage" or view is not None or storage not in DTYPES:
            raise pickle.UnpicklingError("it refers to what is no array")
        return _Stored(str(key), DTYPES[storage])


def _rebuilt(stored: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(stored, offset, tuple(shape), tuple(strides))


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a dictionary that `torch.save` wrote.

    Args:
        data: of the file.

    Raises:
        GenzooError: it is no such file, is cut off, or holds anything but arrays.
    """
    file = io.BytesIO(data)
    try:
        if [_next(file), _next(file)] != [MAGIC, PROTOCOL]:
            raise ValueError("it does not begin as such files do")
        system, tensors, keys = _next(file), _next(file), _next(file)
        if not system["little_endian"]:
            raise ValueError("its numbers are not little-endian")
        places = {}
        dtypes = {each.stored.key: each.stored.dtype for each in tensors.values()}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            start, size = file.tell(), count * dtypes[key].itemsize
            if not 0 <= size <= len(data) - start:
                raise ValueError("it is cut off")
            places[key] = np.frombuffer(data, dtypes[key], count, start)
            file.seek(size, io.SEEK_CUR)
        return {name: _array(each, places[each.stored.key]) for name, each in tensors.items()}
    except WRONG as error:
        reason = " ".join(str(error).split())[:100]
        raise GenzooError(f"the file holds no arrays of PyTorch: {reason}; fetch it") from None


def _next(file: io.BytesIO) -> Any:
    return _Reader(file, encoding="utf-8").load()


def _array(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    """Return an array of its own, after making sure that it lies within the numbers."""
    _, offset, shape, strides = tensor
    whole = all(type(each) is int and each >= 0 for each in (offset, *shape, *strides))
    if not whole or len(shape) != len(strides) or math.prod(shape) > LARGEST:
        raise ValueError("an array has no such shape")
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= len(values):
        raise ValueError("an array reaches beyond its numbers")
    bytes_ = [step * values.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, bytes_, writeable=False).copy()
