"""What follows from constants is computed beforehand, to the same bits, and nothing else is."""

import numpy as np
import onnx
import onnxruntime
import pytest

from serving.catalogue import MODELS
from serving.graphs.folding import fold
from serving.graphs.protobuf import read_model
from serving.graphs.writing import written
from tests.serving.graphs.graphs import from_x, fused, node


def again(model):
    """A model that was read and written."""
    return onnx.ModelProto.FromString(b"".join(written(read_model(model.SerializeToString()))))


def folded(model):
    return onnx.ModelProto.FromString(
        b"".join(written(fold(read_model(model.SerializeToString()))))
    )


def results(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": x})[0]


def quantised():
    """A product with scales and minima in half precision, as `export.graph.blocks` writes it."""
    random = np.random.default_rng(0)
    constants = {
        "halves": random.normal(size=(6, 4)).astype(np.float16),
        "minima": random.normal(size=(6, 4)).astype(np.float16),
        "eight": np.float32(8),
        "shape": np.array([4, 6]),
    }
    nodes = [
        node("Cast", "halves", "scales", to=1),
        node("Cast", "minima", "least", to=1),
        node("Mul", "scales eight", "shift"),
        node("Add", "least shift", "rest"),
        node("Transpose", "rest", "turned", perm=[1, 0]),
        node("Reshape", "scales shape", "other"),
        node("Add", "turned other", "both"),
        node("MatMul", "x both", "y"),
    ]
    return from_x(nodes, constants, result=("batch", 6))[0]


def test_numbers_are_the_same_to_the_last_bit():
    model = quantised()
    short = folded(model)
    assert [each.op_type for each in short.graph.node] == ["MatMul"]
    assert [each.name for each in short.graph.initializer] == ["both"]
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(results(short, x), results(model, x))


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Add", "x a", "y")], {"a": np.ones(4, np.float32)}),
        # as large as both together, rounded, of whole numbers, and of sizes that are copied
        (
            [node("Add", "a b", "c"), node("Add", "x c", "y")],
            {"a": np.ones((1, 4), np.float32), "b": np.ones((3, 1), np.float32)},
        ),
        (
            [node("Cast", "a", "b", to=10), node("Cast", "b", "c", to=1), node("Add", "x c", "y")],
            {"a": np.ones(4, np.float32)},
        ),
        (
            [node("Add", "a a", "b"), node("Cast", "b", "c", to=1), node("Add", "x c", "y")],
            {"a": np.ones(4, np.int64)},
        ),
        (
            [node("Reshape", "a shape", "b"), node("Add", "x b", "y")],
            {"a": np.ones((4, 1), np.float32), "shape": np.array([0])},
        ),
    ],
)
def test_what_is_left_as_it_is(nodes, constants):
    model, _ = from_x(nodes, constants)
    assert folded(model) == again(model)


def test_outputs_and_defaults_of_inputs_stay():
    nodes = [node("Add", "x a", "y"), node("Mul", "a a", "z")]
    model, _ = from_x(nodes, {"a": np.ones(4, np.float32)})
    model.graph.input.append(onnx.helper.make_tensor_value_info("a", 1, [4]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("z", 1, [4]))
    assert folded(model) == again(model)


@pytest.mark.parametrize("model", [quantised(), fused()[0]], ids=["quantised", "fused"])
def test_what_is_written_is_what_was_read(model):
    assert again(model) == model


def test_published_graphs_are_written_byte_for_byte():
    files = sorted(MODELS.glob("*/*.onnx"))
    assert files
    for path in files:
        data = path.read_bytes()
        assert b"".join(written(read_model(data))) == data, path
