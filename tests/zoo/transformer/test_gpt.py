"""Properties that every decoder-only Transformer has."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from serving.errors import UsageError
from serving.text.decoding import Decoding
from serving.text.growing import GrowingMemory
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig
from tests.zoo.transformer import tiny_gpt
from zoo.transformer import GPT, GPTConfig, dropout
from zoo.transformer.attention import attend
from zoo.transformer.gpt import token_nats

shared = functools.cache(tiny_gpt.model)  # for tests that change nothing
every_model = pytest.mark.parametrize("kind", tiny_gpt.MODELS)
V, CONTEXT = tiny_gpt.SIZES["vocabulary_size"], tiny_gpt.SIZES["context"]


@every_model
def test_shapes_of_logits_and_cache(kind):
    model = shared(kind)
    config, ids = model.config, tiny_gpt.ids(3, 5)
    assert model(ids).shape == (3, 5, V)
    outputs = model({"input_ids": ids, "past": model.empty_past(3)})
    assert len(outputs["present"]) == config.layers
    for key, value in outputs["present"]:
        assert key.shape == value.shape == (3, config.key_value_heads, 5, config.head_size)
    np.testing.assert_allclose(outputs["logits"], model(ids), atol=1e-5)


@every_model
def test_no_token_sees_what_comes_after_it(kind):
    model = shared(kind)
    ids = tiny_gpt.ids(2, 8)
    changed = ids.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % V
    one, other = np.asarray(model(ids)), np.asarray(model(changed))
    np.testing.assert_allclose(one[:, :5], other[:, :5], atol=1e-5)
    assert np.all(np.abs(one[:, 5:] - other[:, 5:]).max(-1) > 1e-3)


@every_model
def test_the_order_of_tokens_matters(kind):
    model = shared(kind)
    ids = np.array([[1, 2, 3, 4, 5]])
    other = np.array([[3, 2, 1, 4, 5]])
    assert np.abs(np.asarray(model(ids) - model(other))[0, -1]).max() > 1e-3


@every_model
def test_reading_in_parts_equals_reading_at_once(kind):
    model = shared(kind)
    ids = tiny_gpt.ids(2, 9)
    whole, past, parts = model(ids), model.empty_past(2), []
    for part in (slice(0, 4), slice(4, 5), slice(5, 9)):
        outputs = model({"input_ids": ids[:, part], "past": past})
        past = outputs["present"]
        parts.append(outputs["logits"])
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)


def test_cached_equals_uncached_over_200_steps():
    model = tiny_gpt.model("grouped", context=201)
    step = tf.function(model.call, reduce_retracing=True)
    ids, past, cached = [0], model.empty_past(1), []
    for _ in range(200):
        outputs = step({"input_ids": tf.constant([ids[-1:]]), "past": past})
        past = outputs["present"]
        cached.append(outputs["logits"][0, -1])
        ids.append(int(np.argmax(cached[-1])) if len(ids) % 3 else len(ids) % V)
    whole = step(tf.constant([ids[:-1]]))[0]
    np.testing.assert_allclose(np.stack(cached), whole, atol=1e-4)


@every_model
def test_a_cache_of_fixed_size_equals_one_that_grows(kind):
    """Rows of two lengths, padded on the right, and noise where nothing has been written."""
    model, ids = shared(kind), tiny_gpt.ids(2, 9)
    shape = (2, model.config.key_value_heads, CONTEXT, model.config.head_size)
    past = [(tf.random.normal(shape), tf.random.normal(shape)) for _ in model.blocks]
    lengths, texts = np.array([0, 0]), [[], []]
    for piece, news in ((ids[:, :4], [4, 2]), (ids[:, 4:5], [1, 1]), (ids[:, 5:8], [3, 3])):
        positions = lengths[:, None] + np.arange(piece.shape[1])
        lengths = lengths + news
        mask = np.arange(CONTEXT) < lengths[:, None]
        batch = {"input_ids": piece, "position_ids": positions, "attention_mask": mask}
        read = model(batch | {"past": past}, in_place=True)
        past = read["present"]
        for row, new in enumerate(news):
            texts[row] += piece[row, :new].tolist()
            expected = model(np.array([texts[row]]))[0, -new:]
            np.testing.assert_allclose(read["logits"][row, :new], expected, atol=1e-4)
    assert past[0][0].shape == shape


@every_model
def test_a_padded_row_equals_the_row_alone(kind):
    model = shared(kind)
    rows = [tiny_gpt.ids(1, length, seed=length)[0] for length in (7, 1, 4)]
    ids, mask = np.zeros((3, 7), int), np.zeros((3, 7), int)
    for row, (tokens, kept) in zip(rows, zip(ids, mask, strict=True), strict=True):
        tokens[-len(row) :], kept[-len(row) :] = row, 1
    batch = {"input_ids": ids, "attention_mask": mask, "past": model.empty_past(3)}
    read = model(batch)
    assert np.all(np.isfinite(read["logits"]))
    more = model(
        {
            "input_ids": np.array([[1], [2], [3]]),
            "attention_mask": np.concatenate([mask, np.ones((3, 1), int)], axis=1),
            "past": read["present"],
        }
    )
    for index, row in enumerate(rows):
        alone = model(np.append(row, index + 1)[None])[0]
        np.testing.assert_allclose(read["logits"][index, -len(row) :], alone[:-1], atol=1e-5)
        np.testing.assert_allclose(more["logits"][index, -1], alone[-1], atol=1e-5)


def written(model: GPT, prompts: list[list[int]], count: int) -> list[list[int]]:
    """Tokens that the host's decoding loop draws from a Keras model."""

    def step(input_ids, attention_mask, position_ids, past):
        outputs = model(
            {
                "input_ids": input_ids,
                "attention_mask": attention_mask,
                "position_ids": position_ids,
                "past": past or model.empty_past(len(input_ids)),
            }
        )
        return outputs["logits"], outputs["present"]

    sampler = Sampler([SamplingConfig()] * len(prompts), range(len(prompts)), prompts, V)
    memory = GrowingMemory(step, len(prompts), CONTEXT)
    decoding = Decoding(memory, prompts, sampler, max_new_tokens=count)
    texts = [[] for _ in prompts]
    for ids in decoding:
        for row, id in zip(decoding.rows, ids, strict=True):
            texts[row].append(id)
    return texts


