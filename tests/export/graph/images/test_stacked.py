"""Stacked transposed convolutions give the same numbers where images are small."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.families import gan
from export.graph.converter import convert
from export.graph.images.stacked import merge_stacked
from export.graph.precision import reduce_precision
from export.proof.parity import prove, runner
from tests.export.graph.toys import in_place, kinds, network
from tests.zoo.gan import tiny_gan


def stacked(
    first=(4, 2, [1, 1, 1, 1]),
    last=(2, 2, [0, 0, 0, 0]),
    leaving=1,
    between=(("Relu", "image", "active"),),
    width=8,
    **attributes,
):
    """Two transposed convolutions, each of `(size, stride, pads)`, and what lies between them."""
    random = np.random.RandomState(0)
    constants = {
        "kernel": random.normal(size=(3, width, first[0], first[0])),
        "bias": random.normal(size=width),
        "last_kernel": random.normal(size=(width, leaving, last[0], last[0])),
        "last_bias": random.normal(size=leaving),
        "gain": random.normal(size=(1, width, 1, 1)),
        "row": random.normal(size=(1, 1, 1, 4 * first[1])),
    }
    layers = [
        {"strides": [stride] * 2, "pads": pads, "kernel_shape": [size] * 2}
        for size, stride, pads in (first, last)
    ]
    source = between[-1][2] if between else "image"
    nodes = [
        ("ConvTranspose", "x kernel bias", "image", layers[0]),
        *((*node, {}) for node in between),
        ("ConvTranspose", f"{source} last_kernel last_bias", "y", layers[1] | attributes),
    ]
    return network(nodes, constants, axes=[3, None, 4])


def assert_same(model, other, height=3):
    x = np.random.RandomState(1).normal(size=(2, 3, height, 4)).astype(np.float32)
    expected, found = runner(model)({"x": x})["y"], runner(other)({"x": x})["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    stride=st.integers(2, 3),
    extra=st.integers(0, 3),
    last_stride=st.integers(1, 3),
    last_size=st.integers(1, 5),
    pad=st.integers(0, 2),
    leaving=st.integers(1, 2),
    height=st.integers(2, 4),
)
def test_a_pair_is_the_same_numbers(stride, extra, last_stride, last_size, pad, leaving, height):
    first = (stride + extra, stride, [extra // 2, 0, extra - extra // 2, extra])
    pads = [min(pad, last_size - 1), 0, 0, min(pad, last_size - 1)]
    model = stacked(first, (last_size, last_stride, pads), leaving, width=leaving * last_size**2)
    merged = in_place(merge_stacked, model)
    assert kinds(merged) == ["Conv", "Relu", "Conv"] * stride**2 + ["Concat", "ConvTranspose"]
    assert_same(model, merged, height)


def test_what_is_done_by_channel_is_done_to_each_phase():
    between = (("Mul", "image gain", "scaled"), ("Sub", "gain scaled", "y0"), ("Tanh", "y0", "t"))
    model = stacked(between=between)
    merged = in_place(merge_stacked, model)
    assert kinds(merged)[:5] == ["Conv", "Mul", "Sub", "Tanh", "Conv"]
    assert_same(model, merged)


def test_nothing_may_lie_between_and_pixels_may_be_added():
    model = stacked(between=(), output_padding=[1, 0])
    merged = in_place(merge_stacked, model)
    assert kinds(merged) == ["Conv"] * 8 + ["Concat", "ConvTranspose"]
    assert_same(model, merged)


@pytest.mark.parametrize(
    "options",
    [
        {"between": (("Add", "image row", "moved"),)},  # pixels are not alike
        {"between": (("Relu", "image", "active"), ("Add", "image active", "sum"))},
        {"between": (("GlobalAveragePool", "image", "mean"),)},
        {"leaving": 3},  # 12 taps of 8 channels
        {"first": (4, 2, [0, 0, 0, 0]), "between": ()},  # not twice as large
        {"first": (4, 1, [1, 1, 2, 2]), "between": ()},
        {"group": 2, "leaving": 1},
    ],
)
def test_what_does_not_gain_stays(options):
    model = stacked(**options)
    assert kinds(in_place(merge_stacked, model)) == kinds(model)


def test_of_three_the_last_two_are_merged():
    random = np.random.RandomState(0)
    doubling = {"strides": [2, 2], "pads": [1] * 4}
    widths = [3, 32, 20, 1]
    names = ["x", "a", "b", "y"]
    model = network(
        [("ConvTranspose", f"{names[i]} k{i}", names[i + 1], doubling) for i in range(3)],
        {f"k{i}": random.normal(size=(widths[i], widths[i + 1], 4, 4)) / 8 for i in range(3)},
        axes=[3, None, 4],
    )
    merged = in_place(merge_stacked, model)
    assert kinds(merged) == ["ConvTranspose", *["Conv"] * 8, "Concat", "ConvTranspose"]
    assert_same(model, merged)


@pytest.mark.parametrize("condition", ["unconditional", "auxiliary"])
def test_a_generator_in_both_precisions(condition):
    config = tiny_gan.config("dcgan", condition, image_shape=(8, 8, 1), channels=(16, 6))
    spec, *_ = gan.graphs(tiny_gan.model(config))
    exact = convert(spec)
    assert prove(runner(exact), spec) < 1e-5
    between = ["Mul", "Add", "Relu"] if config.classes else ["Relu"]
    end = [*["Conv", *between, "Conv"] * 4, "Concat", "ConvTranspose", "Sigmoid", "Reshape"]
    assert not Counter(end) - Counter(kinds(exact))
    if not config.classes:
        assert kinds(exact) == ["Gemm", "Reshape", "Relu", *end]
    rounded = reduce_precision(exact, "int8", lambda: [spec.sample(64, 0)])
    found = kinds(rounded)
    assert "Transpose" not in found and found.count("Conv") == 8
    assert found.count("Relu") == 1 + 4 * bool(config.classes)  # the others limit 8 bits
    assert prove(runner(rounded), spec, limit=0.1) > 0
