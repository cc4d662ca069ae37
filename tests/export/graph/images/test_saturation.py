"""8 bits tell greys apart, and not how far beyond black or white a number is."""

import numpy as np
import pytest

from export.graph.images.saturation import LIMITS, clip_saturated
from export.graph.precision import reduce_precision
from export.proof.parity import runner
from tests.export.graph.toys import in_place, kinds, network

PAINT = {"Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Tanh": lambda x: (np.tanh(x) + 1) / 2}


def painter(kind, *, read_twice=False):
    """A convolution of 1x1 by one, and what makes a picture of its result."""
    nodes = [
        ("Conv", "x kernel", "logits", {}),
        (kind, "logits", "image", {}),
        ("Add", "image logits" if read_twice else "image zero", "y", {}),
    ]
    return network(nodes, {"kernel": np.ones((1, 1, 1, 1)), "zero": [0.0]}, axes=[1, 8, 8])


@pytest.mark.parametrize("kind", LIMITS)
def test_a_pixel_changes_up_to_the_limit(kind):
    paint, limit = PAINT[kind], LIMITS[kind]
    assert np.rint(255 * paint(1.001 * limit)) == 255 and np.rint(255 * paint(0.999 * limit)) == 254


@pytest.mark.parametrize("kind", LIMITS)
def test_numbers_far_out_cost_no_levels(kind):
    model = painter(kind)
    x = np.linspace(-4, 4, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    far = np.where(np.abs(x) > 3.9, 20 * x, x)
    reduced = reduce_precision(model, "int8", lambda: [{"x": far}])
    assert "Clip" not in kinds(reduced)  # 8 bits end there anyway
    run, exact = runner(reduced), runner(model)
    slope = {"Sigmoid": 0.25, "Tanh": 1.0}[kind]
    levels = 2 * LIMITS[kind] / 255 + 2 * 80 / 255  # of what leaves and of what enters
    error = np.abs(run({"x": x})["y"] - exact({"x": x})["y"]).max()
    assert error <= slope * levels / 2 * 1.1


@pytest.mark.parametrize("kind", LIMITS)
def test_no_pixel_changes_by_more_than_half_a_level(kind):
    model = painter(kind)
    clipped = in_place(clip_saturated, model)
    assert kinds(clipped).count("Clip") == 1
    x = np.linspace(-20, 20, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    difference = runner(clipped)({"x": x})["y"] - runner(model)({"x": x})["y"]
    levels = {"Sigmoid": 255, "Tanh": 255 / 2}[kind]
    assert 0.49 < np.abs(difference * levels).max() <= 0.501


@pytest.mark.parametrize("kind", LIMITS)
def test_what_is_wanted_for_itself_is_not_clipped(kind):
    assert "Clip" not in kinds(in_place(clip_saturated, painter(kind, read_twice=True)))
