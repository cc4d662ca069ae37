"""Flows: where their path leads, what they learn from, and how they are trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import zoo
from serving.errors import UsageError
from serving.families.flow.path import Course, follow, guided
from tests.zoo.flow import tiny_flow
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.flow import FlowConfig
from zoo.flow.flow import displacement
from zoo.flow.task import FlowTask, mixed
from zoo.training import devices
from zoo.training.optimizers import SGD

TO_IMAGE = np.random.RandomState(1).normal(size=(2, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_more_steps_are_more_exact_by_the_order_of_the_solver(solver, order):
    errors = []
    for steps in (20, 40):
        end = follow(lambda image, time: image, np.ones((1, 1, 1, 1)), Course(steps, 1, solver))
        errors.append(abs(end.item() - np.e))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.sampled_from(["euler", "heun"]), st.integers(0, 100))
def test_noise_of_an_image_gives_the_image_where_the_path_is_straight(steps, solver, seed):
    noise = np.random.RandomState(seed).normal(size=(2, 8, 8, 1)).astype(np.float32)
    asked = []

    def velocity(image, time):
        asked.append(time)
        return TO_IMAGE - noise

    course = Course(steps, 1.0, solver)
    np.testing.assert_allclose(follow(velocity, noise, course), TO_IMAGE, atol=1e-5)
    assert len(asked) == course.evaluations and min(asked) >= 0 and max(asked) <= 1 + 1e-9
    np.testing.assert_allclose(follow(velocity, TO_IMAGE, course, 1.0, -1.0), noise, atol=1e-5)


def test_a_flow_in_half_precision_takes_times_and_images_as_they_are():
    whole = tiny_flow.model()
    x, _ = tiny_flow.batch(8)
    near = x | {"time": x["time"] + np.float32(1e-3)}  # no step of a bfloat16 near 1
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        halved = tiny_flow.model()
    finally:
        keras.config.set_dtype_policy("float32")
    found = halved(x)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, whole(x), rtol=0.1, atol=0.2)
    assert np.abs(halved(near) - found).max(axis=(1, 2, 3)).min() > 0


def test_guidance_goes_from_no_label_through_the_label_and_on():
    model = tiny_flow.model()
    x, _ = tiny_flow.batch(3)
    image, time, labels = x["image"], 0.3, np.array([1, 2, 3])
    found = [
        guided(model.velocity, labels, 10, strength, tf.keras.ops)(image, time).numpy()
        for strength in (0, 1, 3)
    ]
    alone = model.velocity(image, np.full(3, time, np.float32), np.full(3, 10)).numpy()
    np.testing.assert_allclose(found[0], alone, atol=1e-5)
    np.testing.assert_allclose(found[2], alone + 3 * (found[1] - alone), atol=1e-4)
    assert np.abs(found[1] - alone).max() > 1e-3


def test_a_flow_begins_at_rest_and_every_weight_learns():
    model = tiny_flow.model()
    fresh = type(model)(model.config)
    x, y = tiny_flow.batch(6)
    assert np.abs(fresh(x)).max() == 0
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        gradient = tf.convert_to_tensor(gradient)
        # What is added to all keys alike changes no weight of a softmax.
        assert np.abs(gradient).max() > 0 or "bias" in variable.path, variable.path


@pytest.mark.parametrize("classes", [pytest.param(0, marks=pytest.mark.long), 10])
def test_steps_on_two_devices_equal_those_on_one(classes):
    x, y = tiny_flow.batch(7, classes)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
    after = []
    for where in ("cpu", "cpu:2"):
        with devices.strategy(where).scope():
            guidance = {} if classes else {"guidance": 1.0}
            model = tiny_flow.model(classes=classes, **guidance)
            model.compile(SGD(0.01))
        model.fit(data, verbose=0, shuffle=False)
        after.append([variable.numpy() for variable in model.trainable_variables])
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_batches_hold_what_leads_from_their_noise_to_their_images():
    task = FlowTask(tiny_flow.recipe(model__unlabelled=0.5, train__batch_size=90))
    (x, y), *_ = task.training_batches(0).take(1).as_numpy_iterator()
    share = x["time"][:, None, None, None]
    image = x["image"] + (1 - share) * y  # where the straight line ends
    assert image.min() > -1.01 and image.max() < 1.01
    noise = x["image"] - share * y
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    assert 0.3 < np.mean(x["labels"] == 10) < 0.7
    later, _ = next(iter(task.training_batches(1).as_numpy_iterator()))
    second = list(task.training_batches(0).take(2).as_numpy_iterator())[1][0]
    np.testing.assert_array_equal(later["image"], second["image"])
    np.testing.assert_array_equal(later["time"], second["time"])


def test_a_mixture_is_noise_at_first_and_an_image_at_last():
    image, noise = np.full((2, 1, 1, 1), 0.75), np.full((2, 1, 1, 1), -3.0)
    x, y = mixed(image, noise, np.array([0.0, 1.0]), None)
    np.testing.assert_allclose(x["image"][:, 0, 0, 0], [-3.0, 0.5])
    np.testing.assert_allclose(y, 3.5)
    assert "labels" not in x


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path, monkeypatch):
    recipe = tiny_flow.recipe(train__epochs=2)
    zoo.train(recipe, tmp_path / "whole")
    stop_and_resume(recipe, tmp_path / "parted", monkeypatch, step=4)
    assert_same_run(tmp_path / "whole", tmp_path / "parted")


@pytest.mark.long
def test_a_student_crosses_a_segment_as_its_teacher_does(tmp_path):
    zoo.train(tiny_flow.recipe(), tmp_path / "teacher")
    short = {"model__segments": 2, "model__steps": 2, "model__solver": "euler"}
    recipe = tiny_flow.recipe(
        **short, train__teacher=str(tmp_path / "teacher"), train__teacher_weight=1.0
    )
    run = zoo.train(recipe, tmp_path / "student")
    student = zoo.from_workdir(run.workdir)
    assert student.config.course == Course(2, 1.0, "euler")
    x, taught = recipe.task().validation_examples()
    assert set(np.unique(x["time"])) == {0.0, 0.5}
    teacher = tiny_flow.model()
    assert displacement(teacher, x, recipe.model).shape == taught.shape
    with pytest.raises(UsageError, match=r"draws images \(8, 8, 1\) of 10 classes in 2 segments"):
        student.check_teacher(student, "it")
    with pytest.raises(UsageError, match="encode with its teacher"):
        student.encode(np.zeros((1, 8, 8, 1), np.float32), labels=[1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patch": 3}, "do not divide into patches of 3; choose a patch that divides both"),
        ({"image_shape": (8, 8, 2)}, "has 2 channels; expected 1"),
        ({"segments": 4}, "set model.steps to 4 and model.solver to euler"),
        ({"classes": 0}, "guidance goes with labels"),
        ({"heads": 3}, "does not divide into 3 heads"),
    ],
)
def test_a_configuration_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        FlowConfig(**(tiny_flow.RECIPE["model"] | {"image_shape": (8, 8, 1)} | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__binarize": True}, "a flow draws grey levels"),
        ({"data__mixup": 0.2}, "leave data.mixup and data.adversarial out"),
        ({"train__teacher": "runs/it"}, "model.segments and train.teacher go together"),
        ({"model__classes": 0, "model__guidance": 1.0, "evaluate__lesson": 9}, "labelled images"),
    ],
)
def test_a_recipe_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        tiny_flow.recipe(**changes)
