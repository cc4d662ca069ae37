"""The judge: it learns, varies what it learns from, and says which weights it has."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from serving.errors import UsageError
from zoo.data import sources
from zoo.gan.collapse import CollapseNotice
from zoo.judge import Classifier, ClassifierConfig, KerasJudge, Pixels, load_judge
from zoo.judge.classifier import affine_maps
from zoo.judge.loading import JUDGES, PINNED
from zoo.judge.transfer import Lesson, teach, transfer_accuracy
from zoo.training import devices
from zoo.training.optimizers import SGD
from zoo.training.workdir import WorkDir

HAS_MNIST = "mnist" in sources.offline_names()
CONFIG = ClassifierConfig(image_shape=(8, 8, 1), classes=2, channels=(4, 6), features=8, shift=1.0)


def halves(count, seed=0):
    """Images with a bright upper or lower half, the label."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, 2, count).astype("int32")
    images = random.randint(0, 120, (count, 8, 8, 1))
    images[:, :4] += 120 * labels[:, None, None, None]
    images[:, 4:] += 120 * (1 - labels[:, None, None, None])
    return images.astype("uint8"), labels


def turned(image, **change):
    values = {"angle": [0.0], "scale": [1.0], "shift": [[0.0, 0.0]], **change}
    values = {name: tf.constant(value) for name, value in values.items()}
    maps = affine_maps(image.shape[1:], **values)
    return np.asarray(keras.ops.image.affine_transform(image, maps, data_format="channels_last"))


def test_images_turn_about_their_centre_and_move():
    image = np.random.RandomState(0).random_sample((1, 5, 5, 1)).astype("float32")
    np.testing.assert_allclose(turned(image), image, atol=1e-6)
    quarter = turned(image, angle=[math.pi / 2])[0, :, :, 0]
    np.testing.assert_allclose(quarter, np.rot90(image[0, :, :, 0]), atol=1e-4)
    left = turned(image, shift=[[1.0, 0.0]])
    np.testing.assert_allclose(left[:, :, :-1], image[:, :, 1:], atol=1e-6)
    np.testing.assert_allclose(turned(image, scale=[0.5])[0, 2, 2], image[0, 2, 2], atol=1e-5)


def test_inference_is_deterministic_and_training_varies():
    model = Classifier(CONFIG)
    image = halves(3)[0].astype("float32") / 255
    np.testing.assert_array_equal(model(image), model(image))
    assert np.any(
        np.asarray(model(image, training=True)) != np.asarray(model(image, training=True))
    )
    np.testing.assert_allclose(np.sum(model.probabilities(image), axis=1), 1, rtol=1e-5)


def weights_after_one_step(where):
    with devices.strategy(where).scope():
        keras.utils.set_random_seed(1)
        model = Classifier(CONFIG, seed=3)
        model.compile(SGD(1e-3))
        model.optimizer.build(model.trainable_variables)
    images, labels = halves(5)
    data = {"image": images.astype("float32") / 255, "labels": labels}
    model.fit(tf.data.Dataset.from_tensor_slices(data).batch(5), verbose=0, shuffle=False)
    return [variable.numpy() for variable in model.variables]


