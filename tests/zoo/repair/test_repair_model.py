"""The network that repairs: what it leaves as it is, how far it looks, and how it learns."""

import numpy as np
import pytest
import tensorflow as tf

from serving.errors import UsageError
from serving.photographs.colouring import WEIGHTS
from serving.photographs.tasks import TASKS
from tests.zoo.repair import tiny_repair
from zoo.repair import RepairConfig, Repairer
from zoo.repair.model import feature_distance, network_of
from zoo.training import devices
from zoo.training.optimizers import SGD


def inputs(count=4, height=24, width=16, seed=0):
    """Images, holes in each, and every task in turn."""
    random = np.random.RandomState(seed)
    mask = (random.random_sample((count, height, width, 1)) < 0.4).astype(np.float32)
    return {
        "image": random.random_sample((count, height, width, 3)).astype(np.float32),
        "mask": mask,
        "task": (np.arange(count) % len(TASKS)).astype(np.int32),
    }


def one(task, **changes):
    return {**inputs(1, **changes), "task": np.array([TASKS.index(task)], np.int32)}


def test_pixels_that_are_known_stay_exactly_what_they_are():
    given = one("inpaint")
    repaired = np.asarray(tiny_repair.model()(given))
    known = given["mask"][..., 0] == 0
    np.testing.assert_allclose(repaired[known], given["image"][known], atol=1e-6)
    assert np.abs(repaired - given["image"])[~known].mean() > 0.01


def test_what_lies_in_a_hole_does_not_matter():
    given = one("inpaint")
    other = {**given, "image": np.where(given["mask"] > 0, 0.9, given["image"]).astype("float32")}
    model = tiny_repair.model()
    np.testing.assert_allclose(model(given), model(other), atol=1e-6)


def test_colours_change_no_brightness():
    given = one("colourise")
    given["mask"] = np.zeros_like(given["mask"])
    given["image"] = given["image"].mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    repaired = np.asarray(tiny_repair.model()(given))
    np.testing.assert_allclose(repaired @ WEIGHTS, given["image"][..., 0], atol=1e-5)
    assert np.ptp(repaired, axis=-1).mean() > 0.01


def test_each_task_is_another_thing():
    model, given = tiny_repair.model(), inputs(1)
    given["mask"] = np.ones_like(given["mask"])
    made = [np.asarray(model({**given, "task": np.array([at])})) for at in range(len(TASKS))]
    for at, first in enumerate(made):
        assert all(np.abs(first - other).max() > 1e-3 for other in made[:at])


@pytest.mark.parametrize("task", TASKS)
def test_a_pixel_depends_on_what_is_in_reach_and_on_nothing_beyond(task):
    model = tiny_repair.model()
    reach, multiple = model.reach, model.config.multiple
    side = 2 * (reach // multiple + 3) * multiple
    middle = side // 2 + 1
    given = one(task, height=side, width=side)
    given["mask"] = np.full_like(given["mask"], task == "inpaint")
    given["mask"][0, middle, middle] = 0  # known, and so seen
    changed = {**given, "image": given["image"].copy()}
    changed["image"][0, middle, middle] += 0.5
    moved = np.abs(np.asarray(model(changed)) - np.asarray(model(given)))[0].max(axis=-1) > 1e-6
    for axis in (0, 1):
        places = np.flatnonzero(moved.any(axis=1 - axis))
        assert places.min() >= middle - reach and places.max() <= middle + reach
    assert moved.sum() > 9


def test_an_untrained_model_changes_next_to_nothing():
    model = Repairer(RepairConfig(channels=(8, 8), depth=1))
    given = one("denoise")
    given["mask"] = np.zeros_like(given["mask"])
    assert np.abs(network_of(model)(*given.values()) - given["image"]).max() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (9, 17)])
def test_any_height_and_width_will_do(size):
    height, width = size
    given = one("denoise", height=height, width=width)
    assert network_of(tiny_repair.model())(*given.values()).shape == (1, height, width, 3)


def test_features_that_are_the_same_are_no_distance_apart():
    features = [np.ones((2, 3, 3, 4), "float32"), np.zeros((2, 1, 1, 5), "float32")]
    np.testing.assert_array_equal(feature_distance(features, features), [0, 0])
    other = [features[0] + 2, features[1]]
    np.testing.assert_allclose(feature_distance(features, other), [1, 1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": ["denoise", "denoise"]}, "name one at least, and each once"),
        ({"channels": []}, "channels is empty"),
        ({"tasks": ["denoise"], "feature_weight": 1.0}, "a discriminator judges none of the tasks"),
        ({"tasks": ["sharpen"]}, "key 'tasks.0' is 'sharpen'"),
    ],
)
def test_a_model_that_cannot_be_is_one_line(changes, said):
    with pytest.raises(UsageError, match=said):
        Repairer(changes)


# --- learning ---


def compiled(where, **changes):
    with devices.strategy(where).scope():
        model = tiny_repair.model(**changes)
        model.compile(SGD(0.05), SGD(0.05) if model.config.adversarial else None)
    return model


def after_one_step(where, **changes):
    model = compiled(where, **changes)
    before = [variable.numpy() for variable in model.trainable_variables]
    target = np.random.RandomState(9).random_sample((5, 24, 16, 3)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((inputs(5), target)).batch(5)
    logs = model.fit(data, verbose=0, shuffle=False).history
    after = [variable.numpy() for variable in model.trainable_variables]
    moved = [np.any(a != b) for a, b in zip(after, before, strict=True)]
    assert all(moved), "a weight did not move"
    return [*after, *(np.array(each) for each in logs.values())]


@pytest.mark.parametrize(
    "weights",
    [pytest.param((0.0, 0.0), id="error"),
     pytest.param((0.1, 1.0), id="adversarial", marks=pytest.mark.long)],
)  # fmt: skip
def test_one_step_on_two_devices_equals_one_on_one_device(weights):
    changes = dict(zip(("adversarial_weight", "feature_weight"), weights, strict=True))
    one, other = (after_one_step(where, **changes) for where in ("cpu", "cpu:2"))
    for ours, theirs in zip(other, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_discriminator_is_heard_on_the_tasks_that_it_judges_alone():
    model = compiled("cpu", judged=("inpaint",))
    given, real = inputs(4), np.zeros((4, 24, 16, 3), np.float32)
    np.testing.assert_array_equal(model._judged(given), [1, 0, 0, 0])
    before = [variable.numpy() for variable in model.discriminator.trainable_variables]
    others = {name: values[1:] for name, values in given.items()}
    model._train_discriminator(others, real[1:], real[1:] + 0.5)
    for variable, was in zip(model.discriminator.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, was)


def test_an_error_counts_what_was_unknown():
    model, given = tiny_repair.model(), one("inpaint")
    real = given["image"] + given["mask"] * 0.25
    error = model._error(given, real, given["image"])
    np.testing.assert_allclose(error, [0.25], rtol=1e-5)
