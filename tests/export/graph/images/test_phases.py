"""Transposed convolutions as ordinary ones give the same numbers, whatever their sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.graph.images.phases import phases, split_phases
from export.proof.parity import runner
from tests.export.graph.toys import in_place, kinds, network


def transposed(size, stride, pads, *, channels=(3, 8), bias=True, ones=False, **attributes):
    """A graph of one transposed convolution."""
    random = np.random.RandomState(0)
    constants = {"kernel": random.normal(size=(*channels, size, size))}
    if ones:
        constants["kernel"] = np.ones_like(constants["kernel"])
    if bias:
        constants["bias"] = random.normal(size=channels[1])
    attributes |= {"strides": [stride] * 2, "pads": pads}
    return network([("ConvTranspose", " ".join(["x", *constants]), "y", attributes)], constants)


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
    split = in_place(split_phases, model)
    assert kinds(split) == ["Conv"] * stride**2 + ["Concat", "DepthToSpace"]
    x = np.random.RandomState(1).normal(size=(2, 3, height, 4)).astype(np.float32)
    expected, found = runner(model)({"x": x})["y"], runner(split)({"x": x})["y"]
    assert found.shape == (2, 8, stride * height, stride * 4)
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
        transposed(4, 2, [1, 1, 1, 1], group=3),
        transposed(4, 2, [1, 1, 1, 1], channels=(16, 3)),  # an image, which costs little
        transposed(3, 1, [1, 1, 1, 1]),
        transposed(4, 2, [1, 1, 1, 1], ones=True),  # nothing is multiplied, so nothing gained
    ],
)
def test_what_cannot_be_split_stays(model):
    assert kinds(in_place(split_phases, model)) == ["ConvTranspose"]
