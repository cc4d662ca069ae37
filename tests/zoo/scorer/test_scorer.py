"""Scorers: wrong captions differ in one thing, and a step is the same on one device and two."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from export.evaluation import evaluate
from export.families.codes.scorer import scorer
from export.graph.converter import convert
from export.proof.linter import lint
from serving.errors import UsageError
from serving.families.codes.captions import CaptionWords
from serving.families.codes.prior import SCORE
from serving.scenes.grammar import Grammar
from zoo.data.scenes.combinations import UNIFORMS, Combinations
from zoo.data.tokenizers import FILE
from zoo.scorer.captions import ALTERED, OTHERS, altered, candidates, words_of
from zoo.scorer.config import ScorerConfig
from zoo.scorer.scorer import Scorer
from zoo.training import devices
from zoo.training.optimizers import SGD

GRAMMAR = Grammar(emoji=("sun", "tree"))
COMBINATIONS = Combinations(GRAMMAR)
SMALL = ScorerConfig(channels=(4, 6, 6), word_width=4, hidden=16, width=8)
CHANGES = {"model.channels": [4, 6], "model.hidden": 16, "model.width": 8, "train.epochs": 1}


def scenes(count, seed=0):
    random = np.random.RandomState(seed)
    drawn = COMBINATIONS.draw(random.random_sample((count, UNIFORMS)), held_out=False)
    return [COMBINATIONS.scene(drawn, index) for index in range(count)]


def parts(scene):
    groups = [(g.count, g.thing, g.colour, g.size) for g in scene.groups]
    return [*(value for group in groups for value in group), scene.place]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_wrong_captions_differ_in_one_thing_and_can_be_read(seed):
    random = np.random.RandomState(seed)
    for scene in scenes(10, seed):
        other = altered(GRAMMAR, scene, random)
        differing = [one != two for one, two in zip(parts(scene), parts(other), strict=True)]
        assert sum(differing) == 1
        assert GRAMMAR.parse(GRAMMAR.write(other)) == other


def test_the_first_caption_is_the_right_one():
    words, some = CaptionWords(words_of(GRAMMAR)), scenes(7)
    found = candidates(GRAMMAR, words, some, 12, np.random.RandomState(0))
    assert found.shape == (7, 1 + ALTERED + OTHERS, 12) and found.dtype == np.int32
    names = {number: word for word, number in words.ids.items()}
    for rows, scene in zip(found.tolist(), some, strict=True):
        told = [" ".join(names[each] for each in row if each) for row in rows]
        assert GRAMMAR.parse(told[0]) == scene
        assert told[0] not in told[1:]


def test_words_are_all_that_captions_can_have():
    known = CaptionWords(words_of(GRAMMAR)).ids
    for scene in scenes(500):
        assert {*GRAMMAR.write(scene).split()} <= {*known}


def batch(count=5):
    random = np.random.RandomState(0)
    words = candidates(GRAMMAR, CaptionWords(words_of(GRAMMAR)), scenes(count), 12, random)
    return {"image": random.random_sample((count, 64, 64, 3)).astype("float32"), "words": words}


def test_similarities_are_cosines_and_order_matters():
    model, data = Scorer(SMALL), batch()
    pictures, captions = model.pictures(data["image"]), model.captions(data["words"][:, 0])
    np.testing.assert_allclose(np.linalg.norm(pictures, axis=1), 1, atol=1e-3)
    scores = np.asarray(model.scores(data["image"], data["words"][:, 0]))
    np.testing.assert_allclose(scores, np.sum(pictures * captions, axis=1), atol=1e-6)
    logits = np.asarray(model(data))
    np.testing.assert_allclose(logits[:, 0] / np.exp(model.log_factor), scores, rtol=1e-4)
    turned = model.captions(data["words"][:, 0, ::-1])
    assert np.abs(np.asarray(turned - captions)).max() > 1e-3
    np.testing.assert_array_equal(model(data), model(data))


def weights_after_one_step(where):
    with devices.strategy(where).scope():
        keras.utils.set_random_seed(1)
        model = Scorer(SMALL)
        model.compile(SGD(1e-2))
        model.optimizer.build(model.trainable_variables)
    model.fit(tf.data.Dataset.from_tensor_slices(batch()).batch(5), verbose=0, shuffle=False)
    return [variable.numpy() for variable in model.trainable_variables]


@pytest.mark.long
def test_one_sgd_step_on_two_devices_equals_one_on_one():
    for ours, theirs in zip(
        weights_after_one_step("cpu:2"), weights_after_one_step("cpu"), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_onnx_runtime_scores_as_keras_does():
    import onnxruntime

    spec = scorer(Scorer(SMALL))
    model = convert(spec)
    lint(model, spec)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for count in (1, 3):
        inputs = spec.sample(count, seed=count)
        expected = spec.call(**inputs)[SCORE]
        np.testing.assert_allclose(session.run([SCORE], inputs)[0], expected, atol=1e-5)


def test_a_scorer_is_trained_measured_and_keeps_its_words(tmp_path):
    zoo.train("scorer-scenes", tmp_path / "run", overrides=CHANGES, quick=True)
    (metric,) = evaluate(tmp_path / "run")
    assert metric.name == "caption_found" and metric.samples == 32
    assert metric.floor == 1 / (1 + ALTERED) and metric.better == "higher"
    assert "threes" in CaptionWords((tmp_path / "run" / FILE).read_bytes()).ids


def test_batches_go_on_where_they_stopped():
    task = zoo.Recipe.load("scorer-scenes", {"data.count": 100}, quick=True).task()
    whole = [each for each, _ in zip(task.training_batches(0), range(5), strict=False)]
    later = next(iter(task.training_batches(4)))
    for name, values in whole[4].items():
        np.testing.assert_array_equal(values, later[name])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data.size": 96}, "set model.size=96"),
        ({"model.words": 5}, "captions of scenes have up to 12 words"),
        ({"model.hiden": 5}, "did you mean 'hidden'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        zoo.Recipe.load("scorer-scenes", values)
    assert "\n" not in str(caught.value)