def test_the_host_writes_on_from_unequal_prompts_as_from_each_alone():
    model = shared("grouped")
    prompts = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]]
    together = written(model, prompts, 20)  # slides the window
    assert [len(text) for text in together] == [20] * 3
    assert written(model, prompts[:1], 20) == together[:1]
    first = together[1][:4]
    for index, id in enumerate(first):  # the second text, drawn with seed 1, by hand
        logits = np.asarray(model(np.array([[7, *first[:index]]]))[0, -1], "float64")
        shares = np.exp(logits - logits.max())
        uniform = np.random.RandomState(1).random_sample(index + 1)[-1]
        assert id == np.sum(np.cumsum(shares / shares.sum()) <= uniform)


def test_positions_may_be_given():
    model = shared("llama")
    ids = tiny_gpt.ids(2, 4)
    given = model({"input_ids": ids, "position_ids": np.array([[5, 6, 7, 8]] * 2)})
    # Rotary positions are relative: all moved by as much, nothing changes.
    np.testing.assert_allclose(given, model(ids), atol=1e-4)


def test_grouped_queries_equal_full_attention_with_repeated_heads():
    grouped = shared("grouped")
    full = GPT(grouped.config.model_copy(update={"kv_heads": 4}))
    size, kinds = grouped.config.head_size, (4, 2, 2)
    for target, source in zip(full.weights, grouped.weights, strict=True):
        value = source.numpy()
        if value.shape != target.shape:
            heads = np.split(value.reshape(16, -1, size), np.cumsum(kinds)[:-1], axis=1)
            repeated = [heads[0], *(np.repeat(part, 2, axis=1) for part in heads[1:])]
            value = np.concatenate(repeated, axis=1).reshape(16, -1)
        target.assign(value)
    ids = tiny_gpt.ids(2, 6)
    np.testing.assert_allclose(full(ids), grouped(ids), atol=1e-5)


@every_model
def test_every_weight_learns(kind):
    model = tiny_gpt.model(kind, dropout=0.2)
    inputs, targets = tiny_gpt.batch(4, CONTEXT)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=targets, y_pred=model(inputs, training=True))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        assert gradient is not None and np.any(tf.convert_to_tensor(gradient)), variable.path


@pytest.mark.parametrize("dropped", [0.0, 0.3])
def test_the_gradient_of_attention_is_that_of_the_plain_formula(dropped):
    generator = np.random.RandomState(0)
    shapes = [(2, 3, 10, 4), (2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 10, 4)]
    inputs = [tf.constant(generator.normal(0, 1, shape), tf.float32) for shape in shapes]
    hidden = tf.where(generator.random((1, 1, 10, 5)) < 0.3, -3e4, 0.0)

    kept = tf.cast(generator.random((2, 3, 10, 5)) >= dropped, tf.float32) / (1 - dropped)

    def plain(query, key, value, hidden, kept):
        weights = tf.nn.softmax(query @ tf.transpose(key, (0, 1, 3, 2)) + hidden)
        return (weights * kept) @ value

    gradients = []
    for function in (plain, attend):
        with tf.GradientTape() as tape:
            tape.watch(inputs[:3])
            result = tf.reduce_sum(function(*inputs[:3], hidden, kept) * inputs[3])
        gradients.append([result, *tape.gradient(result, inputs[:3])])
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_mean_over_tokens_that_count():
    model = shared("llama")
    inputs, targets = tiny_gpt.batch(3)
    nats = np.asarray(token_nats(targets, model(inputs)))
    logits = np.asarray(model(inputs), "float64")
    by_hand = (
        np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, targets[..., None], -1)[..., 0]
    )
    np.testing.assert_allclose(nats, by_hand, rtol=1e-4)
    weights = np.random.RandomState(0).randint(0, 2, nats.shape).astype("float32")
    loss = float(model.validation_loss((inputs, targets, weights)))
    assert loss == pytest.approx((nats * weights).sum() / weights.sum(), rel=1e-5)
    assert float(model.validation_loss((inputs, targets))) == pytest.approx(nats.mean(), rel=1e-5)


