"""A graph with an adapter, which is given to it beside its inputs.

ONNX Runtime has adapters of its own (`RunOptions.add_active_adapter`), which do nothing to a run
whose inputs are bound. Here the arrays of the same file are inputs like any other.
"""

from collections.abc import Mapping

import numpy as np

from serving.runtime.session import Array, Bound, Session


class AdaptedSession:
    """A session whose graph is given an adapter at every run.

    Args:
        session: of a graph that takes it.
        arrays: of the adapter, by the names of the graph's inputs.
    """

    def __init__(self, session: Session, arrays: Mapping[str, np.ndarray]) -> None:
        self._session, self._arrays = session, dict(arrays)
        self._held = {name: session.hold(array) for name, array in arrays.items()}
        self.copies = session.copies

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run the graph once; see `Session.run`."""
        return self._session.run(outputs, feeds | self._arrays)

    def hold(self, array: Array) -> Array:
        """Return an array as the device has it; see `Session.hold`."""
        return self._session.hold(array)

    def bind(self, inputs: dict[str, Array], outputs: dict[str, Array], replay: bool) -> Bound:
        """Tie the graph to arrays and the adapter; see `Session.bind`."""
        return self._session.bind(inputs | self._held, outputs, replay)
