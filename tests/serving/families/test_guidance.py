"""Latents that are moved: as long as they were, uphill, and by nothing that was not asked for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from serving.errors import UsageError
from serving.families.guidance.ascent import moved
from serving.families.guidance.asking import asked
from serving.noise import normal

FLOATS = st.floats(-30, 30, width=32)


def quadratic(noise):
    """A hill whose top is at 3 in each direction; the slope is that of its height."""
    return -0.5 * np.sum((noise - 3) ** 2, axis=1), 3 - noise


@given(
    noise=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FLOATS),
    strength=st.floats(0, 10),
    steps=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_what_is_moved_keeps_its_length(noise, strength, steps, seed):
    slope = 100 * normal(*noise.shape, seed)
    found = moved(noise, lambda z: (z[:, 0], slope), strength, steps)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    lengths = [np.linalg.norm(each, axis=1) for each in (noise, found)]
    np.testing.assert_allclose(lengths[1], lengths[0], rtol=1e-4, atol=1e-5)


def test_it_goes_uphill_and_the_farther_the_stronger():
    noise = normal(50, 8, seed=1)
    heights = [quadratic(noise)[0]]
    for strength in (0.2, 1, 5):
        heights.append(quadratic(moved(noise, quadratic, strength, steps=5))[0])
    for lower, higher in pairwise(heights):
        assert (higher > lower).mean() > 0.9


def test_where_there_is_no_slope_nothing_moves():
    noise = normal(4, 8, seed=1)
    found = moved(noise, lambda z: (z[:, 0], np.zeros_like(z)), 1.0, steps=3)
    np.testing.assert_allclose(found, noise, rtol=1e-6)


def test_rows_do_not_change_each_other():
    noise = normal(6, 4, seed=2)
    alone = np.concatenate([moved(row[None], quadratic, 1.0, 4) for row in noise])
    np.testing.assert_allclose(moved(noise, quadratic, 1.0, 4), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"towards": 1}, [[0, 1, 0], [0, 1, 0]]),
        ({"towards": [2, 0]}, [[0, 0, 1], [1, 0, 0]]),
        ({"away": np.array([2, 0])}, [[1, 1, 0], [0, 1, 1]]),
    ],
)
def test_what_is_asked_for(arguments, wanted):
    given = {"towards": None, "away": None} | arguments
    found = asked(**given, strength=1.0, steps=3, count=2, classes=3)
    assert found.wanted.tolist() == wanted and found.wanted.dtype == np.float32
    for nothing in ({"strength": 0.0, "steps": 3}, {"strength": 1.0, "steps": 0}):
        assert asked(**given, **nothing, count=2, classes=3) is None


@pytest.mark.parametrize(
    ("towards", "away", "message"),
    [(1, 2, "towards and away are both given"), ([1, 2, 0], None, "3 classes for 2 images")],
)
def test_what_does_not_go_together_is_refused(towards, away, message):
    with pytest.raises(UsageError, match=message):
        asked(towards, away, 1.0, 3, count=2, classes=3)
