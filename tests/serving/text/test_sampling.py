"""Sampling: what is kept, what is drawn, and that a batch changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.errors import GenzooError, UsageError
from serving.text import filters
from serving.text.filters import likeliest, log_softmax, nucleus, pick
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig

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
    return made.probabilities(np.asarray([logits], float))[0]


def drawn_by_definition(logits, config, uniform):
    """The seed contract, in as few words as it has: nothing bounded, nothing left out early."""
    if config.temperature == 0:
        return int(np.argmax(logits))
    logits = logits.astype(np.float64)
    k = config.top_k or len(logits)
    ids = sorted(sorted(range(len(logits)), key=lambda id: (-logits[id], id))[:k])
    weights = np.exp((logits[ids] - logits.max()) / max(config.temperature, 1e-12))
    if config.top_p < 1:
        order = sorted(range(len(ids)), key=lambda place: (-weights[place], place))
        reached = np.cumsum(weights[order])
        some = sorted(order[: np.searchsorted(reached, config.top_p * weights.sum()) + 1])
        ids, weights = [ids[place] for place in some], weights[some]
    weights = np.where(weights >= config.min_p, weights, 0)
    reached = np.cumsum(weights)
    return ids[np.searchsorted(reached, uniform * reached[-1], "right")]


@FEW
@given(some_logits, st.lists(some_configs, min_size=3, max_size=3))
def test_probabilities_sum_to_one_and_what_is_drawn_is_possible(logits, configs):
    made = sampler(*configs)
    for _ in range(3):
        shares = made.probabilities(logits)
        np.testing.assert_allclose(shares.sum(-1), 1)
        assert np.all(shares >= 0)
        assert np.all(shares[range(3), made.draw(logits)] > 0)


@FEW
@given(
    st.sampled_from([VOCABULARY, 100, 2000, 10_000]),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.1, 3.0, 10.0]),
    st.booleans(),
    st.sampled_from([None, 1, 5]) | st.integers(1, VOCABULARY),
    st.sampled_from([0.2, 0.9, 1.0]),
    st.sampled_from([0.0, 0.05]),
)
def test_what_is_drawn_is_what_the_definition_says(size, seed, spread, rounded, k, p, least):
    """Few tokens and many, of which many are equal or none, bounded or not: the same ids."""
    random = np.random.RandomState(seed)
    logits = (spread * random.normal(size=(4, 1, size))).astype(np.float32)
    if rounded:
        logits = np.round(logits)
    config = SamplingConfig(temperature=0.8, top_k=k, top_p=p, min_p=least)
    made = Sampler([config], [seed], [[0]], size)
    uniform = np.random.RandomState(seed).random_sample(len(logits))
    expected = [
        drawn_by_definition(step[0], config, number)
        for step, number in zip(logits, uniform, strict=True)
    ]
    assert [made.draw(step)[0] for step in logits] == expected


@FEW
@given(
    hnp.arrays(np.float32, (4, 3, VOCABULARY), elements=st.floats(-5, 5, width=32)),
    st.lists(some_configs, min_size=3, max_size=3),
    st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3),
)
def test_a_text_draws_the_same_alone_and_in_a_batch(logits, configs, seeds):
    prompts = [[1, 2], [3], [4, 4]]
    together = sampler(*configs, seeds=seeds, prompts=prompts)
    in_batch = np.array([together.draw(step) for step in logits])
    for row in range(3):
        alone = sampler(configs[row], seeds=[seeds[row]], prompts=[prompts[row]])
        ids = [alone.draw(step[row : row + 1])[0] for step in logits]
        np.testing.assert_array_equal(ids, in_batch[:, row])


def test_rows_that_are_finished_do_not_move_the_others():
    logits = np.random.RandomState(0).normal(size=(6, 2, VOCABULARY))
    config = SamplingConfig(frequency_penalty=1.0)
    whole, part = (sampler(config, config, seeds=[1, 2]) for _ in range(2))
    wanted = [whole.draw(step)[1] for step in logits]
    got = [part.draw(step)[1] for step in logits[:2]]
    got += [part.draw(step[1:], rows=[1])[0] for step in logits[2:]]
    assert got == wanted


def test_the_stream_of_a_seed_is_fixed_for_good():
    made = sampler(SamplingConfig(), seeds=[7])
    ids = [made.draw(np.zeros((1, VOCABULARY)))[0] for _ in range(1000)]
    uniform = np.random.RandomState(7).random_sample(1000)
    assert ids == (uniform * VOCABULARY).astype(int).tolist()
    assert ids[:8] == [0, 7, 3, 6, 8, 4, 4, 0]


some_ties = hnp.arrays(
    np.float32, st.integers(1, 300), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])
)


@FEW
@given(some_ties, st.data())
def test_top_k_takes_the_k_likeliest_and_lower_ids_of_equals(logits, data):
    k = data.draw(st.integers(1, len(logits)))
    order = sorted(range(len(logits)), key=lambda id: (-logits[id], id))
    assert likeliest(logits, k).tolist() == sorted(order[:k])


@FEW
@given(some_logits, st.floats(1e-6, 1))
def test_top_p_keeps_the_fewest_that_reach_p(logits, p):
    for shares in softmax(logits.astype(float)):
        kept = nucleus(shares, p)
        chosen = shares[kept]
        assert chosen.sum() >= p - 1e-9 and sorted(set(kept)) == kept.tolist()
        assert chosen.sum() - chosen.min() < p + 1e-9 or len(chosen) == 1


@FEW
@given(
    st.integers(1, 2000),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.floats(1e-6, 1),
    st.integers(0, 2**32 - 1),
)
def test_what_is_set_aside_of_many_weights_changes_nothing(size, spread, p, seed):
    weights = np.exp(np.round(spread * np.random.RandomState(seed).normal(size=size), 1))
    sorted_at_once = nucleus(weights, p)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters, "MANY", 4)
        np.testing.assert_array_equal(nucleus(weights, p), sorted_at_once)


@FEW
@given(st.integers(1, 3000), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 20]))
def test_blocks_pick_what_adding_one_by_one_picks_or_leave_it_open(size, seed, spread):
    random = np.random.RandomState(seed)
    weights = np.exp(-np.abs(spread * random.normal(size=size))) * (random.uniform(size=size) > 0.2)
    weights[random.randint(size)] = 1
    reached = np.cumsum(weights)
    edges = reached[random.randint(size, size=5)] / reached[-1]  # where rounding decides
    for share in np.minimum(edges, 1 - 2**-53):
        expected = np.searchsorted(
            reached, min(share * reached[-1], np.nextafter(reached[-1], 0)), "right"
        )
        assert filters._pick_by_blocks(weights, share) in (None, expected)
        assert pick(weights, share) == expected
    for share in random.uniform(size=20):
        assert filters._pick_by_blocks(weights, share) == pick(weights, share)


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
        assert made.draw(logits[None]) == [2]
        shares = made.probabilities(logits[None] - 1e4 * np.eye(9)[[2]])[0]
        np.testing.assert_allclose(shares, softmax(logits - np.eye(9)[2] * (times * 0.5 + 0.25)))


def test_frequencies_are_the_probabilities():
    logits = np.random.RandomState(3).normal(size=VOCABULARY)
    made = sampler(*[SamplingConfig()] * 4000, seeds=range(4000))
    ids = made.draw(np.tile(logits, (4000, 1)))
    shares = np.bincount(ids, minlength=VOCABULARY) / 4000
    np.testing.assert_allclose(shares, softmax(logits), atol=0.03)


def test_the_largest_uniform_number_never_points_beyond_the_last_token():
    for shares in softmax(np.random.RandomState(0).normal(size=(1000, VOCABULARY))):
        shares[-1] = 0
        assert pick(shares / shares.sum(), 1 - 2**-53) == VOCABULARY - 2
        assert pick(shares, 0.0) == 0


@pytest.mark.parametrize("size", [VOCABULARY, 5000])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(),
        SamplingConfig(temperature=0),
        SamplingConfig(top_k=3, top_p=0.9),
        SamplingConfig(repetition_penalty=1.2),
    ],
)
def test_logits_that_are_no_numbers_are_one_line(config, wrong, size):
    logits = np.zeros((2, size), np.float32)
    logits[1, size // 2] = wrong
    made = Sampler([config] * 2, [1, 2], [[0]] * 2, size)
    with pytest.raises(GenzooError, match="logits that are NaN or infinite") as caught:
        made.draw(logits)
    assert "\n" not in str(caught.value)
    logits[:] = -np.inf
    with pytest.raises(GenzooError, match="logits that are NaN or infinite"):
        made.draw(logits)
    logits[:, 3] = 0
    assert made.draw(logits) == [3, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; expected 0 or more"),
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
        ({"top_k": "5"}, "top_k is '5'; expected a whole number from 1"),
        ({"top_k": np.array([5])}, r"top_k is array\(\[5\]\)"),
        ({"top_p": None}, "top_p is None"),
        ({"min_p": np.zeros((3, 3))}, "min_p is array"),
        ({"logit_bias": None}, "logit_bias is None; expected numbers by token id"),
        ({"logit_bias": {2.5: 1}}, "token of logit_bias is 2.5; expected a whole number from 0"),
        ({"logit_bias": {"two": 1}}, "token of logit_bias is 'two'"),
        ({"logit_bias": {-1: 1}}, "token of logit_bias is -1"),
        ({"logit_bias": {"5": "much"}}, "logit_bias of token '5' is 'much'; expected -10000"),
    ],
)
def test_settings_out_of_range_are_named(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        sampler(SamplingConfig(**values))
    assert "\n" not in str(caught.value)


def test_numbers_come_as_json_pandas_and_numpy_have_them():
    plain = SamplingConfig(top_k=5, top_p=1.0, logit_bias={5: 1.0, 3: -2.0, 2: 0.5, 7: 0.0})
    dressed = SamplingConfig(
        temperature=np.float32(1),
        top_k=5.0,
        top_p=np.int64(1),
        min_p=np.array(0),
        repetition_penalty=1,
        logit_bias={"5": 1, 3.0: np.float64(-2), np.int32(2): np.array(0.5), np.array(7).item(): 0},
    )
    assert dressed == plain and type(dressed.top_k) is int and type(dressed.top_p) is float
    assert {type(key) for key in dressed.logit_bias} == {int}
    logits = np.random.RandomState(0).normal(size=(1, VOCABULARY))
    assert [sampler(each, seeds=[np.float64(7)]).draw(logits) for each in (plain, dressed)] == [
        sampler(plain).draw(logits)
    ] * 2


@pytest.mark.parametrize("seed", [-1, 2**32, "7"])
def test_seeds_out_of_range(seed):
    with pytest.raises(UsageError, match="seed is"):
        sampler(SamplingConfig(), seeds=[seed])
