"""Priors: how codes are filled in, what of them is hidden to be learned, how they are trained."""

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import zoo
from serving.errors import UsageError
from serving.families.codes.course import Course, fill
from tests.zoo.codes import tiny_codes
from tests.zoo.prior import tiny_prior
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.prior import PriorConfig
from zoo.prior.captions import words_file
from zoo.prior.data import hidden, measured
from zoo.training import devices
from zoo.training.optimizers import SGD


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_each_step_fills_a_place_and_the_last_all(data):
    places = data.draw(st.integers(1, 80))
    steps = data.draw(st.integers(1, places))
    left = [places, *Course(steps).hidden(places)]
    assert len(left) == steps + 1 and left[-1] == 0
    assert all(after < before for before, after in pairwise(left))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000), st.sampled_from([0.0, 0.7, 1.0]))
def test_codes_are_drawn_as_often_as_they_are_likely(steps, seed, temperature):
    seen = []

    def network(codes, condition):
        seen.append(codes)
        return np.log(np.array([0.7, 0.3, 1e-12])) + np.zeros((*codes.shape, 1))

    uniforms = np.random.RandomState(seed).random_sample((60, steps, 8, 2))
    codes = fill(network, None, 0, uniforms, Course(steps, temperature=temperature))
    assert codes.dtype == np.int32 and {*np.unique(codes)} <= {0, 1}
    assert len(seen) == steps and (seen[0] == -1).all()
    for before, after in zip(seen, [*seen[1:], codes], strict=True):
        np.testing.assert_array_equal(after[before >= 0], before[before >= 0])
    if temperature == 1:  # of several steps the likelier codes stay more often
        assert 0.6 < (codes == 0).mean() < (0.8 if steps == 1 else 1)
    if temperature == 0:
        assert not codes.any()


def test_the_next_code_is_given_those_before_it_alone():
    model = tiny_prior.model(filling="next")
    x, y, _ = tiny_prior.batch(20)
    first = model(x | {"codes": y}).numpy()
    for place in range(4):
        changed = np.where(np.arange(4) < place, y, (y + 1) % 12)
        found = model(x | {"codes": changed}).numpy()
        np.testing.assert_allclose(found[:, : place + 1], first[:, : place + 1], atol=1e-6)
        assert place == 3 or np.abs(found[:, place + 1] - first[:, place + 1]).max() > 1e-3


def test_codes_that_are_drawn_one_after_another_are_as_likely_as_what_is_learned():
    """Every way through three codes is taken as often as the product of its steps says."""
    random = np.random.RandomState(0)
    steps = [random.dirichlet(np.ones(2), size=2**place) for place in range(3)]
    seen = []

    def network(codes, condition):
        seen.append(codes)
        before = np.cumsum(np.where(codes < 0, 0, codes) * 2 ** np.arange(3), axis=1)
        before = np.concatenate([np.zeros((len(codes), 1), int), before[:, :-1]], axis=1)
        return np.log([[steps[at][each] for at, each in enumerate(row)] for row in before])

    uniforms = random.random_sample((4000, 3, 3, 2))
    codes = fill(network, None, 0, uniforms, Course(3, filling="next"))
    for place, before in enumerate(seen):
        assert (before[:, :place] >= 0).all() and (before[:, place:] == -1).all()
    for way in np.ndindex(2, 2, 2):
        weights = (way * 2 ** np.arange(3)).cumsum()
        expected = steps[0][0][way[0]] * steps[1][weights[0]][way[1]] * steps[2][weights[1]][way[2]]
        assert abs((codes == way).all(axis=1).mean() - expected) < 0.03


def test_the_next_code_takes_as_many_steps_as_there_are():
    course = tiny_prior.model(filling="next").config.course
    assert (course.steps, course.hidden(4)) == (4, [3, 2, 1, 0])
    with pytest.raises(UsageError, match="fills one of 4 places in each step; leave steps out"):
        Course(3, filling="next").hidden(4)


def test_all_codes_are_learned_where_each_is_given_those_before_it():
    config = PriorConfig(codes="x", filling="next", positions=12, vocabulary=7)
    codes = np.random.RandomState(0).randint(7, size=(40, 12)).astype(np.int32)
    for x, y, weights in (
        hidden({"codes": tf.constant(codes)}, config, tf.constant([0, 5], tf.int64)),
        measured({"codes": codes}, config),
    ):
        np.testing.assert_array_equal(x["codes"], codes)
        np.testing.assert_array_equal(y, codes)
        assert np.all(weights == np.ones((40, 12)))


def test_an_image_does_not_depend_on_those_beside_it():
    model = tiny_prior.model()
    uniforms = np.random.RandomState(0).random_sample((5, 3, 4, 2))
    labels = np.array([1, 2, 3, 4, 5])

    def network(codes, told):
        return model.logits(np.where(codes < 0, 12, codes), told).numpy()

    together = fill(network, labels, 10, uniforms, Course(3, 2.0))
    alone = fill(network, labels[:2], 10, uniforms[:2], Course(3, 2.0))
    np.testing.assert_array_equal(together[:2], alone)


