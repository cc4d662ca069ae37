"""What follows a convolution, channel by channel, becomes part of it."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from export.converter import simplify
from export.parity import runner

CHANNELS = 3


def normalized(kind, factor_shape, *, swapped=False, used_twice=False):
    """A graph of a convolution, a scale and a shift of what leaves it."""
    random = np.random.RandomState(0)
    kernel = (2, CHANNELS, 4, 4) if kind == "ConvTranspose" else (CHANNELS, 2, 4, 4)
    values = {
        "kernel": random.normal(size=kernel),
        "scale": random.normal(size=factor_shape),
        "shift": random.normal(size=factor_shape),
    }
    order = ["scale", "convolved"] if swapped else ["convolved", "scale"]
    nodes = [
        helper.make_node(kind, ["x", "kernel"], ["convolved"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Mul", order, ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["shifted"]),
        helper.make_node("Add", ["shifted", "convolved" if used_twice else "shifted"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info(name, 1, ["batch", None, None, None]) for name in "xy"]
    tensors = [
        numpy_helper.from_array(each.astype(np.float32), name) for name, each in values.items()
    ]
    graph = helper.make_graph(nodes, "graph", ports[:1], ports[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("shape", [(1, CHANNELS, 1, 1), (CHANNELS, 1, 1)])
@pytest.mark.parametrize("swapped", [False, True])
def test_scale_and_shift_are_folded(kind, shape, swapped):
    model = normalized(kind, shape, swapped=swapped)
    folded = simplify(model)
    assert [node.op_type for node in folded.graph.node] == [kind, "Add"]
    x = np.random.RandomState(1).normal(size=(2, 2, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(
        runner(folded)({"x": x})["y"], runner(model)({"x": x})["y"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "options",
    [{"factor_shape": (1, 1, 1, 1)}, {"factor_shape": (1, CHANNELS, 1, 1), "used_twice": True}],
)
def test_what_is_not_of_channels_or_is_needed_elsewhere_stays(options):
    kinds = [node.op_type for node in simplify(normalized("Conv", **options)).graph.node]
    assert kinds.count("Mul") == 1
