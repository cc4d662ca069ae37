"""Optimizers and schedules."""

import keras
import numpy as np
import pytest

from tests.zoo.gan import tiny_gan
from tests.zoo.transformer import tiny_gpt
from tests.zoo.vae import tiny
from zoo.judge.classifier import Classifier
from zoo.judge.config import ClassifierConfig
from zoo.recipe import TrainConfig
from zoo.training.optimizers import optimizer, schedule

MODELS = {
    "vae": lambda: tiny.model("conditional"),
    "gan": lambda: tiny_gan.model(tiny_gan.config("residual", "projection")),
    "gpt": lambda: tiny_gpt.model("gpt-2"),
    "grouped gpt": lambda: tiny_gpt.model("grouped"),
    "classifier": lambda: Classifier(ClassifierConfig(channels=(4, 4, 4), features=6)),
}


def muon(**values) -> keras.optimizers.Optimizer:
    values = {"learning_rate": 0.01, "schedule": "constant", "weight_decay": 0.0} | values
    return optimizer(TrainConfig(optimizer="muon", **values), 10)


def stepped(gradients: list[np.ndarray], parts: tuple[int, ...] | None = None) -> list[np.ndarray]:
    """What a few steps of Muon make of a variable of zeros."""
    variable, made = keras.Variable(np.zeros_like(gradients[0])), muon()
    if parts:
        variable.parts = parts
    made.build([variable])
    for gradient in gradients:
        made.apply_gradients([(gradient, variable)])
    return variable.numpy()


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (3, 3, 4, 8)])
def test_muon_steps_equally_far_in_every_direction_of_a_matrix_or_kernel(shape):
    step = stepped([np.random.RandomState(0).normal(size=shape).astype("float32")])
    step = step.reshape(-1, shape[-1])
    singular = np.linalg.svd(step / (0.01 * 0.2 * np.sqrt(max(step.shape))), compute_uv=False)
    assert singular.min() > 0.4 and singular.max() < 1.4  # Newton-Schulz comes no closer to 1


def test_muon_steps_matrices_that_are_applied_as_one_each_by_itself():
    random, ends = np.random.RandomState(0), (4, 6)
    gradients = [random.normal(size=(5, 9)).astype("float32") for _ in range(3)]
    together = stepped(gradients, parts=(4, 2, 3))
    alone = [
        stepped(list(columns))
        for columns in zip(*(np.split(each, ends, axis=1) for each in gradients), strict=True)
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))
    assert np.abs(together - stepped(gradients)).max() > 1e-3


@pytest.mark.parametrize(("kind", "attention"), [("llama", (16, 16, 16)), ("grouped", (16, 8, 8))])
def test_a_transformer_says_what_it_applies_as_one(kind, attention):
    for block in tiny_gpt.model(kind).blocks:
        assert block.attention.project.kernel.parts == attention
        assert block.feed_forward.expand.kernel.parts == 2 * (block.feed_forward.hidden_width,)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_kernels_and_embeddings_decay_and_nothing_else(kind, name):
    """With gradients of zero, whatever moves has decayed."""
    model = MODELS[kind]()
    config = TrainConfig(
        optimizer=name, learning_rate=0.1, schedule="constant", weight_decay=0.5, ema=0.0
    )
    made = optimizer(config, 10)
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    made.build(variables)
    made.apply_gradients([(np.zeros(each.shape, "float32"), each) for each in variables])
    for variable in variables:
        decays = variable.name in ("kernel", "embeddings", "reverse_embeddings")
        kept = 1 - 0.1 * 0.5 if decays else 1
        np.testing.assert_allclose(variable, kept, rtol=1e-6, err_msg=variable.path)
    assert {variable.name for variable in variables} <= {
        *("kernel", "embeddings", "reverse_embeddings"), *("bias", "gamma", "beta", "scale")
    }  # fmt: skip


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_plain_optimizers_decay_nothing(name):
    assert optimizer(TrainConfig(optimizer=name), 10).weight_decay is None
    with pytest.raises(ValueError, match=f"{name} would ignore it"):
        TrainConfig(optimizer=name, weight_decay=0.5)


def test_the_rate_warms_up_and_falls():
    config = TrainConfig(learning_rate=0.1, warmup_steps=10)
    rates = [float(schedule(config, 100)(step)) for step in (0, 5, 10, 55, 100)]
    assert rates[0] == 0
    np.testing.assert_allclose(rates[1:3], [0.05, 0.1], rtol=1e-5)
    assert rates[2] > rates[3] > rates[4] >= 0