def test_an_untrained_model_knows_nothing():
    keras.utils.set_random_seed(0)
    model = GPT(GPTConfig(**tiny_gpt.SIZES))
    assert float(model.validation_loss(tiny_gpt.batch(4))) == pytest.approx(np.log(V), abs=0.02)


@pytest.mark.parametrize("layers", [1, 8])
def test_the_last_matrix_of_a_branch_begins_smaller_the_deeper_the_model(layers):
    model = GPT(GPTConfig(vocabulary_size=5, layers=layers, width=128, heads=2))
    last = 0.02 / np.sqrt(2 * layers)
    for block in model.blocks:
        for matrix in (block.attention.merge, block.feed_forward.contract):
            assert np.std(matrix.kernel) == pytest.approx(last, rel=0.05)
        assert np.std(block.attention.project.kernel) == pytest.approx(0.02, rel=0.05)


def test_attention_drops_some_of_what_it_takes_while_training_and_keeps_the_mean():
    model = tiny_gpt.model(attention_dropout=0.5, layers=1)
    ids = tiny_gpt.ids(1, 12)
    expected = np.asarray(model(ids))
    np.testing.assert_array_equal(model(ids), expected)
    drawn = np.stack([model(ids, training=True) for _ in range(3)])
    assert np.ptp(drawn, axis=0).max() > 0.1

    values = np.random.RandomState(0).normal(size=(2000, 1, 3, 4)).astype("float32")
    values[:] = values[:1]  # the same at every draw
    kept = dropout.mask(values, (1, 3, 3), 0.5, model.dropout_seed)
    hidden = np.zeros((1, 1, 3, 3), "float32")
    mean = np.asarray(attend(values, values, values, hidden, kept)).mean(axis=0)
    np.testing.assert_allclose(mean, attend(values, values, values, hidden)[0], atol=0.1)


def test_dropout_is_for_training_only_and_keeps_the_mean():
    model = tiny_gpt.model(dropout=0.25)
    ids = tiny_gpt.ids(2, 6)
    np.testing.assert_array_equal(model(ids), model(ids))
    first, second = (np.asarray(model(ids, training=True)) for _ in range(2))
    assert np.any(first != second)
    dropped = np.asarray(model.dropout(np.ones((40, 40, 40), "float32"), training=True))
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert dropped.mean() == pytest.approx(1, abs=0.01)


def test_a_model_is_rebuilt_from_its_config_and_weights(tmp_path):
    model = shared("grouped")
    model.save_weights(tmp_path / "model.weights.h5")
    rebuilt = GPT(**model.get_config())
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(model(tiny_gpt.ids(2, 5)), rebuilt(tiny_gpt.ids(2, 5)))


def test_parameters_are_counted():
    config = GPTConfig(vocabulary_size=10, context=8, layers=1, width=4, heads=2, feed_forward=6)
    attention, feed_forward, norms = 4 * 12 + 4 * 4, 3 * 4 * 6, 3 * 4
    assert GPT(config).num_parameters == 10 * 4 + attention + feed_forward + norms
    wide = GPTConfig(vocabulary_size=10, width=256)
    assert wide.hidden_width == 688 and wide.key_value_heads == 8


@every_model
def test_bfloat16_comes_close_and_returns_float32(kind):
    exact = shared(kind)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rounded = GPT(exact.config)
    finally:
        keras.config.set_dtype_policy("float32")
    rounded.set_weights(exact.get_weights())
    ids = tiny_gpt.ids(2, 8)
    logits = rounded({"input_ids": ids, "past": rounded.empty_past(2)})["logits"]
    assert logits.dtype == "float32"
    spread = np.std(exact(ids))
    assert np.abs(np.asarray(logits - exact(ids))).mean() < 0.05 * spread


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "key 'vocabulary_size' is missing"),
        ({"width": 30}, "width 30 does not divide into 8 heads"),
        ({"kv_heads": 3}, "8 heads cannot share 3 kv_heads"),
        ({"width": 24}, "heads are 3 wide and rotary positions turn pairs"),
        ({"normalization": "rms"}, "unknown key 'normalization'; did you mean 'normalisation'"),
        ({"dropout": 1.0}, "key 'dropout' is 1.0"),
        ({"positions": "alibi"}, "'rotary', 'learned' or 'relative'"),
        ({"layers": 0}, "greater than 0"),
    ],
)
def test_a_bad_configuration_is_named(values, message):
    values = values and {"vocabulary_size": 65} | values
    with pytest.raises(UsageError, match=message) as caught:
        GPTConfig.parse(values, "model")
    assert "\n" not in str(caught.value)
