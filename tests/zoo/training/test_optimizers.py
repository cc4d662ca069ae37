"""Optimizers and schedules."""

import keras
import numpy as np
import pytest

from zoo.recipe import TrainConfig
from zoo.training.optimizers import optimizer, schedule


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (3, 3, 4, 8)])
def test_muon_steps_equally_far_in_every_direction_of_a_matrix_or_kernel(shape):
    rate = 0.01
    config = TrainConfig(optimizer="muon", learning_rate=rate, schedule="constant", weight_decay=0)
    muon = optimizer(config, 10)
    variable = keras.Variable(np.zeros(shape, "float32"))
    muon.build([variable])
    muon.apply_gradients(
        [(np.random.RandomState(0).normal(size=shape).astype("float32"), variable)]
    )
    step = variable.numpy().reshape(-1, shape[-1])
    singular = np.linalg.svd(step / (rate * 0.2 * np.sqrt(max(step.shape))), compute_uv=False)
    assert singular.min() > 0.4 and singular.max() < 1.4  # Newton-Schulz comes no closer to 1


def test_the_rate_warms_up_and_falls():
    config = TrainConfig(learning_rate=0.1, warmup_steps=10)
    rates = [float(schedule(config, 100)(step)) for step in (0, 5, 10, 55, 100)]
    assert rates[0] == 0
    np.testing.assert_allclose(rates[1:3], [0.05, 0.1], rtol=1e-5)
    assert rates[2] > rates[3] > rates[4] >= 0