def test_one_sgd_step_on_two_devices_equals_one_on_one():
    for ours, theirs in zip(
        weights_after_one_step("cpu:2"), weights_after_one_step("cpu"), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_judge_has_the_weights_of_its_file(tmp_path):
    model = Classifier(CONFIG)
    path = tmp_path / "tiny.weights.h5"
    model.save_weights(path)
    images = halves(7)[0].astype("float32") / 255
    judge = KerasJudge(Classifier(CONFIG, seed=1), path)
    assert judge.name == "tiny" and len(judge.sha256) == 64
    np.testing.assert_allclose(judge.features(images), model.features(images), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        judge.probabilities(images), model.probabilities(images), rtol=1e-4, atol=1e-6
    )
    KerasJudge(Classifier(CONFIG), path, sha256=judge.sha256)
    with pytest.raises(UsageError, match="two judges cannot be compared"):
        KerasJudge(Classifier(CONFIG), path, sha256="0" * 64)
    with pytest.raises(UsageError, match="train the judge first"):
        KerasJudge(Classifier(CONFIG), tmp_path / "none.weights.h5")
    other = Classifier(CONFIG.model_copy(update={"features": 9}))
    with pytest.raises(UsageError, match="does not fit the judge") as caught:
        KerasJudge(other, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"feature": 3}, "did you mean 'features'"),
        ({"image_shape": [8, 8, 2]}, "2 channels"),
        ({"image_shape": [7, 7, 1]}, "cannot be halved 3 times"),
        ({"classes": 1}, "classes"),
    ],
)
def test_a_bad_configuration_is_named(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        ClassifierConfig.parse(values, "model")
    assert "\n" not in str(caught.value)


def test_good_images_teach():
    lesson = Lesson(epochs=5, batch_size=20, learning_rate=0.01)
    images, labels = halves(160)
    assert teach((images, labels), halves(50, seed=1), CONFIG, lesson) > 0.9
    with pytest.raises(UsageError, match="160 images and 3 labels"):
        teach((images, labels[:3]), (images, labels), CONFIG, lesson)


def test_what_was_taught_is_measured_beside_what_real_images_teach(monkeypatch):
    generated, real, test = halves(30), halves(40), halves(50)

    def share(train, test, config, lesson):
        return {30: 0.8, 40: 0.9}[len(train[0])]

    monkeypatch.setattr("zoo.judge.transfer.teach", share)
    metric = transfer_accuracy(generated, test, CONFIG, Lesson(epochs=6, seed=3), real)
    assert (metric.value, metric.floor) == (0.8, 0.9)
    assert (metric.samples, metric.test_samples, metric.seed) == (30, 50, 3)
    assert "6 epochs" in metric.definition
    assert not hasattr(transfer_accuracy(generated, test, CONFIG), "floor")


# --- collapse ---


def test_a_fall_is_said_once_until_it_recovers(capsys):
    notice = CollapseNotice(["coverage"])
    said = []
    for epoch, value in enumerate([0.5, 0.8, 0.6, 0.5, 0.4, 0.7, 0.1]):
        notice.on_epoch_end(epoch, {"coverage": value, "loss": 0.0})
        said.append(capsys.readouterr().err.strip())
    assert [bool(line) for line in said] == [False, False, False, True, False, False, True]
    assert "\n" not in said[3]
    assert said[3].startswith("epoch 4  coverage of the samples fell to 0.5 from 0.8")


def test_a_resumed_run_remembers_how_varied_samples_were(tmp_path, capsys):
    history = tmp_path / "history.csv"
    history.write_text("epoch,coverage\n0,0.9\n1,0.8\n")
    CollapseNotice(["coverage"], history=history).on_epoch_end(2, {"coverage": 0.5})
    assert "fell to 0.5 from 0.9" in capsys.readouterr().err


def test_pixels_tell_images_apart_and_know_one_class():
    judge, images = Pixels(), np.random.RandomState(0).rand(5, 10, 17, 3).astype("float32")
    features = judge.features(images)
    assert features.shape == (5, 10 * 8 * 3)
    np.testing.assert_allclose(features[:, :3], images[:, 0, :2].mean(axis=1), rtol=1e-6)
    assert judge.probabilities(images).shape == (5, 1)


def test_a_judge_by_the_directory_of_its_run(tmp_path):
    changes = {"data.name": "digits", "data.resize": True, "model.channels": [4], "train.epochs": 1}
    zoo.train("judge-mnist", tmp_path / "run", overrides=changes, quick=True)
    judge = load_judge(tmp_path / "run")
    assert judge.probabilities(np.zeros((2, 28, 28, 1), "float32")).shape == (2, 10)
    assert judge.name == "judge-mnist" and len(judge.sha256) == 64
    for wrong in ("mnst", tmp_path):
        with pytest.raises(UsageError, match="there is no judge"):
            load_judge(wrong)


def test_the_judge_of_mnist_is_the_one_that_was_measured():
    judge, run = load_judge("mnist"), WorkDir(JUDGES / "mnist")
    document = json.loads(run.metrics.read_text())
    assert document["weights_sha256"] == judge.sha256 == PINNED["mnist"]
    (accuracy,) = document["metrics"]
    assert accuracy["value"] >= 0.994 and accuracy["samples"] == 10_000
    assert judge.name == "judge-mnist"


@pytest.mark.long
@pytest.mark.skipif(not HAS_MNIST, reason="mnist is not on disk")
def test_the_judge_of_mnist_knows_digits():
    recipe = WorkDir(JUDGES / "mnist").read_recipe()
    images, labels = recipe.task().images.arrays("test")
    found = load_judge("mnist").probabilities(images[:1000]).argmax(axis=1)
    assert np.mean(found == labels[:1000]) >= 0.99
