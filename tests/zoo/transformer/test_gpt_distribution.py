"""A step of a Transformer on two devices, or in parts, equals one on one device."""

import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.transformer import tiny_gpt
from zoo.training import devices
from zoo.training.accumulation import Accumulating, divide_steps
from zoo.training.optimizers import SGD


def weights_after_one_step(where: str, count: int, parts: int = 1, **changes) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = tiny_gpt.model("grouped", **changes)
        before = [variable.numpy() for variable in model.trainable_variables]
        model.compile(SGD(0.05))
        divide_steps(model, parts)
        model.optimizer.build(model.trainable_variables)
    inputs, targets = tiny_gpt.batch(count)
    weights = np.random.RandomState(1).randint(0, 2, targets.shape).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((inputs, targets, weights)).batch(count)
    loss = model.fit(data, verbose=0, shuffle=False).history["loss"]
    assert int(model.optimizer.iterations.numpy()) == 1
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True)), "a weight did not move"
    return [*after, *loss, model.dropout_seed.state.numpy()]


@pytest.mark.parametrize(("count", "rate"), [(5, 0.3), (1, 0.0)])
def test_one_sgd_step_on_two_devices_equals_one_on_one(count, rate):
    one, two = (
        weights_after_one_step(where, count, dropout=rate, attention_dropout=rate, layers=1)
        for where in ("cpu", "cpu:2")
    )
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("where", "count", "parts", "rate"),
    [
        ("cpu", 6, 2, 0.3),
        pytest.param("cpu:2", 8, 4, 0.0, marks=pytest.mark.long),
        pytest.param("cpu:2", 7, 2, 0.3, marks=pytest.mark.long),
        ("cpu:2", 3, 4, 0.3),
    ],
)
def test_a_step_in_parts_equals_one_on_one_device(where, count, parts, rate):
    kind = {"dropout": rate, "attention_dropout": rate, "layers": 1}
    whole = weights_after_one_step("cpu", count, **kind)
    in_parts = weights_after_one_step(where, count, parts, **kind)
    for ours, theirs in zip(in_parts, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_what_a_divided_step_needs_cannot_be_forgotten():
    class Forgetful(Accumulating):
        def weight(self, data):
            return 1.0

    with pytest.raises(TypeError, match="abstract method seeds"):
        Forgetful()
