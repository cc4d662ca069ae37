"""Matrices that came in blocks of few bits stay as they came, in ONNX Runtime's operators.

A constant of the graph is known by its numbers: where they are those of some blocks, to the last
bit, the blocks take its place, and otherwise it stays, as after training. So nothing is rounded
twice, and nothing has to be told where it belongs.

What `MatMulNBits` multiplies by is `(value - zero point) * scale`, and a minimum of Q4_1 is no
multiple of its scale. As a zero point in floating point, `-minimum / scale`, it makes 3% of the
numbers differ in their last bit, and ONNX Runtime then unpacks the whole matrix at every call,
which takes 27 times as long for one row. So values are taken less 8, as where there are no minima,
and what is left, `minimum + 8 * scale`, is a matrix of its own, by which the sums of what each
block multiplies are multiplied: a row of 576 takes 3 to 5 us more than without, and the numbers are
the same to the last bit. (Less 0, they are too, but where x is rounded to 8 bits, its rounding then
counts twice as much, as all values have one sign.)
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from onnxscript import ir

from export.graph.canonical import canonical
from export.graph.surgery import added, constant, replace
from zoo.checkpoints.blocks import SIZE, Blocks

DOMAIN = "com.microsoft"
OLDEST = {"onnxruntime": "1.23"}  # whose embeddings may be of 8 bits


def keep_blocks(
    model: onnx.ModelProto, matrices: Iterable[Blocks], accuracy_level: int = 0
) -> onnx.ModelProto:
    """Return a graph in which blocks take the place of the constants that have their numbers.

    Products `x @ W` of x `(batch, length, columns)` and rows looked up in a table are written so.
    An embedding that is also what logits are made with is there once.

    Args:
        model: a float32 graph, which is not changed.
        matrices: any; those whose numbers are not in the graph have no effect.
        accuracy_level: of products: 0 for float32, 4 for x rounded to 8 bits, which is faster.

    Returns:
        The graph in its canonical form.
    """
    graph = ir.serde.deserialize_model(model)
    graph.opset_imports[DOMAIN] = 1
    rewriter = _Rewriter(graph.graph, matrices, accuracy_level)
    for node in list(graph.graph):
        if node.op_type == "MatMul":
            rewriter.product(node)
        elif node.op_type == "Gather":
            rewriter.lookup(node)
    return canonical(graph)


@dataclass
class _Held:
    """One matrix: packed values, scales in float32, and what is left beside their product.

    `zeros` tells whether values are taken less 0; if not, less 8, or of 8 bits 128.
    """

    values: ir.Value
    scales: ir.Value
    rest: ir.Value | None
    zeros: bool


class _Rewriter:
    """Puts blocks into one graph."""

    def __init__(self, graph: ir.Graph, matrices: Iterable[Blocks], accuracy_level: int) -> None:
        self._graph, self._accuracy_level = graph, accuracy_level
        self._known = {_digest(blocks.dequantised()): blocks for blocks in matrices}
        self._held: dict[int, _Held] = {}
        self._constants: dict[tuple[object, ...], ir.Value] = {}

    def product(self, node: ir.Node) -> None:
        """Replace `x @ W`, W being the matrix the other way round."""
        blocks = self._blocks(node.inputs[1], turned=True)
        if blocks is None:
            return
        (x, _), held = node.inputs, self._of(blocks, node)
        (rows, columns), count = blocks.shape, blocks.scales.shape[1]
        result = self._operator(
            "MatMulNBits",
            [x, held.values, held.scales, *self._zeros(held.zeros, rows, -(-count // 2))],
            node,
            K=columns,
            N=rows,
            bits=blocks.bits,
            block_size=SIZE,
            accuracy_level=self._accuracy_level,
        )
        if held.rest is not None:
            each = added("Reshape", [x, self._numbers(0, 0, -1, SIZE)], node)
            sums = added("ReduceSum", [each, self._numbers(3)], node, keepdims=0)
            turned = added("Transpose", [held.rest], node, perm=[1, 0])  # (blocks, rows)
            result = added("Add", [result, added("MatMul", [sums, turned], node)], node)
        self._replace(node, result)

    def lookup(self, node: ir.Node) -> None:
        """Replace the look-up of rows of the matrix."""
        axis = node.attributes.get("axis")
        blocks = self._blocks(node.inputs[0], turned=False)
        if blocks is None or (axis is not None and axis.as_int() != 0):
            return
        held, (rows, count) = self._of(blocks, node), blocks.scales.shape
        ids = self._checked(node.inputs[1], rows, node)
        scales = added("Reshape", [held.scales, self._numbers(rows, count, 1)], node)
        result = self._operator(
            "GatherBlockQuantized",
            [held.values, ids, scales, *self._zeros(held.zeros, rows, count, 1)],
            node,
            bits=blocks.bits,
            block_size=SIZE,
            gather_axis=0,
            quantize_axis=2,
        )  # (batch, length, blocks, 32)
        if held.rest is not None:
            rest = added("Reshape", [held.rest, self._numbers(rows, count, 1)], node)
            result = added("Add", [result, added("Gather", [rest, ids], node, axis=0)], node)
        result = added("Reshape", [result, self._numbers(0, 0, blocks.shape[1])], node)
        self._replace(node, result)

    def _checked(self, ids: ir.Value, count: int, before: ir.Node) -> ir.Value:
        """Return the same rows, after a `Gather` that is an error where there is no such row.

        `GatherBlockQuantized` of ONNX Runtime 1.31 gives zeros there, or whatever was in memory.
        """
        ends = [constant(np.array(end, np.int32), "row", self._graph) for end in (0, count, 1)]
        rows = added("Range", ends, before)  # made when the graph is loaded
        return added("Gather", [rows, ids], before, axis=0)

    def _blocks(self, value: ir.Value | None, turned: bool) -> Blocks | None:
        tensor = value.const_value if value is not None else None
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) != 2:
            return None
        numbers = tensor.numpy()
        return self._known.get(_digest(numbers.T if turned else numbers))

    def _of(self, blocks: Blocks, before: ir.Node) -> _Held:
        """Return the constants of a matrix, which are made once."""
        if id(blocks) not in self._held:
            values = constant(blocks.packed(), "values", self._graph)
            scales, rest = self._float(blocks.scales, before), None
            zeros = blocks.lowest == 0 and not _shifts_exactly(blocks)
            if blocks.minima is not None:
                rest = self._float(blocks.minima, before)
                if blocks.lowest == 0 and not zeros:
                    eight = self._shared("eight", np.float32(8))
                    rest = added("Add", [rest, added("Mul", [scales, eight], before)], before)
            self._held[id(blocks)] = _Held(values, scales, rest, zeros)
        return self._held[id(blocks)]

    def _float(self, numbers: np.ndarray, before: ir.Node) -> ir.Value:
        """Return float16 numbers as float32, in half of the file."""
        stored = constant(numbers, "halves", self._graph)
        return added("Cast", [stored], before, to=ir.DataType.FLOAT)

    def _numbers(self, *numbers: int) -> ir.Value:
        return self._shared("numbers", np.array(numbers, np.int64))

    def _zeros(self, wanted: bool, *shape: int) -> list[ir.Value]:
        """Return zero points of 0, or none at all, where 8 or 128 is taken."""
        return [self._shared("zeros", np.zeros(shape, np.uint8))] if wanted else []

    def _shared(self, name: str, array: np.ndarray) -> ir.Value:
        """Return a constant that is there once, whoever reads it."""
        key = (name, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = constant(array, name, self._graph)
        return self._constants[key]

    def _operator(
        self, kind: str, inputs: list[ir.Value], before: ir.Node, **attributes: int
    ) -> ir.Value:
        node = ir.node(kind, inputs, attributes, domain=DOMAIN, name=before.name)
        before.prepend(node)
        return node.outputs[0]

    def _replace(self, node: ir.Node, result: ir.Value) -> None:
        replace(node.outputs[0], result)
        self._graph.remove(node, safe=True)


def _shifts_exactly(blocks: Blocks) -> bool:
    """Tell whether `minimum + 8 * scale` is a float32, whichever block it is of.

    Always so, but where one of them is 2^13 times as large as the other.
    """
    scales, minima = blocks.scales.astype(np.float64), blocks.minima.astype(np.float64)
    rest = minima + 8 * scales
    return bool((rest.astype(np.float32) == rest).all())


def _digest(numbers: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """Return what two matrices share only if all their bits are equal."""
    return numbers.shape, hashlib.sha256(np.ascontiguousarray(numbers).data).digest()
