"""The network of music: what it sees, what a position tells it, and its configuration."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from serving.errors import UsageError
from tests.house import ROOT
from zoo.music import MusicConfig, MusicTransformer
from zoo.transformer.positions.relative import RelativePositions

SIZES = {"layers": 2, "width": 16, "heads": 4, "kv_heads": 2, "context": 128}
POSITIONS = ("relative", "rotary", "learned")


def model(positions="relative", order="time", **sizes):
    reach = {"reach": 8} if positions == "relative" else {}
    config = MusicConfig(**SIZES | reach | {"positions": positions, "order": order} | sizes)
    made = MusicTransformer(config)
    for variable in made.trainable_variables:  # so that every part of it has a say
        variable.assign(np.random.RandomState(variable.shape[0]).normal(0, 0.3, variable.shape))
    return made


IDS = np.random.RandomState(0).randint(0, 47, (2, 64))


@pytest.mark.parametrize("positions", POSITIONS)
def test_read_in_pieces_it_says_what_it_says_of_all_at_once(positions):
    made = model(positions)
    expected, past, begin = np.asarray(made(IDS)), made.empty_past(2), 0
    for end in (20, 21, 22, 40, 64):
        read = made({"input_ids": IDS[:, begin:end], "past": past})
        past = read["present"]
        np.testing.assert_allclose(read["logits"], expected[:, begin:end], atol=2e-5)
        begin = end


@pytest.mark.parametrize("order", ["time", "any"])
def test_what_comes_after_is_seen_in_any_order_only(order):
    made, other = model(order=order), IDS.copy()
    other[:, 40:] = (other[:, 40:] + 1) % 47
    same = np.isclose(made(IDS), made(other), atol=1e-6).all(-1)
    assert same[:, :40].all() == (order == "time") and not same[:, 40:].all()


@pytest.mark.parametrize("order", ["time", "any"])
def test_padding_behind_changes_nothing(order):
    made, padded = model(order=order), np.pad(IDS, ((0, 0), (0, 30)))
    mask = np.pad(np.ones_like(IDS), ((0, 0), (0, 30)))
    found = made({"input_ids": padded, "attention_mask": mask})
    np.testing.assert_allclose(found[:, :64], made(IDS), atol=1e-5)


def test_padding_before_changes_nothing():
    made, padded = model(), np.pad(IDS, ((0, 0), (30, 0)))
    mask = np.pad(np.ones_like(IDS), ((0, 0), (30, 0)))
    found = made({"input_ids": padded, "attention_mask": mask})
    np.testing.assert_allclose(found[:, 30:], made(IDS), atol=1e-5)


def test_a_position_tells_voice_and_place_in_the_bar_and_no_more():
    """With relative attention a piece sounds the same a bar later, and not a quarter later."""
    made = model()

    def at(offset):
        return np.asarray(made({"input_ids": IDS[:, :32], "position_ids": offset + places}))

    places = np.arange(32)[None]
    np.testing.assert_allclose(at(64), at(0), atol=1e-5)
    for offset in (1, 4, 16):
        assert not np.allclose(at(offset), at(0), atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    length=st.integers(1, 6),
    past=st.integers(0, 5),
    reach=st.integers(1, 8),
    ahead=st.booleans(),
)
def test_relative_scores_are_those_of_each_distance(length, past, reach, ahead):
    layer = RelativePositions(heads=2, reach=reach, size=3, ahead=ahead, stddev=1.0)
    query = np.random.RandomState(length).normal(size=(2, 2, 2, length, 3)).astype(np.float32)
    keys = length + past
    found = np.asarray(layer(query, keys=keys)).reshape(2, 2, 2, length, keys)
    vectors = np.asarray(layer.vectors).reshape(-1, 2, 3)
    for i in range(length):
        for j in range(keys):
            distance = min(max(j - past - i, 1 - reach), reach - 1)
            if j - past > i and not ahead:
                continue
            expected = np.einsum("bkgd,kd->bkg", query[..., i, :], vectors[distance + reach - 1])
            np.testing.assert_allclose(found[..., i, j], expected, atol=1e-5)


@pytest.mark.parametrize("order", ["time", "any"])
def test_every_weight_learns(order):
    import tensorflow as tf

    made = model(order=order)
    with tf.GradientTape() as tape:
        loss = made.compute_loss(y=IDS, y_pred=made(IDS))
    for variable, gradient in zip(
        made.trainable_variables,
        tape.gradient(loss, made.trainable_variables),
        strict=True,
    ):
        assert gradient is not None, variable.path
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.abs(values).max() > 0, variable.path


def test_the_gradient_through_relative_scores_is_right():
    """Against differences, in a direction at random: attention has a gradient of its own making."""
    import tensorflow as tf

    made = model(layers=1, width=8, heads=2, kv_heads=1)
    (vectors,) = [each for each in made.trainable_variables if "relative_embedding" in each.path]
    direction = np.random.RandomState(1).normal(size=vectors.shape).astype(np.float32)

    def loss():
        return made.compute_loss(y=IDS, y_pred=made(IDS))

    with tf.GradientTape() as tape:
        value = loss()
    gradient = tf.convert_to_tensor(tape.gradient(value, vectors.value))
    slope = float(tf.reduce_sum(gradient * direction))
    before, small = vectors.numpy(), 1e-2
    vectors.assign(before + small * direction)
    above = float(loss())
    vectors.assign(before - small * direction)
    assert (above - float(loss())) / (2 * small) == pytest.approx(slope, rel=2e-2, abs=1e-5)


@pytest.mark.long
def test_it_needs_no_tensorflow():
    """Defined and asked with Keras on another backend."""
    pytest.importorskip("torch")
    code = """
        import numpy, os, sys
        os.environ["KERAS_BACKEND"] = "torch"
        from zoo.music.model import MusicTransformer
        model = MusicTransformer({"family": "music", "layers": 1, "width": 16, "heads": 2})
        print(tuple(model(numpy.zeros((1, 64), "int32")).shape), "tensorflow" in sys.modules)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT
    )
    assert run.stdout.strip() == "(1, 64, 48) False", run.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lowest": 81}, "highest 81 is not above lowest 81"),
        ({"vocabulary_size": 65}, "vocabulary_size is 65, and pitches 36 to 81 .* are 48"),
        ({"causal": False}, "causal"),
        ({"context": 100}, "context 100 is no number of whole bars; make it a multiple of 64"),
        ({"order": "sideways"}, "order"),
        ({"positions": "rotary", "reach": 9}, "reach goes with positions 'relative'"),
        ({"pitch": 1}, "unknown key 'pitch'"),
    ],
)
def test_a_bad_configuration_is_named(values, words):
    with pytest.raises(UsageError, match=words):
        MusicConfig.parse({"family": "music"} | values)


def test_a_configuration_is_written_without_what_follows_from_it():
    config = MusicConfig(lowest=40, highest=90, order="any")
    written = config.model_dump()
    assert not {"vocabulary_size", "windows"} & written.keys()
    assert MusicConfig.parse(written) == config and config.vocabulary_size == 53
    assert zoo.MusicTransformer is MusicTransformer and zoo.MusicConfig is MusicConfig


@pytest.mark.parametrize("order", ["time", "any"])
def test_calibration_is_for_what_was_trained_without(order):
    plain, calibrated = model(order=order), model(order=order, calibration=2.0)
    np.testing.assert_allclose(np.asarray(plain(IDS)) / 2, calibrated(IDS), atol=1e-6)
    for each in (plain, calibrated):
        np.testing.assert_allclose(each(IDS, training=True), plain(IDS), atol=1e-6)
