"""Transposed convolutions as ordinary ones give the same numbers, whatever their sizes."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from export.parity import runner
from export.phases import phases, split_phases


def transposed(size, stride, pads, *, channels=(3, 2), bias=True, **attributes):
    """A graph of one transposed convolution."""
    random = np.random.RandomState(0)
    weights = [random.normal(size=(*channels, size, size)), random.normal(size=channels[1])]
    names = ["kernel", "bias"][: 1 + bias]
    node = helper.make_node(
        "ConvTranspose", ["x", *names], ["y"], strides=[stride] * 2, pads=pads, **attributes
    )
    ports = [helper.make_tensor_value_info(name, 1, ["batch", None, None, None]) for name in "xy"]
    tensors = [
        numpy_helper.from_array(each.astype(np.float32), name)
        for name, each in zip(names, weights, strict=False)
    ]
    graph = helper.make_graph([node], "graph", ports[:1], ports[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@settings(max_examples=25, deadline=None)
@given(
    stride=st.integers(2, 3),
    extra=st.integers(0, 4),
    uneven=st.integers(0, 4),
    bias=st.booleans(),
    height=st.integers(1, 5),
)
def test_phases_are_the_transposed_convolution(stride, extra, uneven, bias, height):
    first = min(uneven, extra)
    pads = [first, extra - first, extra - first, first]  # differs between the axes
    model = transposed(stride + extra, stride, pads, bias=bias)
    split = split_phases(model)
    kinds = [node.op_type for node in split.graph.node]
    assert kinds == ["Conv"] * stride**2 + ["Concat", "DepthToSpace"]
    onnx.checker.check_model(split, full_check=True)
    x = np.random.RandomState(1).normal(size=(2, 3, height, 4)).astype(np.float32)
    expected, found = runner(model)({"x": x})["y"], runner(split)({"x": x})["y"]
    assert found.shape == (2, 2, stride * height, stride * 4)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_tap_is_lost():
    for size, stride, pad in ((4, 2, 1), (5, 2, 1), (6, 3, 2), (3, 3, 0)):
        taps = [tap for phase in phases(size, stride, pad) for tap in phase.taps]
        assert sorted(taps) == list(range(size))


@pytest.mark.parametrize(
    "model",
    [
        transposed(4, 2, [0, 0, 0, 0]),  # larger than twice the input
        transposed(3, 2, [1, 1, 1, 1], output_padding=[1, 1]),
        transposed(4, 2, [1, 1, 1, 1], group=3, channels=(3, 2)),
        transposed(3, 1, [1, 1, 1, 1]),
    ],
)
def test_what_cannot_be_split_stays(model):
    assert [node.op_type for node in split_phases(model).graph.node] == ["ConvTranspose"]
