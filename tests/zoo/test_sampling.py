"""Sampling: what is kept, what is drawn, and that a batch changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoo.errors import UsageError
from zoo.language.filters import keep_top_k, keep_top_p, log_softmax, pick
from zoo.language.sampling import Sampler, SamplingConfig

FEW = settings(max_examples=60, deadline=None)
VOCABULARY = 9
some_logits = hnp.arrays(
    np.float32, (3, VOCABULARY), elements=st.floats(-50, 50, width=32) | st.just(1.0)
)
some_configs = st.builds(
    SamplingConfig,
    temperature=st.sampled_from([0, 1e-6, 0.5, 1.0, 3.0]),
    top_k=st.sampled_from([None, 1, 2, 5, VOCABULARY]),
    top_p=st.sampled_from([1e-9, 0.3, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.1, 1.0]),
    repetition_penalty=st.sampled_from([0.5, 1.0, 1.3]),
    frequency_penalty=st.sampled_from([-1.0, 0.0, 0.7]),
    presence_penalty=st.sampled_from([0.0, 0.7]),
    logit_bias=st.sampled_from([{}, {0: 5.0, 3: -1e4}]),
)


def softmax(logits):
    return np.exp(log_softmax(logits))


def sampler(*configs, seeds=None, prompts=None):
    count = len(configs)
    return Sampler(configs, seeds or [7] * count, prompts or [[0]] * count, VOCABULARY)


def probabilities(config, logits, prompt=(0,)):
    made = sampler(config, prompts=[prompt])
    return made.probabilities(np.asarray([logits], float), np.array([0]))[0]


@FEW
@given(some_logits, st.lists(some_configs, min_size=3, max_size=3))
def test_probabilities_sum_to_one_and_what_is_drawn_is_possible(logits, configs):
    made = sampler(*configs)
    for _ in range(3):
        shares = made.probabilities(logits, np.arange(3))
        np.testing.assert_allclose(shares.sum(-1), 1)
        assert np.all(shares >= 0)
        drawn = made(logits)
        assert np.all(shares[range(3), drawn.ids] > 0)
        np.testing.assert_allclose(drawn.log_probs, log_softmax(logits)[range(3), drawn.ids])


@FEW
@given(
    hnp.arrays(np.float32, (4, 3, VOCABULARY), elements=st.floats(-5, 5, width=32)),
    st.lists(some_configs, min_size=3, max_size=3),
    st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3),
)
def test_a_text_draws_the_same_alone_and_in_a_batch(logits, configs, seeds):
    prompts = [[1, 2], [3], [4, 4]]
    together = sampler(*configs, seeds=seeds, prompts=prompts)
    in_batch = np.array([together(step).ids for step in logits])
    for row in range(3):
        alone = sampler(configs[row], seeds=[seeds[row]], prompts=[prompts[row]])
        ids = [alone(step[row : row + 1]).ids[0] for step in logits]
        np.testing.assert_array_equal(ids, in_batch[:, row])


def test_rows_that_are_finished_do_not_move_the_others():
    logits = np.random.RandomState(0).normal(size=(6, 2, VOCABULARY))
    config = SamplingConfig(frequency_penalty=1.0)
    whole, part = (sampler(config, config, seeds=[1, 2]) for _ in range(2))
    wanted = [whole(step).ids[1] for step in logits]
    got = [part(step).ids[1] for step in logits[:2]]
    got += [part(step[1:], rows=np.array([1])).ids[0] for step in logits[2:]]
    assert got == wanted


def test_the_stream_of_a_seed_is_fixed_for_good():
    made = sampler(SamplingConfig(), seeds=[7])
    ids = [int(made(np.zeros((1, VOCABULARY))).ids[0]) for _ in range(8)]
    uniform = np.random.RandomState(7).random_sample(8)
    assert ids == (uniform * VOCABULARY).astype(int).tolist() == [0, 7, 3, 6, 8, 4, 4, 0]


@FEW
@given(
    hnp.arrays(float, (2, VOCABULARY), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])),
    st.lists(st.integers(1, VOCABULARY), min_size=2, max_size=2),
)
def test_top_k_keeps_the_k_likeliest_and_lower_ids_of_equals(logits, k):
    shares = softmax(logits)
    kept = keep_top_k(shares, np.array(k)[:, None])
    for row in range(2):
        order = sorted(range(VOCABULARY), key=lambda id: (-shares[row, id], id))
        assert set(np.flatnonzero(kept[row])) == set(order[: k[row]])
    np.testing.assert_array_equal(kept[kept > 0], shares[kept > 0])


@FEW
@given(some_logits, st.floats(1e-6, 1, exclude_max=True))
def test_top_p_keeps_the_fewest_that_reach_p(logits, p):
    shares = softmax(logits.astype(float))
    kept = keep_top_p(shares, np.full((3, 1), p)) > 0
    for row in range(3):
        chosen = shares[row][kept[row]]
        assert chosen.sum() >= p - 1e-9
        assert chosen.sum() - chosen.min() < p + 1e-9 or len(chosen) == 1


def test_min_p_is_relative_to_the_likeliest():
    logits = np.log([0.5, 0.3, 0.15, 0.05] + [1e-9] * 5)
    kept = probabilities(SamplingConfig(min_p=0.25), logits)
    np.testing.assert_allclose(kept[:4], [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], atol=1e-6)


def test_temperature_0_is_greedy_and_a_low_one_comes_close():
    logits = np.array([1.0, 3.0, 3.0, 2.9, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(
        probabilities(SamplingConfig(temperature=0), logits), np.eye(9)[1]
    )
    np.testing.assert_allclose(
        probabilities(SamplingConfig(temperature=1e-3), logits)[1:3], 0.5, atol=1e-6
    )


def test_penalties_follow_their_definitions():
    logits = np.array([2.0, -2.0, 1.0, 0, 0, 0, 0, 0, 0])
    config = SamplingConfig(repetition_penalty=2.0)
    np.testing.assert_allclose(
        probabilities(config, logits, prompt=[0, 1]), softmax(logits - [1, 2, 0, 0, 0, 0, 0, 0, 0])
    )
    config = SamplingConfig(frequency_penalty=0.5, presence_penalty=0.25, logit_bias={2: 1e4})
    made = sampler(config, prompts=[[2, 0]])
    for times in (1, 2, 3):  # the bias forces token 2; the prompt does not count
        assert made(logits[None]).ids == [2]
        shares = made.probabilities(logits[None] - 1e4 * np.eye(9)[[2]])[0]
        np.testing.assert_allclose(shares, softmax(logits - np.eye(9)[2] * (times * 0.5 + 0.25)))


def test_frequencies_are_the_probabilities():
    logits = np.random.RandomState(3).normal(size=VOCABULARY)
    made = sampler(*[SamplingConfig()] * 4000, seeds=range(4000))
    ids = made(np.tile(logits, (4000, 1))).ids
    shares = np.bincount(ids, minlength=VOCABULARY) / 4000
    np.testing.assert_allclose(shares, softmax(logits), atol=0.03)


def test_the_largest_uniform_number_never_points_beyond_the_last_token():
    shares = softmax(np.random.RandomState(0).normal(size=(1000, VOCABULARY)))
    shares[:, -1] = 0
    ids = pick(shares / shares.sum(-1, keepdims=True), np.full(1000, 1 - 2**-53))
    assert max(ids) == VOCABULARY - 2 and max(pick(shares, np.zeros(1000))) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; expected 0, for greedy, or more"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"top_p": 0}, "top_p is 0; expected more than 0, at most 1"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"min_p": -1}, "min_p is -1; expected 0 to 1"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0; expected more than 0"),
        ({"frequency_penalty": 1000}, "frequency_penalty is 1000; expected -100 to 100"),
        ({"presence_penalty": True}, "presence_penalty is True"),
        ({"logit_bias": {3: float("inf")}}, "logit_bias of token 3 is inf"),
        ({"logit_bias": [1.0]}, "logit_bias is .1.0.; expected numbers by token id"),
        ({"logit_bias": {9: 1.0}}, "token of logit_bias is 9; expected 0 to 8"),
        (
            {"top_k": 10},
            "top_k is 10; expected a whole number from 1 to 9, the vocabulary, or None",
        ),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_k": 2.5}, "top_k is 2.5"),
    ],
)
def test_settings_out_of_range_are_named(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        sampler(SamplingConfig(**values))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 2**32, "7"])
def test_seeds_out_of_range(seed):
    with pytest.raises(UsageError, match="seed is"):
        sampler(SamplingConfig(), seeds=[seed])