def test_guidance_goes_from_no_label_through_the_label_and_on():
    asked = []

    def network(codes, told):
        asked.append(len(codes))
        own = np.where(told == 9, 0.0, 1.0)[:, None, None]
        return own * np.array([1.0, -1.0]) + np.zeros((*codes.shape, 1))

    uniforms = np.full((1, 1, 1, 2), 0.9)  # the second of two codes is drawn, if it has a tenth
    drawn = [
        fill(network, np.array([3]), 9, uniforms, Course(1, guidance)).item()
        for guidance in (0, 1, 3)
    ]
    assert drawn == [1, 1, 0] and asked == [2, 1, 2]


def test_some_codes_are_hidden_and_some_labels():
    config = PriorConfig(codes="x", classes=10, unlabelled=0.5, positions=12, vocabulary=7)
    codes = np.random.RandomState(0).randint(7, size=(400, 12)).astype(np.int32)
    examples = {"codes": tf.constant(codes), "labels": tf.fill((400,), 3)}
    x, y, weights = hidden(examples, config, tf.constant([0, 5], tf.int64))
    seen, hide = x["codes"].numpy(), weights.numpy() == 1
    np.testing.assert_array_equal(y, codes)
    np.testing.assert_array_equal(seen, np.where(hide, 7, codes))
    counts = hide.sum(axis=1)
    assert counts.min() >= 1 and counts.max() == 12 and abs(counts.mean() / 12 - 2 / np.pi) < 0.06
    assert 0.4 < np.mean(x["labels"].numpy() == 10) < 0.6
    again = hidden(examples, config, tf.constant([0, 5], tf.int64))
    np.testing.assert_array_equal(again[0]["codes"], seen)
    other = hidden(examples, config, tf.constant([0, 6], tf.int64))
    assert np.any(other[0]["codes"].numpy() != seen)


def test_what_is_measured_is_hidden_the_same_each_time_and_all_is_told():
    config = PriorConfig(codes="x", words=2, positions=12, vocabulary=7)
    codes = np.zeros((30, 12), np.int32)
    examples = {"codes": codes, "words": np.full((30, 2), 5, np.int32)}
    first, second = measured(examples, config), measured(examples, config)
    np.testing.assert_array_equal(first[2], second[2])
    assert (first[0]["words"] == 5).all() and len({*first[2].sum(axis=1).tolist()}) > 5


@pytest.mark.parametrize("told", ["labels", "words", ""])
def test_every_weight_learns(told):
    changes = {
        "labels": {},
        "words": {"classes": 0, "words": 3, "vocabulary_of_words": 9},
        "": {"classes": 0, "guidance": 1.0},
    }[told]
    model = tiny_prior.model(**changes)
    x, y, weights = tiny_prior.batch(20, told=told)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x), weights)
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


def test_steps_on_two_devices_equal_those_on_one():
    data = tf.data.Dataset.from_tensor_slices(tiny_prior.batch(7)).batch(5)
    after = []
    for where in ("cpu", "cpu:2"):
        with devices.strategy(where).scope():
            model = tiny_prior.model()
            model.compile(SGD(0.01))
        model.fit(data, verbose=0, shuffle=False)
        after.append([variable.numpy() for variable in model.trainable_variables])
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path, monkeypatch):
    zoo.train(tiny_codes.recipe(train__epochs=1), tmp_path / "codes")
    recipe = tiny_prior.recipe(tmp_path / "codes").completed()
    zoo.train(recipe, tmp_path / "whole")
    stop_and_resume(recipe, tmp_path / "parted", monkeypatch, step=4)
    assert_same_run(tmp_path / "whole", tmp_path / "parted")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"words": 3}, "labels or captions, not both"),
        ({"classes": 0}, "guidance goes with labels or captions"),
        ({"steps": 5}, "5 steps cannot each fill one of 4 places"),
        ({"heads": 3}, "does not divide into 3 heads"),
    ],
)
def test_a_configuration_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        PriorConfig(**{**tiny_prior.RECIPE["model"], **tiny_prior.SIZES, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__binarize": True}, "leave data.binarize"),
        ({"model__classes": 0, "model__guidance": 1.0, "evaluate__lesson": 9}, "labelled images"),
    ],
)
def test_a_recipe_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        tiny_prior.recipe("runs/codes", **changes)


def test_another_run_than_of_codes_is_refused():
    with pytest.raises(UsageError, match="of family 'vae'; expected a run of codes"):
        tiny_prior.recipe("vae-mnist").completed()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"words": 2}, "captions of 3 words and the model takes 2; set model.words=3"),
        ({"vocabulary_of_words": 4}, "3 different words.*set model.vocabulary_of_words=5"),
    ],
)
def test_captions_that_do_not_fit_are_refused(changes, said):
    config = PriorConfig(**({"codes": "x", "words": 3} | changes))
    with pytest.raises(UsageError, match=said):
        words_file(["a red three"], config)
