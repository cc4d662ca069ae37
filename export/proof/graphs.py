"""What the exporter knows of a graph: a function of a model, with its inputs and outputs named.

Converter, linter, parity, SavedModel and bundle all read the same `GraphSpec`, so a family says
once what its graphs are (`vae_graphs.py`) and gets the rest.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import onnx

from serving.bundle.records import Interface, Port

Arrays = dict[str, np.ndarray]
BATCHES = (1, 3, 64, 257)
SEEDS = (0, 1)
KEPT = 256 << 20  # bytes of trials and their outcome that are kept from one form to the next
APART = "matrix_"  # what the inputs are called that stand for matrices


class Trial(NamedTuple):
    """What a graph is compared with Keras on.

    Attributes:
        words: that an error says it in.
        inputs: of the graph.
        expected: what Keras gives for them.
    """

    words: str
    inputs: Arrays
    expected: Arrays

    @property
    def bytes(self) -> int:
        """Of its arrays."""
        return sum(each.nbytes for each in (*self.inputs.values(), *self.expected.values()))


@dataclass(frozen=True)
class GraphSpec:
    """One graph of a model.

    Attributes:
        role: what it is in the bundle; `decoder` is written to `decoder.onnx`.
        signature: what it is called in the SavedModel.
        call: takes the inputs by name, returns the outputs by name; traceable by `tf.function`.
        inputs: their first axis is `batch_size`; axes with a name are dynamic, the others fixed.
        outputs: in the order in which the ONNX graph returns them.
        sample: `(count, seed)` -> inputs as the model meets them in use.
        sensitivity: `(input, output)`: changing the one must change the other, in every row.
        trials: `()` -> what an export is compared with Keras on, each with the words that an error
            says it in; samples of several batch sizes and seeds unless given.
        domains: of operators that the graph may hold beside the standard's; those that
            `serving.graphs.scan` allows.
        checks: what else must hold of the graph: each takes it and the words for an error, and
            raises `ExportError`.
        fixed: sizes of the portable graph's axes that this one fixes.
        adapters: inputs that may be left out, behind the others, see
            `serving.bundle.adaptable.Adaptable`.
        edges: by output, the share of a batch's rows of which a few may lie on an edge of it, where
            it jumps and rounding chooses the side.
        rounded: whether forms of fewer bits are of fewer bits in this graph too.
        matrices: Keras variables that a conversion takes as inputs, and finds constants of later.
    """

    role: str
    signature: str
    call: Callable[..., Mapping[str, Any]]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    sample: Callable[[int, int], Arrays]
    sensitivity: tuple[str, str] | None = None
    trials: Callable[[], Iterable[tuple[str, Arrays]]] | None = None
    domains: frozenset[str] = frozenset()
    checks: tuple[Callable[[onnx.ModelProto, str], None], ...] = ()
    fixed: Mapping[str, int] = field(default_factory=dict)
    adapters: tuple[Port, ...] = ()
    edges: Mapping[str, float] = field(default_factory=dict)
    rounded: bool = True
    matrices: Sequence[Any] = ()

    @property
    def interface(self) -> Interface:
        """The graph's inputs and outputs as the manifest lists them."""
        return Interface(inputs=list(self.inputs), outputs=list(self.outputs))

    def counted(self, inputs: Arrays) -> Arrays:
        """Return, by output, 1 for what is compared with Keras and 0 for what means nothing.

        Outputs that are not named are compared whole; here all are.
        """
        return {}

    def count(self, inputs: Arrays) -> int:
        """Number of items in a batch: of images, or for text of tokens."""
        first = self.inputs[0]
        dynamic = sum(isinstance(axis, str) for axis in first.axes)
        return math.prod(inputs[first.name].shape[:dynamic])

    def run(self, inputs: Arrays) -> Arrays:
        """Run the Keras model itself: the truth every export is compared with."""
        return {name: np.asarray(value) for name, value in self.call(**inputs).items()}

    def compared(self) -> Iterator[Trial]:
        """Yield the trials; those that are small are kept for the next form of the graph."""
        if self._kept:
            yield from self._kept
            return
        kept: list[Trial] | None = []
        for words, inputs in (self.trials or self._samples)():
            trial = Trial(words, inputs, self.run(inputs))
            yield trial
            if kept is not None:
                kept.append(trial)
                if sum(each.bytes for each in kept) > KEPT:
                    kept = None
        self._kept.extend(kept or ())

    def _samples(self) -> Iterator[tuple[str, Arrays]]:
        """Yield samples of several batch sizes and seeds, and the words for each."""
        for count, seed in product(BATCHES, SEEDS):
            yield f"batch {count}, seed {seed}", self.sample(count, seed)

    @cached_property
    def _kept(self) -> list[Trial]:
        return []

    def function(self, apart: bool = False) -> Any:
        """Return the `tf.function` whose signature carries the input and output names.

        Args:
            apart: whether it takes the values of `matrices` too, after the inputs.
        """
        import keras
        import tensorflow as tf

        matrices = self.matrices if apart else ()
        names = [port.name for port in self.inputs]
        signature = [
            tf.TensorSpec(
                [None if isinstance(axis, str) else axis for axis in port.axes],
                port.dtype,
                name=port.name,
            )
            for port in self.inputs
        ]
        for count, matrix in enumerate(matrices):
            signature.append(tf.TensorSpec(matrix.shape, matrix.dtype, name=f"{APART}{count}"))

        @tf.function(input_signature=signature, autograph=False)
        def function(*tensors: Any) -> dict[str, Any]:
            given = dict(zip(names, tensors, strict=False))  # the others are matrices
            values = list(zip(matrices, tensors[len(names) :], strict=True))
            with keras.StatelessScope(state_mapping=values) if values else nullcontext():
                outputs = self.call(**given)
            return {port.name: tf.identity(outputs[port.name]) for port in self.outputs}

        return function
