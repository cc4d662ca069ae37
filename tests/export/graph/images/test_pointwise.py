"""A PReLU before a convolution of 1x1 gives the same numbers in fewer operations."""

import numpy as np
import pytest
from onnxscript import ir

from export.graph.canonical import canonical
from export.graph.images.pointwise import BLOCK, ease_pointwise
from export.graph.images.slopes import convolve_slopes
from export.proof.parity import runner
from tests.export.graph.toys import in_place, kinds, network


def two_convolutions(channels=12, taps=3, last_taps=1, slope=0.3):
    """Convolutions of (B, 1, H, W) with PReLU between, as they are before slopes are convolved."""
    random = np.random.RandomState(0)
    same = {"auto_pad": "SAME_UPPER"}
    nodes = [("Conv", "x w0 b0", "y0", same), ("Relu", "y0", "above", {})]
    nodes += [("Neg", "y0", "n", {}), ("Relu", "n", "b", {}), ("Mul", "b slopes", "below", {})]
    nodes += [("Add", "above below", "p", {}), ("Conv", "p w1 b1", "y", same)]
    slopes = -np.linspace(-slope, slope, channels).reshape(1, -1, 1, 1)
    constants = {"w0": random.normal(size=(channels, 1, taps, taps)), "slopes": slopes}
    constants |= {"b0": random.normal(size=channels), "b1": random.normal(size=2)}
    constants["w1"] = random.normal(size=(2, channels, last_taps, last_taps))
    model = network(nodes, constants, axes=[1, 6, 7], result_axes=[2, 6, 7])
    return in_place(convolve_slopes, model)


def assert_same(model, other):
    x = np.random.RandomState(1).normal(size=(3, 1, 6, 7)).astype(np.float32)
    found, expected = (runner(each)({"x": x})["y"] for each in (other, model))
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("taps", [1, 3])
def test_what_is_straight_goes_beside(taps):
    model = two_convolutions(taps=taps)
    merged = ease_pointwise(model)
    assert kinds(merged)[-1] == "Add" and sorted(kinds(merged)[:-1]) == [*["Conv"] * 3, "Relu"]
    assert_same(model, merged)


def test_many_channels_come_in_whole_blocks():
    model = two_convolutions(channels=8)
    eased = ease_pointwise(model)
    assert kinds(eased) == kinds(model) == ["Conv", "Conv", "Relu", "Add", "Conv"]
    shapes = [list(each.dims) for each in eased.graph.initializer]
    assert [BLOCK, 1, 3, 3] in shapes and [2, BLOCK, 1, 1] in shapes
    assert_same(model, eased)


def test_what_is_no_convolution_of_1x1_stays():
    model = two_convolutions(last_taps=3)
    assert ease_pointwise(model) == canonical(ir.serde.deserialize_model(model))
