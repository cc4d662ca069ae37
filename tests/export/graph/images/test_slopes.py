"""PReLU by a convolution gives the same numbers, whatever its slopes; one that cannot stays."""

import numpy as np
import pytest

from export.graph.images.slopes import convolve_slopes
from export.proof.parity import runner
from tests.export.graph.toys import in_place, kinds, network

PIECES = ["Relu", "Neg", "Relu", "Mul", "Add"]


def prelu(slopes, turned=False, shape=(1, -1, 1, 1)):
    """A graph that is PReLU of (B, 3, H, W), in pieces as Keras leaves it."""
    nodes = [("Relu", "x", "above", {}), ("Neg", "x", "n", {}), ("Relu", "n", "b", {})]
    nodes += [("Mul", "slopes b" if turned else "b slopes", "below", {})]
    nodes += [("Add", "below above" if turned else "above below", "y", {})]
    negated = -np.array(slopes, np.float32).reshape(shape)
    return network(nodes, {"slopes": negated}, axes=[3, 4, 5], result_axes=[3, 4, 5])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("slopes", [(0.25, 0, 1), (-0.5, 0.1, -3)])
def test_a_convolution_and_an_addition_are_prelu(slopes, turned):
    model = prelu(slopes, turned)
    changed = in_place(convolve_slopes, model)
    assert kinds(changed) == ["Conv", "Relu", "Add"]
    x = np.random.RandomState(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    expected = np.where(x > 0, x, x * np.array(slopes, np.float32)[:, None, None])
    for each in (model, changed):
        np.testing.assert_allclose(runner(each)({"x": x})["y"], expected, atol=1e-6)


def test_slopes_above_1_stay_as_they_are():
    assert kinds(in_place(convolve_slopes, prelu((0.5, 1.5, 0)))) == PIECES


def test_slopes_that_are_not_of_channels_stay_as_they_are():
    assert kinds(in_place(convolve_slopes, prelu([0.5], shape=(1, 1, 1, 1)))) == PIECES
    along = prelu(np.full(5, 0.5), shape=(1, 1, 1, 5))
    assert kinds(in_place(convolve_slopes, along)) == PIECES
