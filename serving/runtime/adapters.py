"""Adapters at run time, read from their files; only models that are given one import this."""

import tempfile
from pathlib import Path
from typing import TypeAlias

import numpy as np

from serving.bundle.adaptable import Adaptable
from serving.bundle.adapter import read_adapter
from serving.bundle.records import BundleError
from serving.runtime.session import adapter_arrays

Arrays: TypeAlias = dict[str, np.ndarray]
# A matrix of one column is multiplied in another order of additions for one row than for several.
LEAST_RANK = 2


def load_adapter(directory: str | Path, takes: Adaptable, model: str) -> dict[str, Arrays]:
    """Read an adapter for the graphs of a variant.

    Args:
        directory: of the adapter, see `serving.bundle.adapter`.
        takes: what the variant says of its adapters.
        model: its name, for errors.

    Returns:
        By the role of each graph, arrays by the names of its inputs. What the adapter leaves as it
        is has none.

    Raises:
        BundleError: it is no adapter, damaged, of another model, or has inputs that no graph has.
    """
    adapter, data = read_adapter(directory)
    if adapter.base.weights != takes.weights:
        raise BundleError(
            f"{directory} is an adapter of {adapter.base.name}, and {model} has other weights; "
            "load the model that it was trained from, or train it again from this one"
        )
    arrays, found = _arrays(data, Path(directory) / adapter.file), {}
    if {name: list(array.shape) for name, array in arrays.items()} != adapter.shapes:
        raise BundleError(f"{directory} holds other arrays than it says; export the adapter again")
    for role, ports in takes.inputs.items():
        axes = {port.name: port.axes for port in ports}
        mine = {name: arrays.pop(name) for name in list(arrays) if name in axes}
        for name, array in mine.items():
            fits = [isinstance(axis, str) or axis == size
                    for axis, size in zip(axes[name], array.shape, strict=True)]  # fmt: skip
            rank = array.shape[isinstance(axes[name][0], int)]
            if not all(fits) or rank != adapter.rank or not np.isfinite(array).all():
                raise BundleError(
                    f"{directory}: {name} is {list(array.shape)} at rank {adapter.rank}, expected "
                    f"finite numbers {axes[name]}; export the adapter again"
                )
        found[role] = {name: _widened(array, axes[name]) for name, array in mine.items()}
    if arrays:
        raise BundleError(
            f"{directory} changes {next(iter(arrays))}, which {model} does not take at a call; "
            "export the run that it is of, which merges it: genzoo export RUN --out DIR"
        )
    return found


def _arrays(data: bytes, path: Path) -> Arrays:
    """Return the arrays of a file in ONNX Runtime's format, whose bytes have been checked."""
    with tempfile.TemporaryDirectory() as folder:  # it takes files only; these are the bytes
        place = Path(folder, "adapter.onnx_adapter")
        place.write_bytes(data)
        return adapter_arrays(place, path)


def _widened(array: np.ndarray, axes: list[str | int]) -> np.ndarray:
    """Return a factor with zeros beyond its rank, where that is too small; they change nothing."""
    missing = [max(0, LEAST_RANK - size) if isinstance(axis, str) else 0
               for axis, size in zip(axes, array.shape, strict=True)]  # fmt: skip
    return np.ascontiguousarray(np.pad(array, [(0, each) for each in missing]))
