"""The noise never changes: not with the count, not with the batch, not with the release."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import noise
from serving.errors import UsageError

COUNTS, SIZES, SEEDS = st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**32 - 1)


def test_values_are_fixed_for_good():
    wanted = np.float32(
        [[1.6905256509780884, -0.46593737602233887], [0.032820165157318115, 0.4075162708759308]]
    )
    np.testing.assert_array_equal(noise.normal(2, 2, seed=7), wanted)


@settings(deadline=None)
@given(COUNTS, COUNTS, SIZES, SEEDS)
def test_a_larger_draw_starts_with_the_smaller(few, more, size, seed):
    whole = noise.normal(few + more, size, seed)
    assert whole.dtype == np.float32 and whole.shape == (few + more, size)
    np.testing.assert_array_equal(whole[:few], noise.normal(few, size, seed))


@settings(deadline=None)
@given(COUNTS, SIZES, SEEDS, COUNTS)
def test_batches_are_the_same_draw(count, size, seed, batch_size):
    batches = list(noise.normal_batches(count, size, seed, batch_size))
    assert all(len(batch) <= batch_size for batch in batches)
    np.testing.assert_array_equal(np.concatenate(batches), noise.normal(count, size, seed))


def test_two_streams_do_not_disturb_each_other():
    one, other = (noise.normal_batches(4, 3, seed, batch_size=1) for seed in (1, 2))
    interleaved = [(next(one), noise.normal(5, 3, seed=9), next(other)) for _ in range(4)]
    np.testing.assert_array_equal(
        np.concatenate([row[0] for row in interleaved]), noise.normal(4, 3, seed=1)
    )


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "1", None, True])
def test_bad_seeds(seed):
    with pytest.raises(UsageError, match="seed is"):
        noise.normal(1, 1, seed)
    with pytest.raises(UsageError, match="seed is"):
        noise.normal_batches(1, 1, seed, 1)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_uniform_numbers_are_those_of_the_frozen_stream_whoever_else_draws(seed):
    numbers, others, found = noise.uniform(seed), noise.uniform(5), []
    for _ in range(2000):
        found.append(next(numbers))
        next(others)
    assert found == np.random.RandomState(seed).random_sample(2000).tolist()
    with pytest.raises(UsageError, match="seed is -1"):
        noise.uniform(-1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_rows_of_uniform_numbers_are_the_same_in_any_batches(count, size, seed, batch_size):
    rows = np.concatenate(list(noise.uniform_batches(count, size, seed, batch_size)))
    whole = np.random.RandomState(seed).random_sample((count, size))
    np.testing.assert_array_equal(rows, whole)
