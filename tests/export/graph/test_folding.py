"""What follows a convolution, channel by channel, becomes part of it."""

import numpy as np
import pytest

from export.graph.converter import simplify
from export.proof.parity import runner
from tests.export.graph.toys import kinds, network

CHANNELS = 3


def normalized(kind, factor_shape, *, swapped=False, used_twice=False):
    """A graph of a convolution, a scale and a shift of what leaves it."""
    random = np.random.RandomState(0)
    kernel = (2, CHANNELS, 4, 4) if kind == "ConvTranspose" else (CHANNELS, 2, 4, 4)
    constants = {
        "kernel": random.normal(size=kernel),
        "scale": random.normal(size=factor_shape),
        "shift": random.normal(size=factor_shape),
    }
    nodes = [
        (kind, "x kernel", "convolved", {"strides": [2, 2], "pads": [1] * 4}),
        ("Mul", "scale convolved" if swapped else "convolved scale", "scaled", {}),
        ("Add", "scaled shift", "shifted", {}),
        ("Add", f"shifted {'convolved' if used_twice else 'shifted'}", "y", {}),
    ]
    return network(nodes, constants)


def assert_same(model, other, *shape):
    x = np.random.RandomState(1).normal(size=(2, *shape)).astype(np.float32)
    expected, found = runner(model)({"x": x})["y"], runner(other)({"x": x})["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("shape", [(1, CHANNELS, 1, 1), (CHANNELS, 1, 1)])
@pytest.mark.parametrize("swapped", [False, True])
def test_scale_and_shift_are_folded(kind, shape, swapped):
    model = normalized(kind, shape, swapped=swapped)
    folded = simplify(model)
    assert kinds(folded) == [kind, "Add"]
    assert_same(model, folded, 2, 6, 6)


@pytest.mark.parametrize(
    "options",
    [{"factor_shape": (1, 1, 1, 12)}, {"factor_shape": (1, CHANNELS, 1, 1), "used_twice": True}],
)
def test_what_is_not_of_channels_or_is_needed_elsewhere_stays(options):
    assert kinds(simplify(normalized("ConvTranspose", **options))).count("Mul") == 1


def test_one_factor_for_all_is_folded_into_kernel_and_bias():
    random = np.random.RandomState(0)
    nodes = [
        ("Conv", "x kernel bias", "convolved", {}),
        ("Mul", "convolved two", "scaled", {}),
        ("Add", "one scaled", "y", {}),
    ]
    constants = {"kernel": random.normal(size=(3, 2, 3, 3)), "bias": random.normal(size=3)}
    model = network(nodes, constants | {"two": 2.0, "one": [[[1.0]]]}, axes=[2, None, None])
    assert kinds(simplify(model)) == ["Conv"]
    assert_same(model, simplify(model), 2, 6, 6)


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 2, 1, 1), ()])
def test_what_follows_a_dense_layer_is_folded_into_it(shape):
    random = np.random.RandomState(0)
    nodes = [
        ("MatMul", "x weights", "flat", {}),
        ("Reshape", "flat shape", "image", {}),
        ("Mul", "image scale", "scaled", {}),
        ("Add", "shift scaled", "y", {}),
    ]
    constants = {"weights": random.normal(size=(5, 24)), "shape": [-1, 2, 3, 4]}
    constants |= {name: random.normal(size=shape) for name in ("scale", "shift")}
    model = network(nodes, constants, axes=[5])
    assert kinds(simplify(model)) == ["Gemm", "Reshape"]
    assert_same(model, simplify(model), 5)


@pytest.mark.parametrize("shape", [(24,), (1, 24), (1,), ()])
def test_what_follows_a_dense_layer_that_stays_flat_is_too(shape):
    random = np.random.RandomState(0)
    nodes = [
        ("MatMul", "x weights", "flat", {}),
        ("Mul", "flat scale", "scaled", {}),
        ("Add", "shift scaled", "shifted", {}),
        ("Relu", "shifted", "y", {}),
    ]
    constants = {"weights": random.normal(size=(5, 24))}
    constants |= {name: random.normal(size=shape) for name in ("scale", "shift")}
    model = network(nodes, constants, axes=[5], result_axes=2)
    assert kinds(simplify(model)) == ["Gemm", "Relu"]
    assert_same(model, simplify(model), 5)


def test_what_follows_a_product_of_more_axes_stays():
    random = np.random.RandomState(0)
    nodes = [("MatMul", "x weights", "wide", {}), ("Mul", "wide scale", "y", {})]
    constants = {"weights": random.normal(size=(5, 6)), "scale": random.normal(size=6)}
    model = network(nodes, constants, axes=[3, 5], result_axes=3)
    assert kinds(simplify(model)) == ["MatMul", "Mul"]


@pytest.mark.parametrize(("one", "half", "folded"), [(1.0, 0.5, True), (0.0, 0.5, False)])
def test_half_of_a_tangent_and_one_is_a_sigmoid(one, half, folded):
    nodes = [
        ("Conv", "x kernel", "convolved", {}),
        ("Tanh", "convolved", "tangent", {}),
        ("Add", "tangent one", "raised", {}),
        ("Mul", "raised half", "y", {}),
    ]
    kernel = np.random.RandomState(0).normal(size=(3, 2, 3, 3))
    model = network(nodes, {"kernel": kernel, "one": one, "half": half}, axes=[2, None, None])
    assert (kinds(simplify(model)) == ["Conv", "Sigmoid"]) == folded
    assert_same(model, simplify(model), 2, 6, 6)
