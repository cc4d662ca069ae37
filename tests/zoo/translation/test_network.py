"""An encoder-decoder: packed as alone, padded as not, cached as not, with either positions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.translation import tiny_translator
from zoo.data.tokenizers import EOS
from zoo.translation import TranslationConfig
from zoo.translation.layers.relative import RelativeBias, bucket_table
from zoo.translation.losses import smoothed_nats
from zoo.translation.rows.packing import packed
from zoo.translation.rows.ragged import Ragged

POSITIONS = ("rotary", "relative")


@pytest.fixture(scope="module", params=POSITIONS)
def model(request):
    return tiny_translator.model(positions=request.param)


def alone(model, source, target, padding=0):
    """Return the logits of one pair, `(T, V)`."""
    inputs = {
        "input_ids": np.array([source + [7] * padding]),
        "attention_mask": np.array([[1] * len(source) + [0] * padding]),
        "decoder_input_ids": np.array([[1, *target[:-1]]]),
    }
    return model(inputs).numpy()[0]


def test_texts_that_share_a_row_see_themselves_alone(model):
    sources, targets = tiny_translator.pairs(9)
    rows = packed(*map(Ragged.of, (sources, targets)), tiny_translator.CONTEXT, begin=1)
    logits = model({name: each for name, each in rows.items() if name != "targets"}).numpy()
    found = {}
    for row, numbers in enumerate(rows["decoder_attention_mask"]):
        for number in range(1, numbers.max() + 1):
            here = numbers == number
            found[tuple(rows["targets"][row][here].tolist())] = logits[row][here]
    assert len(rows["targets"]) < len(sources)
    for source, target in zip(sources, targets, strict=True):
        expected = alone(model, source, target)
        np.testing.assert_allclose(found[tuple(target)], expected, atol=1e-5)


def test_padding_changes_nothing(model):
    (source,), (target,) = tiny_translator.pairs(1, seed=3)
    expected = alone(model, source, target)
    np.testing.assert_allclose(alone(model, source, target, padding=5), expected, atol=1e-5)


def test_token_by_token_gives_what_all_at_once_gives(model):
    random = np.random.RandomState(1)
    ids = random.randint(3, tiny_translator.SIZE, (3, 6))
    source, mask = random.randint(3, tiny_translator.SIZE, (3, 5)), np.ones((3, 5), int)
    mask[1, 2:] = mask[2, 1:] = 0
    states, past = model.encode(source, mask), model.empty_past(3)
    expected, _ = model.decode(ids, states, mask, past)
    for at in range(6):
        logits, past = model.decode(ids[:, at : at + 1], states, mask, past)
        np.testing.assert_allclose(logits[:, 0], expected[:, at], atol=1e-5)
    assert [array.shape[2] for array in past[0]] == [6, 6, 5, 5]


def test_what_was_made_of_the_source_is_not_made_again(model):
    ids, mask = np.full((1, 1), 5), np.ones((1, 4), int)
    states = model.encode(np.arange(3, 7)[None], mask)
    _, past = model.decode(ids, states, mask, model.empty_past(1))
    expected, _ = model.decode(ids, states, mask, past)
    found, _ = model.decode(ids, np.zeros_like(states), mask, past)
    np.testing.assert_array_equal(found, expected)


def test_after_the_end_comes_the_end(model):
    ids, mask = np.array([[5, EOS]]), np.ones((1, 2), int)
    states = model.encode(np.array([[4, 9]]), mask)
    logits, _ = model.decode(ids, states, mask, model.empty_past(1))
    nats = -keras.ops.log_softmax(logits)[0]
    assert nats[1, EOS] < 1e-6 < nats[0, EOS]


def test_the_model_comes_back_from_its_configuration(model):
    again = type(model)(**model.get_config())
    assert again.config == model.config and again.num_parameters == model.num_parameters


# --- relative positions ---


def test_the_learned_bias_has_the_gradient_of_what_it_does():
    model = tiny_translator.model(positions="relative", encoder_layers=1, decoder_layers=1)
    batch = tiny_translator.batch(8, rows=3)
    variables = [model.network.encoder_bias.embeddings, model.network.decoder_bias.embeddings]
    with tf.GradientTape() as tape:
        loss = model.validation_loss(batch)
    for variable, found in zip(variables, tape.gradient(loss, variables), strict=True):
        gradient = tf.convert_to_tensor(found).numpy()
        bucket, head = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        step = np.zeros(variable.shape, np.float32)
        step[bucket, head] = 1e-2
        start = variable.numpy()
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * step)
            ends.append(float(model.validation_loss(batch)))
        variable.assign(start)
        slope = (ends[0] - ends[1]) / 2e-2
        assert slope == pytest.approx(float(gradient[bucket, head]), rel=0.02)


def test_the_bias_depends_on_distance_alone():
    bias = RelativeBias(heads=2, buckets=8, distance=16, causal=False)
    bias.build()
    whole = bias.scores(0, 9).numpy()[0]
    for offset in range(-8, 9):
        assert np.ptp(np.diagonal(whole, offset, 1, 2), axis=1).max() == 0
    np.testing.assert_array_equal(bias.scores(6, 3).numpy()[0], whole[:, 6:])


@pytest.mark.parametrize("causal", [True, False])
def test_buckets_are_all_used_and_grow_with_distance(causal):
    table = bucket_table(32, 128, causal)
    past, ahead = table[:129][::-1], table[128:]
    # Of two directions, that ahead has a bucket for no distance, which is that of the past.
    assert sorted({*table.tolist()} | ({16} - {*table.tolist()})) == list(range(32))
    assert (np.diff(past) >= 0).all() and past[:8].tolist() == list(range(8))
    assert not ahead.any() if causal else (np.diff(ahead[1:]) >= 0).all() and ahead[1] == 17


# --- the loss, the configuration ---


def test_smoothing_is_the_cross_entropy_of_smoothed_targets():
    random = np.random.RandomState(0)
    logits, targets = random.normal(0, 2, (2, 3, 7)).astype("float32"), random.randint(0, 7, (2, 3))
    wanted = 0.9 * np.eye(7)[targets] + 0.1 / 7
    expected = -(wanted * keras.ops.log_softmax(logits).numpy()).sum(-1)
    np.testing.assert_allclose(smoothed_nats(targets, logits, 0.1), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 30, "heads": 4}, "width 30 does not divide into 4 heads"),
        ({"relative_buckets": 32, "relative_distance": 9}, "make it more than half of them"),
        ({"postions": "rotary"}, r"unknown key 'postions'.*positions"),
    ],
)
def test_what_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(Exception, match=said):
        TranslationConfig.parse({"vocabulary_size": 40} | changes)
