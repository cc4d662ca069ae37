"""Classes that nobody named: what is found, how it is measured, and what a bundle makes of it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import export
import serving
import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from serving.verify import verify
from tests.zoo.gan import tiny_gan
from tests.zoo.gan.test_gan_training import recipe
from zoo.gan import implicit

METRICS = {"fcd", "bound", "matched_accuracy", "majority_accuracy"}


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 50))
def test_classes_are_matched_whatever_their_numbers(numbers, seed):
    labels = np.random.RandomState(seed).randint(5, size=60)
    wrong = np.arange(60) % 10 == 0
    found = np.array(numbers)[np.where(wrong, (labels + 1) % 5, labels)]
    accuracy, majority = implicit.matched(lambda images: np.eye(5)[images], found, labels)
    assert accuracy.name == "matched_accuracy" and accuracy.value >= 1 - wrong.mean() - 1e-9
    assert accuracy.value <= majority.value <= 1


def test_two_classes_that_are_one_label_count_once():
    found, labels = np.array([0, 1, 0, 1]), np.zeros(4, int)
    accuracy, majority = implicit.matched(lambda images: np.eye(2)[images], found, labels)
    assert (accuracy.value, majority.value) == (0.5, 1.0)


@pytest.mark.parametrize(("certain", "nats"), [(1.0, math.log(4)), (0.25, 0.0)])
def test_the_bound_is_the_entropy_of_what_is_found_and_none_of_what_is_not(certain, nats):
    def recognise(images):
        rest = (1 - certain) / 3
        return np.full((len(images), 4), rest) + (certain - rest) * np.eye(4)[images.astype(int)]

    found = implicit.bound(lambda count, labels, seed: labels * 255, recognise, 4, 40, seed=0)
    assert found.value == pytest.approx(nats)


def test_every_part_of_what_is_drawn_is_sought_in_the_image():
    model = tiny_gan.model(tiny_gan.config("dense", "implicit"))
    z, condition = np.ones((2, 5), "float32"), np.eye(3, dtype="float32")[:2]
    said = {"class_logits": np.zeros((2, 3), "float32"), "codes": np.zeros((2, 2), "float32")}
    loss = model._information_loss(said, z, condition)
    np.testing.assert_allclose(loss, math.log(3) + 0.1 * 2, rtol=1e-5)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    changes = {"conditioning": "implicit", "continuous": 2, "discriminator_steps": 1}
    tiny = recipe(model=changes, train={"epochs": 1})
    return zoo.train(tiny, tmp_path_factory.mktemp("runs") / "found").workdir


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "found"
    return export.export(workdir, out, formats=("onnx",))


def test_a_bundle_finds_the_classes_that_keras_finds(bundle, workdir):
    assert all(check.passed for check in verify(bundle))
    model, served = zoo.from_workdir(workdir), serving.load(bundle, device="cpu")
    images = served.generate(70, labels=np.arange(70) % 10, seed=7)
    expected = model.recognise(images.astype(np.float32) / 255)
    np.testing.assert_allclose(served.recognise(images), expected, atol=1e-5)
    walk = served.traverse(1, labels=3, values=[-1, 0, 1], n=2, seed=4)
    z = model.latents(2, seed=4)
    z[:, 1] = 1
    assert walk.shape == (2, 3, 8, 8, 1)
    assert np.abs(walk[:, 2].astype(int) - served.decode(z, labels=3)).max() <= 1
    with pytest.raises(UsageError, match="dimension is 2; expected a whole number from 0 to 1"):
        served.traverse(2, labels=3)


def test_what_is_found_is_measured_in_keras_and_in_the_bundle(bundle, workdir):
    ours = {metric.name: metric.value for metric in evaluate(workdir)}
    assert ours.keys() >= METRICS and "label_agreement" not in ours
    theirs = {metric.name: metric.value for metric in evaluate(bundle)}
    for name in METRICS:
        assert theirs[name] == pytest.approx(ours[name], rel=1e-2, abs=1e-3), name


def test_models_that_have_found_nothing_say_so(tmp_path):
    model = tiny_gan.model(tiny_gan.config("dcgan", "projection"))
    with pytest.raises(UsageError, match="has no classifier"):
        model.recognise(np.zeros((1, 8, 12, 3)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": 0}, "set classes to how many, 2 at least"),
        ({"continuous": 6}, "continuous 6 exceeds latent_dim 5"),
        ({"conditioning": "auxiliary"}, "continuous goes with conditioning 'implicit'"),
    ],
)
def test_a_configuration_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        tiny_gan.config("dense", "implicit", **changes)
