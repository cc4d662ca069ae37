"""The judge of scenes: right answers are read as what is there, and wrong pictures as wrong."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from serving.scenes.scene import Group, Scene
from zoo.data import sources
from zoo.data.scenes.config import ScenesConfig
from zoo.data.scenes.scenes import Scenes
from zoo.judge import load_judge
from zoo.judge.loading import JUDGES
from zoo.judge.scenes.config import DetectorConfig
from zoo.judge.scenes.detector import Answers, Detector, quarters
from zoo.judge.scenes.judge import PINNED, SceneJudge, agreement, load_scene_judge
from zoo.judge.scenes.reading import Agreement, Found, compare, read
from zoo.judge.scenes.targets import targets
from zoo.training import devices
from zoo.training.optimizers import SGD
from zoo.training.workdir import WorkDir

SCENES = Scenes(ScenesConfig(digits="digits", emoji=(), count=400))
SMALL = DetectorConfig(things=10, channels=(4, 6, 8))


def answers(part="train", count=200):
    """Some scenes, and what a perfect detector would say of them."""
    found = SCENES.read(part, 0, count)
    return found, targets(found.things, SCENES.config)


@pytest.mark.parametrize("part", ["train", "test"])
def test_right_answers_are_read_as_what_is_there(part):
    found, right = answers(part)
    things = read(*right.values(), SCENES.grammar)
    for some, scene in zip(things, found.scene, strict=True):
        assert compare(some, scene) == Agreement(*[True] * 5)
        assert compare(some, scene.turned) == Agreement(*[True] * 5)


def test_scenes_are_not_read_as_others():
    found, right = answers()
    things = read(*right.values(), SCENES.grammar)
    others = [*found.scene[1:], found.scene[0]]
    shares = {metric.name: metric.value for metric in agreement(things, others, "wrong pictures")}
    assert shares["scene_count"] > 0.1 and shares["scene_all"] < 0.02
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


RED, BLUE = Group(2, "three", "red"), Group(1, "seven", "blue", "large")
LYING = [
    Found("three", "red", "medium", 10, 10),
    Found("three", "red", "medium", 12, 40),
    Found("seven", "blue", "large", 44, 20),
]


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (LYING, 5),
        (LYING[:2], 0),
        ([*LYING, LYING[0]], 0),
        ([LYING[0]._replace(thing="eight"), *LYING[1:]], 1),
        ([LYING[0]._replace(colour="black"), *LYING[1:]], 2),
        ([LYING[0]._replace(colour="blue"), LYING[1], LYING[2]._replace(colour="red")], 2),
        ([LYING[0]._replace(size="small"), *LYING[1:]], 3),
        ([LYING[0]._replace(down=50), *LYING[1:]], 4),
    ],
)
def test_what_differs_is_told(found, right):
    wanted = Agreement(*(index < right for index in range(5)))
    assert compare(found, Scene(RED, "above", BLUE)) == wanted
    assert compare(found, Scene(BLUE, "below", RED)) == wanted


@pytest.mark.parametrize(("place", "holds"), [("left", False), ("right", False), ("below", False)])
def test_places_are_of_all_things(place, holds):
    assert compare(LYING, Scene(RED, place, BLUE)).all == holds
    assert compare(LYING[1:], Scene(Group(1, "three", "red"), "right", BLUE)).all


def test_cells_are_in_the_order_of_the_picture():
    """What the upper half of a picture says is in the upper half of the answers."""
    x = np.arange(2 * 3 * 8, dtype="float32").reshape(1, 2, 3, 8)
    found = np.asarray(quarters(tf.constant(x)))
    assert found.shape == (1, 4, 6, 2)
    np.testing.assert_array_equal(found[0, :2, :2].reshape(-1), x[0, 0, 0])
    np.testing.assert_array_equal(found[0, 2:, 4:].reshape(-1), x[0, 1, 2])


def batch(count=5):
    found, right = answers(count=count)
    return {"image": found.image.astype("float32") / 255} | right


def test_right_answers_cost_least_and_say_nothing_of_empty_cells():
    model, data = Detector(SMALL), batch()
    sure = Answers(
        np.log(data["centre"] + 1e-6) - np.log1p(1e-6 - data["centre"]),
        *(
            30 * np.eye(size, dtype="float32")[data[name]]
            for name, size in (("thing", 10), ("colour", 6), ("size", 3))
        ),
    )
    sure = Answers(*map(tf.constant, sure))
    least = float(model.compute_loss(x=data, y_pred=sure))
    assert least < float(model.compute_loss(x=data, y_pred=sure._replace(thing=-sure.thing))) - 50
    empty = (data["centre"] < 0.3)[..., None]
    moved = sure._replace(thing=tf.where(empty, 7.0, sure.thing))
    assert least == pytest.approx(float(model.compute_loss(x=data, y_pred=moved)))


def weights_after_one_step(where):
    with devices.strategy(where).scope():
        keras.utils.set_random_seed(1)
        model = Detector(SMALL)
        model.compile(SGD(1e-4))
        model.optimizer.build(model.trainable_variables)
    model.fit(tf.data.Dataset.from_tensor_slices(batch()).batch(5), verbose=0, shuffle=False)
    return [variable.numpy() for variable in model.variables]


@pytest.mark.long
def test_one_sgd_step_on_two_devices_equals_one_on_one():
    for ours, theirs in zip(
        weights_after_one_step("cpu:2"), weights_after_one_step("cpu"), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_batches_go_on_where_they_stopped():
    task = zoo.Recipe.load("judge-scenes", {"data.count": 100}, quick=True).task()
    whole = [each for each, _ in zip(task.training_batches(0), range(5), strict=False)]
    later = next(iter(task.training_batches(4)))
    for name, values in whole[4].items():
        np.testing.assert_array_equal(values, later[name])
    np.testing.assert_array_equal(whole[0]["image"], whole[3]["image"])  # 3 batches of 32 are all


@pytest.mark.long
def test_a_trained_judge_reads_and_measures(tmp_path):
    changes = {"train.epochs": 1, "model.channels": [4, 6, 8]}
    zoo.train("judge-scenes", tmp_path / "run", overrides=changes, quick=True)
    evaluate(tmp_path / "run")
    judge = load_scene_judge(tmp_path / "run")
    assert judge.name == "judge-scenes" and len(judge.sha256) == 64
    found = SCENES.read("test", 0, 8)
    metrics = judge.measure(found.image, found.caption, seed=3)
    assert [metric.name for metric in metrics][-1] == "scene_all"
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    for metric, own in zip(metrics, written, strict=True):
        assert metric.floor == own["value"] and metric.judge_sha256 == judge.sha256
        assert metric.samples == 8 and metric.seed == 3 and metric.better == "higher"
    with pytest.raises(UsageError, match=r"reads pictures of 64x64x3, not 32x32x3; train one"):
        judge.read(found.image[:, :32, :32])
    with pytest.raises(UsageError, match="8 pictures and 7 captions"):
        judge.measure(found.image, found.caption[:7], seed=0)
    with pytest.raises(UsageError, match="'dragon' is no word"):
        judge.measure(found.image[:1], ["a dragon"], seed=0)
    with pytest.raises(UsageError, match="is a run of family 'detector'; expected a classifier"):
        load_judge(tmp_path / "run")
    with pytest.raises(UsageError, match="there is no judge"):
        load_scene_judge(tmp_path)


def test_the_judge_of_the_package_is_the_one_that_was_measured():
    judge, run = load_scene_judge(), WorkDir(JUDGES / "scenes")
    document = json.loads(run.metrics.read_text())
    assert document["weights_sha256"] == judge.sha256 == PINNED["scenes"]
    assert judge.name == "judge-scenes" and judge.own["scene_all"] >= 0.976
    assert document["metrics"][-1]["samples"] == 1000
    assert run.best_weights.stat().st_size < 10**6
    assert not judge.read(np.full((1, 64, 64, 3), 255, np.uint8))[0]  # there is nothing
    with pytest.raises(UsageError, match="there is no judge 'scene'; did you mean 'scenes'"):
        load_scene_judge("scene")


@pytest.mark.long
@pytest.mark.skipif(
    not {"mnist", "openmoji"} <= {*sources.offline_names()}, reason="data are not on disk"
)
def test_the_judge_of_the_package_knows_scenes():
    judge, found = load_scene_judge(), Scenes(ScenesConfig()).read("test", 0, 300)
    shares = {m.name: m.value for m in judge.measure(found.image, found.caption, seed=0)}
    assert shares["scene_count"] >= 0.99 and shares["scene_all"] >= 0.96


def test_a_perfect_model_is_measured_as_perfect():
    """A model that answers from a table of what it was shown."""
    found, right = answers(count=6)

    class Knowing(Detector):
        def call(self, inputs, training=False):
            centre = tf.constant(right["centre"])
            logits = tf.math.log(centre + 1e-6) - tf.math.log(1 + 1e-6 - centre)
            kinds = (tf.one_hot(right[name], 10) for name in ("thing", "colour", "size"))
            return Answers(logits, *kinds)

    judge = SceneJudge(Knowing(SMALL), SCENES.grammar, "knowing", "0" * 64, {})
    metrics = judge.measure(found.image, found.caption, seed=0)
    assert [metric.value for metric in metrics] == [1.0] * 5
    assert not hasattr(metrics[0], "floor")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model.things": 11}, "the scenes are of 22 things and 64 pixels, the model of 11"),
        ({"data.size": 96}, "set model.things and model.size"),
        ({"model.channels": [4, 4]}, "model.channels"),
        ({"data.cuont": 4}, "did you mean 'count'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        zoo.Recipe.load("judge-scenes", values)
    assert "\n" not in str(caught.value)
