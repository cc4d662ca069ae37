"""Whatever Keras is set to, models are the same; it is left as it was, and so is the memory."""

import gc
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import ops
from tensorflow.python.framework.func_graph import FuncGraph

import zoo
from tests.house import ROOT
from tests.zoo.gan import tiny_gan
from tests.zoo.training.test_shipping import MODELS, RECIPES, outputs
from tests.zoo.training.test_training import run
from tests.zoo.vae import tiny
from zoo.startup import conventions
from zoo.training import TrainingError


@pytest.fixture
def elsewhere():
    """A program that computes in 64 bits and keeps the channels of its images first."""
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


def settings() -> tuple[str, str, str]:
    config = keras.config
    return config.floatx(), config.image_data_format(), config.dtype_policy().name


def here_and_there(make: Callable[[], keras.Model], use: Callable[[keras.Model], list]) -> None:
    """Use two equal models, one of them within the conventions, and compare."""
    with conventions():
        model = make()
        weights = model.get_weights()
        expected = use(model)
    other = make()
    assert settings() == ("float64", "channels_first", "float64")
    other.set_weights(weights)
    for ours, theirs in zip(use(other), expected, strict=True):
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_same_whatever_keras_is_set_to(name, elsewhere):
    here_and_there(MODELS[name], outputs)


@pytest.mark.parametrize("kind", ["convolutional", "conditional dense", "iwae", "colour"])
def test_a_vae_can_be_fitted_whatever_keras_is_set_to(kind, elsewhere):
    def losses(model):
        model.compile(keras.optimizers.SGD(1e-3))
        data = tiny.batch(model.config, 6)
        return model.fit(data, batch_size=3, verbose=0, shuffle=False).history["loss"]

    here_and_there(lambda: tiny.model(kind), losses)


def test_a_gan_steps_whatever_keras_is_set_to(elsewhere):
    config = tiny_gan.config("dcgan", "auxiliary", augment=("translation", "cutout"))
    here_and_there(
        lambda: tiny_gan.compiled(config),
        lambda model: list(model.train_step(tiny_gan.batch(config, 4)).values()),
    )


@pytest.mark.long
@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_run_is_the_same_whatever_keras_is_set_to(family, elsewhere, tmp_path):
    recipe = RECIPES[family]()
    found = zoo.train(recipe, tmp_path / "found")
    assert settings() == ("float64", "channels_first", "float64")
    with conventions():
        expected = zoo.train(recipe, tmp_path / "expected")
    assert found.best_validation_loss == expected.best_validation_loss


def test_a_run_that_fails_gives_the_settings_back(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(TrainingError):
            run(tmp_path / "run", train__learning_rate=1e30, train__optimizer="sgd")
        assert settings() == ("float32", "channels_last", "mixed_float16")
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "how", [{"KERAS_BACKEND": "jax"}, {"KERAS_BACKEND": "nonsense"}, {"KERAS_HOME": "{}"}]
)
@pytest.mark.parametrize(
    "code",
    [
        "import zoo; zoo.VAE",
        pytest.param("import zoo; zoo.Recipe", marks=pytest.mark.long),
        pytest.param("from zoo.training import train", marks=pytest.mark.long),
    ],
)
def test_another_backend_is_one_line(how, code, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    surroundings = {name: value.format(tmp_path) for name, value in how.items()}
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | surroundings,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 1
    last = shown.stderr.strip().splitlines()[-1]
    assert last.startswith("serving.errors.GenzooError: Keras ")
    assert "set KERAS_BACKEND=tensorflow" in last
    assert "During handling" not in shown.stderr


@pytest.mark.long
@pytest.mark.parametrize("family", RECIPES)
def test_nothing_of_a_run_stays_in_memory(family, tmp_path, monkeypatch):
    """Models, and what was traced of them, which TensorFlow would keep for its gradients."""
    recipe, made = RECIPES[family](), []
    build = type(recipe).build

    def remembered(self):
        model = build(self)
        made.append(weakref.ref(model))
        return model

    monkeypatch.setattr(type(recipe), "build", remembered)
    gc.collect()
    graphs, gradients = _graphs(), set(ops.gradient_registry.list())
    zoo.train(recipe, tmp_path / "run")
    gc.collect()
    assert len(made) >= 2 and all(model() is None for model in made)
    assert _graphs() <= graphs
    assert set(ops.gradient_registry.list()) <= gradients


def test_what_was_traced_before_a_run_and_after_it_keeps_its_gradients(tmp_path):
    @tf.function
    def before(x):
        return tf.nn.silu(x)

    @tf.function
    def later(x):
        return tf.nn.silu(x)

    x = tf.Variable([1.0, -2.0])
    expected = before(x)
    run(tmp_path / "run", train__epochs=1)
    later(x)
    gc.collect()
    for function in (before, later):
        with tf.GradientTape() as tape:
            found = function(x)
        np.testing.assert_allclose(found, expected)
        np.testing.assert_allclose(tape.gradient(found, x), [0.9276706, -0.0907842], rtol=1e-5)


def _graphs() -> set[int]:
    return {id(each) for each in gc.get_objects() if isinstance(each, FuncGraph)}


def test_scores_and_mask_of_attention_stay_apart():
    """Together they are an operator that is twenty times as slow; see `zoo.startup`."""
    config = zoo.GPTConfig(vocabulary_size=9, context=8, layers=1, width=16, heads=2)
    model, ids = zoo.GPT(config), tf.constant(np.arange(16).reshape(2, 8) % 9)
    context.context().enable_graph_collection()
    try:
        tf.function(model, autograph=False)(ids)
        graphs = context.context().export_run_metadata().partition_graphs
    finally:
        context.context().disable_graph_collection()
    kinds = {
        node.op for graph in graphs for each in graph.library.function for node in each.node_def
    }
    kinds |= {node.op for graph in graphs for node in graph.node}
    assert "BatchMatMulV2" in kinds or "_MklBatchMatMulV2" in kinds
    assert not [kind for kind in kinds if "Fused" in kind and "BatchMatMul" in kind]
