"""What goes into a graph and comes out of it, compared with what its manifest says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serving.bundle.records import BundleError, Interface, Port
from serving.bundle.refusal import shown
from serving.errors import GenzooError

Sizes = Sequence[int | str | None]  # of axes, where each is a number, a name, or unknown
_TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int32)": "int32"}
_TYPES |= {"tensor(int64)": "int64"}


def check_declared(file: str, found: Iterable[Any], ports: Sequence[Port]) -> None:
    """Compare what ONNX Runtime says that a graph takes, or returns, with a manifest.

    Args:
        file: the graph's name, for the error.
        found: of `get_inputs` or `get_outputs`; a size that it does not know fits any.
        ports: of the manifest.

    Raises:
        BundleError: it is something else.
    """
    signatures = {each.name: (_TYPES.get(each.type, each.type), each.shape) for each in found}
    for port in ports:
        dtype, axes = signatures.pop(port.name, (None, []))
        if dtype != port.dtype or not _fits(axes, port.axes):
            raise BundleError(f"{file}: {shown(port.name)} is {dtype} {axes}, expected {port.axes}")
    if signatures:
        raise BundleError(f"{file} has {len(signatures)} more inputs or outputs than it should")


def _fits(axes: Sizes, expected: Sizes) -> bool:
    pairs = zip(axes, expected, strict=False)
    both = (pair for pair in pairs if all(isinstance(size, int) for size in pair))
    return len(axes) == len(expected) and all(size == wanted for size, wanted in both)


def check_results(
    file: str, results: Mapping[str, Any], feeds: Mapping[str, Any], interface: Interface
) -> None:
    """Compare arrays that a graph returned with what its manifest says of them.

    Args:
        file: the graph's name, for the error.
        results: by name.
        feeds: what they were computed from, which gives axes with a name their sizes.
        interface: of the manifest.

    Raises:
        BundleError: one has another type or shape.
    """
    sizes: dict[str | int, int] = {}
    for port in interface.inputs:
        sizes |= zip(port.axes, feeds[port.name].shape, strict=False)
    for port in interface.outputs:
        if port.name not in results:
            continue
        array = results[port.name]
        wanted = [sizes.get(axis, axis) if isinstance(axis, str) else axis for axis in port.axes]
        if str(array.dtype) != port.dtype or not _fits(array.shape, wanted):
            raise BundleError(
                f"{file}: {shown(port.name)} is {array.dtype} {list(array.shape)}, "
                f"expected {port.dtype} {wanted}"
            )


def check_not_empty(name: str, shape: Sequence[int], axes: Sizes) -> None:
    """Refuse an array without numbers, which ends the process in some operators.

    A past of no tokens is one that may be.

    Raises:
        GenzooError: an axis is empty.
    """
    for size, axis in zip(shape, axes, strict=False):
        if size == 0 and not (isinstance(axis, str) and "past" in axis):
            raise GenzooError(f"{shown(name)} is {list(shape)}; an empty batch has no results")
