"""Steps of both optimizers of a GAN on two devices equal those on one."""

import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.gan import tiny_gan
from zoo.training import devices

CONFIGS = {
    "dense": tiny_gan.config(
        "dense", "auxiliary", label_smoothing=0.1, discriminator_steps=2, learning_rate_ratio=2.0
    ),
    "gradient penalty": tiny_gan.config(
        "dcgan", "projection", loss="wasserstein", gradient_penalty=10.0
    ),
    "r1": tiny_gan.config(
        "dcgan",
        loss="hinge",
        r1=5.0,
        spectral_normalization=True,
        augment=("brightness", "translation", "cutout"),
    ),
    "residual": tiny_gan.config("residual", "projection", r1=1.0),
    "implicit": tiny_gan.config("dense", "implicit", continuous=2),
    "agreement": tiny_gan.config(
        "infogan", "implicit", agreement=1.0, augment=("affine", "strokes")
    ),
}

OFTEN_ENOUGH = (
    "agreement",
    "gradient penalty",
    "r1",
    "residual",
    "dense",
    "implicit",
)  # in the longer suite


def after_two_steps(config, where: str) -> tuple[list[np.ndarray], dict]:
    """All variables of the model after a batch of 5 and a smaller one, and what `fit` showed."""
    count = 6 if config.architecture == "dense" else 7
    with devices.strategy(where).scope():
        # Small against the gradient's scale, so that no weight leaves its region.
        model = tiny_gan.compiled(config, rate=1e-3)
        before = [variable.numpy() for variable in model.trainable_variables]
    data = tf.data.Dataset.from_tensor_slices(tiny_gan.batch(config, count)).batch(5)
    shown = model.fit(data, verbose=0, shuffle=False).history
    moved = [
        np.any(variable.numpy() != old)
        for variable, old in zip(model.trainable_variables, before, strict=True)
    ]
    assert np.mean(moved) > 0.9, "weights did not move"
    return [variable.numpy() for variable in model.variables], shown


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in OFTEN_ENOUGH else ())
        for name in CONFIGS
    ],
)
def test_sgd_steps_on_two_devices_equal_those_on_one(name):
    """Shares of 3 and 2 examples, then of 1 and none, or where there are convolutions 1 and 1.

    TensorFlow's convolutions of no example have a wrong shape on some processors; `zoo.train`
    refuses such batches.
    """
    one, shown = after_two_steps(CONFIGS[name], "cpu")
    two, also_shown = after_two_steps(CONFIGS[name], "cpu:2")
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for key in shown:
        np.testing.assert_allclose(also_shown[key], shown[key], rtol=1e-4, atol=1e-5)
