"""A step of a translator on two devices, or in parts, equals one on one device."""

import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.translation import tiny_translator
from zoo.training import devices
from zoo.training.accumulation import divide_steps
from zoo.training.optimizers import SGD


def weights_after_one_step(where: str, rows: int, parts: int, rate: float) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = tiny_translator.model(
            dropout=rate, attention_dropout=rate, positions="relative", encoder_layers=1
        )
        before = [variable.numpy() for variable in model.trainable_variables]
        model.compile(SGD(0.05))
        divide_steps(model, parts)
        model.optimizer.build(model.trainable_variables)
    batch = tiny_translator.batch(14, rows)
    data = tf.data.Dataset.from_tensor_slices(batch).batch(rows)
    loss = model.fit(data, verbose=0, shuffle=False).history["loss"]
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True)), "a weight did not move"
    return [*after, *loss, model.dropout_seed.state.numpy()]


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        pytest.param("cpu:2", 1, marks=pytest.mark.long),
        pytest.param("cpu:2", 2, marks=pytest.mark.long),
        ("cpu", 2),
    ],
)
def test_one_sgd_step_equals_one_on_one_device(where, parts):
    one, other = (
        weights_after_one_step(*each, rate=0.3) for each in (("cpu", 5, 1), (where, 5, parts))
    )
    for ours, theirs in zip(other, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
