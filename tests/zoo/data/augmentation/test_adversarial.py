"""Images made worse and labels mixed, in the step of every model that learns from them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.restoration import tiny_restoration
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from tests.zoo.vae import tiny
from zoo.judge.classifier import Classifier
from zoo.judge.config import ClassifierConfig
from zoo.recipe import Recipe
from zoo.training import devices
from zoo.training.optimizers import SGD

RANDOM = np.random.RandomState(0)
MOVED = 0.05
QUICK = {"data.name": "digits", "data.resize": True, "train.batch_size": 16, "train.epochs": 2}


def judge():
    model = Classifier(
        ClassifierConfig(channels=(4, 4, 4), features=8, rotation=0, zoom=0, shift=0)
    )
    random = np.random.RandomState(1)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(0, 0.1, variable.shape))
    return model


def case(kind):
    """A model, and a batch of it of 6 that is nowhere at the end of the range."""
    keras.utils.set_random_seed(0)
    if kind == "judge":
        model = judge()
        image = RANDOM.uniform(0.2, 0.8, (6, *model.config.image_shape)).astype("float32")
        return model, {"image": image, "labels": RANDOM.randint(0, 10, 6).astype("int32")}
    if kind == "restoration":
        small = RANDOM.uniform(0.2, 0.8, (6, 5, 6, 1)).astype("float32")
        large = RANDOM.uniform(0.2, 0.8, (6, 10, 12, 1)).astype("float32")
        return tiny_restoration.model(), (small, large)
    model = tiny.model(kind)
    return model, tiny.batch(model.config, 6)


KINDS = ["judge", "restoration", "dense", "conditional", "iwae"]


def stepped(kind, where="cpu", adversarial=MOVED):
    """The weights after a step, and the model."""
    with devices.strategy(where).scope():
        RANDOM.seed(0)
        model, batch = case(kind)
        model.compile(SGD(1e-3))
        model.optimizer.build(model.trainable_variables)
        model.adversarial = adversarial
    history = model.fit(
        tf.data.Dataset.from_tensor_slices(batch).batch(6), verbose=0, shuffle=False
    )
    return [variable.numpy() for variable in model.trainable_variables], history.history


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_moved_to_where_the_loss_is_larger(kind):
    RANDOM.seed(0)
    model, batch = case(kind)
    known = tf.nest.map_structure(tf.constant, batch)
    model.adversarial = MOVED
    worse = model._made_worse(known)
    image, moved = (tf.nest.flatten(each)[0].numpy() for each in (known, worse))
    if isinstance(worse, dict):
        moved = worse["image"].numpy()
        image = known["image"].numpy() if isinstance(known, dict) else known.numpy()
    difference = np.abs(moved - image)
    assert moved.min() >= 0 and moved.max() <= 1
    assert difference.max() == pytest.approx(MOVED, abs=1e-6) and (difference > 0).mean() > 0.3

    def loss(data):
        x, y = data if isinstance(data, tuple) else (data, None)
        return float(model.compute_loss(x=x, y=y, y_pred=model(x)))

    assert loss(worse) > loss(known)


@pytest.mark.parametrize(
    "kind", [pytest.param("judge", marks=pytest.mark.long), "restoration", "dense"]
)
def test_a_step_on_two_devices_is_the_step_on_one(kind):
    one, shown = stepped(kind)
    two, also = stepped(kind, "cpu:2")
    plain, _ = stepped(kind, adversarial=0.0)
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(one, plain, strict=True))
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-6)
    assert shown.keys() == also.keys()
    for name, values in shown.items():  # what is counted is the step alone
        np.testing.assert_allclose(values, also[name], rtol=1e-4)


def test_a_judge_learns_both_labels_of_a_mixture():
    model = judge()
    image = RANDOM.random_sample((4, *model.config.image_shape)).astype("float32")
    labels, others = np.array([0, 1, 2, 3], "int32"), np.array([3, 2, 1, 0], "int32")
    shares = np.array([1, 0.9, 0.7, 0.5], "float32")
    y_pred = model(image)

    def loss(**x):
        return float(model.compute_loss(x={"image": image} | x, y_pred=y_pred))

    single = [
        [loss_of(model, image, row, each[row]) for row in range(4)] for each in (labels, others)
    ]
    expected = np.mean(shares * single[0] + (1 - shares) * single[1])
    found = loss(labels=labels, other_labels=others, share=shares)
    assert found == pytest.approx(expected, rel=1e-5)


def loss_of(model, image, row, label):
    one = image[row : row + 1]
    x = {"image": one, "labels": np.array([label], "int32")}
    return float(model.compute_loss(x=x, y_pred=model(one)))


def test_photographs_and_their_enlargements_are_varied_alike(tmp_path):
    place = tiny_restoration.folder(tmp_path / "photographs")
    small, large = pair(place, brightness=0.2, contrast=0.3, mixup=1.0)
    plain_small, plain_large = pair(place)
    assert np.any(small != plain_small) and np.any(large != plain_large)
    assert all(each.min() >= 0 and each.max() <= 1 for each in (small, large))
    # A mean is mixed, brightened and darkened alike, where no level is cut off.
    inside = np.all((small > 0) & (small < 1), axis=(1, 2, 3))
    inside &= np.all((large > 0) & (large < 1), axis=(1, 2, 3))
    gap = (large.mean((1, 2, 3)) - small.mean((1, 2, 3)))[inside]
    assert inside.sum() > 3 and np.abs(gap).max() < 0.06


def pair(place, **changes):
    recipe = tiny_restoration.recipe(
        place, **{f"data__{key}": value for key, value in changes.items()}
    )
    batch = next(iter(recipe.task().data.training_batches(40, seed=1)))
    return [each.numpy() for each in batch]


JUDGE = {"model.channels": [4, 4, 4], "model.features": 8, "data.mixup": 0.3, "data.contrast": 0.1}
VAE = {"model.channels": [4], "model.hidden": [8], "data.crop": 0.2, "data.flip_vertical": True}


@pytest.mark.long
@pytest.mark.parametrize(("name", "changes"), [("judge-mnist", JUDGE), ("vae-digits", VAE)])
def test_a_varied_run_that_stops_goes_on_as_if_it_had_not(name, changes, tmp_path, monkeypatch):
    recipe = Recipe.load(name, QUICK | changes | {"data.adversarial": 0.02}, quick=True)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    zoo.train(recipe, whole, devices="cpu")
    stop_and_resume(recipe, parted, monkeypatch, step=3)
    assert_same_run(whole, parted)
