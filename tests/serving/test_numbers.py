"""Numbers in every dress: what is whole is taken, and everything else is one line."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import noise
from serving.errors import UsageError
from serving.numbers import real, shown, whole

DRESSES = [
    int,
    float,
    Decimal,
    Fraction,
    np.int8,
    np.uint64,
    np.float16,
    np.float64,
    np.longdouble,
    np.array,
    lambda number: np.array(number, np.float32),
]
NO_NUMBERS = [
    None,
    True,
    np.True_,
    "5",
    b"5",
    [5],
    np.array([5]),
    {5},
    5j,
    np.complex64(5),
    np.datetime64(5, "s"),
    float("nan"),
    float("inf"),
    np.float32("nan"),
    Decimal("sNaN"),
    10**400,
    10**5000,
    Fraction(10**400, 3),
    "a line\nand another",
    np.zeros((40, 40)),
    "x" * 10**6,
]


@given(st.integers(-100, 100), st.sampled_from(DRESSES))
def test_a_whole_number_in_any_dress_is_taken(number, dress):
    if number < 0 and dress is np.uint64:
        number = -number
    taken, measured = whole(dress(number), "n"), real(dress(number), "n")
    assert (type(taken), taken) == (int, number) and (type(measured), measured) == (float, number)


@pytest.mark.parametrize("value", [5.5, np.float32(0.1), Decimal("0.5"), Fraction(1, 3)])
def test_what_is_not_whole_is_real(value):
    assert real(value, "n") == float(value)
    with pytest.raises(UsageError, match=r"n is .*; expected a whole number$"):
        whole(value, "n")


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_everything_else_is_one_short_line(value):
    for call in (whole, real):
        with pytest.raises(UsageError, match=r"^size is .*; expected a (whole )?number$") as caught:
            call(value, "size")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("call", "limits", "fine", "wrong", "expected"),
    [
        (whole, {"minimum": 1}, [1, 9], [0, -1], "a whole number from 1"),
        (whole, {"maximum": 3}, [3, -9], [4], "a whole number up to 3"),
        (whole, {"minimum": 0, "maximum": 3}, [0, 3], [-1, 4], "a whole number from 0 to 3"),
        (whole, {"minimum": 1, "also": ", or None"}, [1], [0], "a whole number from 1, or None"),
        (real, {"minimum": -1, "maximum": 1}, [-1, 0.5], [-1.1, 2], "-1 to 1"),
        (real, {"minimum": 0}, [0, 1e300], [-1e-9], "0 or more"),
        (real, {"maximum": 0}, [0, -1e300], [1e-9], "at most 0"),
        (real, {"above": 0}, [1e-300], [0, -1], "more than 0"),
        (real, {"above": 0, "maximum": 1}, [1], [0, 1.1], "more than 0, at most 1"),
        (real, {"above": 0, "expected": "what grows"}, [1], [0], "what grows"),
    ],
)
def test_ranges_are_held_and_told(call, limits, fine, wrong, expected):
    for value in fine:
        assert call(value, "n", **limits) == value
    for value in wrong:
        with pytest.raises(UsageError) as caught:
            call(value, "n", **limits)
        assert str(caught.value) == f"n is {value!r}; expected {expected}"


def test_what_cannot_be_shown_is_named():
    class Mute:
        def __repr__(self):
            raise ValueError("\n")

    assert "\n" not in shown(Mute()) and "Mute" in shown(Mute())


@pytest.mark.parametrize("seed", [7.0, np.uint32(7), np.array(7), np.float64(7)])
def test_seeds_and_counts_in_any_dress_draw_the_same(seed):
    np.testing.assert_array_equal(noise.normal(2, 3, seed), noise.normal(2, 3, 7))
    assert noise.checked_count(seed) == 7
