"""Students learn from their teacher what NumPy says, wherever and however they train."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from serving.errors import UsageError
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from tests.zoo.transformer import tiny_gpt, tiny_runs
from zoo.recipe import TrainConfig
from zoo.training import devices
from zoo.training.accumulation import divide_steps
from zoo.training.optimizers import SGD
from zoo.training.smaller.distillation import Teaching, softened_nats, teach


def student(weight=0.7, temperature=3.0, kind="grouped", **changes) -> zoo.GPT:
    """A tiny model that has another one, larger, as its teacher."""
    model = tiny_gpt.model(kind, **changes)
    teacher = tiny_gpt.model("llama", seed=5, width=24, context=20)
    model.teaching = Teaching(teacher, weight, temperature)
    return model


def log_shares(logits) -> np.ndarray:
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_softened_nats_are_the_cross_entropy_of_numpy(temperature):
    teacher, logits = np.random.RandomState(0).normal(0, 3, (2, 4, 5, 7)).astype("float32")
    shares = np.exp(log_shares(teacher / temperature))
    by_hand = -(temperature**2) * (shares * log_shares(logits / temperature)).sum(-1)
    found = softened_nats(teacher, logits, temperature)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_the_loss_is_shared_between_the_data_and_the_teacher():
    model = student(weight=0.7, temperature=3.0)
    inputs, targets = tiny_gpt.batch(3)
    weights = np.random.RandomState(1).randint(0, 2, targets.shape).astype("float32")
    logits = model(inputs)
    own = -np.take_along_axis(log_shares(logits), targets[..., None], -1)[..., 0]
    shares = np.exp(log_shares(np.asarray(model.teaching.teacher(inputs)) / 3))
    taught = -9 * (shares * log_shares(np.asarray(logits) / 3)).sum(-1)
    expected = ((0.3 * own + 0.7 * taught) * weights).sum() / weights.sum()
    loss = model.compute_loss(x=inputs, y=targets, y_pred=logits, sample_weight=weights)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    plain = (own * weights).sum() / weights.sum()  # what chooses the best weights
    assert float(model.validation_loss((inputs, targets, weights))) == pytest.approx(
        plain, rel=1e-5
    )


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(temperature):
    model, twin = tiny_gpt.model("llama"), tiny_gpt.model("llama")
    model.teaching = Teaching(twin, 1.0, temperature)
    inputs, targets = tiny_gpt.batch(4)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=inputs, y=targets, y_pred=model(inputs, training=True))
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert np.abs(tf.convert_to_tensor(gradient)).max() < 1e-6 * temperature**2


def after_one_step(where: str, count: int, parts: int = 1) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = student(dropout=0.3, layers=1)
        model.compile(SGD(0.05))
        divide_steps(model, parts)
        model.optimizer.build(model.trainable_variables)
    inputs, targets = tiny_gpt.batch(count)
    weights = np.random.RandomState(1).randint(0, 2, targets.shape).astype("float32")
    before = model.teaching.fingerprint()
    data = tf.data.Dataset.from_tensor_slices((inputs, targets, weights)).batch(count)
    loss = model.fit(data, verbose=0, shuffle=False).history["loss"]
    assert model.teaching.fingerprint() == before
    return [*(variable.numpy() for variable in model.trainable_variables), *loss]


@pytest.mark.parametrize(("where", "count", "parts"), [("cpu:2", 5, 1), ("cpu", 7, 2)])
def test_a_step_on_two_devices_or_in_parts_equals_one_on_one(where, count, parts):
    expected = after_one_step("cpu", count)
    for ours, theirs in zip(after_one_step(where, count, parts), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_teacher_is_no_part_of_its_student():
    model, alone = student(), tiny_gpt.model("grouped")
    assert len(model.variables) == len(alone.variables)
    assert model.count_params() == alone.count_params()


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return tiny_runs.trained(tmp_path_factory.mktemp("teacher"), model__width=24, model__layers=1)


def recipe(place, teacher, **others) -> zoo.Recipe:
    own = {
        "model__layers": 1,
        "model__dropout": 0.1,
        "train__accumulate": 2,
        "train__teacher": str(teacher),
    }
    changes = tiny_runs.changes(place, tiny_runs.OTHER, **own | others)
    return zoo.Recipe.load("gpt-shakespeare-nano", changes)


@pytest.mark.long
def test_resuming_is_bit_equal_and_the_tokens_are_the_teachers(teacher, tmp_path, monkeypatch):
    taught = recipe(tmp_path, teacher, train__precision="mixed_bfloat16")
    whole = zoo.train(taught, tmp_path / "whole").workdir
    stop_and_resume(taught, tmp_path / "parts", monkeypatch, step=3)
    assert_same_run(whole, tmp_path / "parts")
    # The text has fewer characters than the teacher knows.
    assert (whole / "tokenizer.json").read_bytes() == (teacher / "tokenizer.json").read_bytes()
    assert zoo.fine_tuning(whole).train.teacher is None
    record = json.loads((whole / "training.json").read_text())
    assert record["places"]["train.teacher"] == str(teacher)


@pytest.mark.long
def test_another_teacher_by_the_same_name_is_refused(teacher, tmp_path):
    place = Path(shutil.copytree(teacher, tmp_path / "teacher"))
    taught = recipe(tmp_path, place)
    zoo.train(taught, tmp_path / "run")
    (place / "last.weights.h5").rename(place / "best.weights.h5")
    weights = zoo.from_workdir(place)
    weights.final_norm.scale.assign(weights.final_norm.scale * 2)
    weights.save_weights(place / "best.weights.h5")
    with pytest.raises(UsageError, match=r"is not the teacher any more that .*run began with"):
        zoo.train(taught, tmp_path / "run", resume=True)


def test_a_teacher_that_knows_other_tokens_is_refused(teacher, tmp_path):
    other = {"train__initial_weights": "gpt-shakespeare-nano", "model__vocabulary_size": 68}
    with pytest.raises(UsageError, match="has other tokens than gpt-shakespeare-nano; expected"):
        zoo.train(recipe(tmp_path, teacher, **other), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__context": 17}, "sees 16 tokens at once; set model.context=16, or less"),
        ({"model__vocabulary_size": 9}, "set model.vocabulary_size="),
        ({"train__teacher": "no/such/run"}, "no/such/run"),
        ({"train__teacher": "vae-mnist"}, "vae-mnist has no tokenizer.json"),
        ({"train__teacher_weight": 0.0}, "key 'train.teacher_weight' is 0.0"),
        ({"train__teacher_weight": 1.5}, "key 'train.teacher_weight' is 1.5"),
        ({"train__teacher_temperature": 0.0}, "key 'train.teacher_temperature' is 0.0"),
    ],
)
def test_what_cannot_be_taught_is_one_line(teacher, changes, message, tmp_path):
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        zoo.train(recipe(tmp_path, teacher, **changes), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ["teacher_weight", "teacher_temperature"])
def test_a_share_of_no_teacher_is_refused(key):
    with pytest.raises(UsageError, match=f"{key} goes with teacher; name a model there"):
        TrainConfig.parse({key: 0.5})


def test_other_families_learn_from_their_data_alone():
    with pytest.raises(UsageError, match="a VAE learns from its data alone; leave the key out"):
        teach(zoo.from_preset("vae-mnist"), TrainConfig(teacher="vae-mnist"))
    with pytest.raises(UsageError, match="vae-mnist is a VAE; expected a Transformer"):
        teach(tiny_gpt.model(), TrainConfig(teacher="vae-mnist"))
    with pytest.raises(UsageError, match="gpt-shakespeare-nano has 68 tokens, and the model 11"):
        teach(tiny_gpt.model(), TrainConfig(teacher="gpt-shakespeare-nano"))
