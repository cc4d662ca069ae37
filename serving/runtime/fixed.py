"""A graph with axes of fixed size, used as if it took and returned what was read and no more."""

from collections.abc import Mapping

import numpy as np

from serving.bundle.records import Interface
from serving.errors import GenzooError
from serving.runtime.divided import Checked
from serving.runtime.session import Session

Arrays = Mapping[str, np.ndarray]


class FixedSession(Session):
    """A `static` graph that runs on the inputs of the portable one and returns its outputs.

    What is bound to it (`bind`) has the sizes of the graph. On CUDA what is bound to be replayed is
    recorded once, as a CUDA graph.

    Args:
        data, name, device, threads, spinning: see `serving.runtime.session.Session`.
        interface: of the portable graph.
        sizes: of the axes that this graph fixes.
    """

    def __init__(
        self,
        data: Checked,
        name: str,
        device: str,
        threads: int | None = None,
        *,
        interface: Interface,
        sizes: Mapping[str, int],
        spinning: bool = True,
    ) -> None:
        super().__init__(
            data,
            name,
            device,
            threads,
            spinning=spinning,
            replays=True,
            interface=interface.fixed(sizes),
        )
        self._interface, self._sizes = interface, sizes

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        found = super().run(outputs, enlarged(feeds, self._interface, self._sizes))
        named = dict(zip(outputs, found, strict=True))
        return list(cut(named, feeds, self._interface, self._sizes).values())


def enlarged(
    feeds: Arrays, interface: Interface, sizes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Return inputs with zeros at the end, up to the sizes that a graph fixes.

    Args:
        feeds: inputs of the portable graph by name.
        interface: of the portable graph.
        sizes: of the axes that the other graph fixes.

    Raises:
        GenzooError: there is no room for them.
    """
    return {
        port.name: _padded(
            port.name, feeds[port.name], [sizes.get(str(axis)) for axis in port.axes]
        )
        for port in interface.inputs
    }


def cut(
    outputs: Arrays, feeds: Arrays, interface: Interface, sizes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Return of outputs what the portable graph would have returned for these inputs."""
    lengths = {
        axis: length
        for port in interface.inputs
        for axis, length in zip(port.axes, feeds[port.name].shape, strict=True)
        if axis in sizes
    }
    axes = {port.name: port.axes for port in interface.outputs}
    return {
        name: array[tuple(slice(lengths.get(axis)) for axis in axes[name])]
        for name, array in outputs.items()
    }


def _padded(name: str, array: np.ndarray, sizes: list[int | None]) -> np.ndarray:
    shape = [size or length for size, length in zip(sizes, array.shape, strict=True)]
    if list(array.shape) == shape:
        return array
    try:
        padded = np.zeros(shape, array.dtype)
        padded[tuple(slice(length) for length in array.shape)] = array
    except (MemoryError, ValueError) as error:
        raise GenzooError(f"{name} is {list(array.shape)} and would have to be {shape}") from error
    return padded
