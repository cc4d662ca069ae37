"""A graph in two files: the format has no room for one of 2 GiB."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from serving.runtime.sealed import Sealed


class Divided(NamedTuple):
    """A graph, and those of its constants that are in another file, as they lie there.

    ONNX Runtime is given them by their names, so it opens no file that a graph speaks of.
    """

    graph: Sealed | bytes
    constants: Mapping[str, np.ndarray]

    @property
    def size(self) -> int:
        """Bytes of both files."""
        return len(self.graph) + sum(array.nbytes for array in self.constants.values())


Checked: TypeAlias = Sealed | bytes | Divided  # what may be given to ONNX Runtime
