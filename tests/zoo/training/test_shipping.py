"""What ships: averages of the weights in training, with the digits that the layers compute with."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.gan import tiny_gan
from tests.zoo.gan.test_gan_training import RECIPE as GAN
from tests.zoo.training.test_training import TINY
from tests.zoo.transformer import tiny_gpt
from tests.zoo.transformer.test_gpt_training import RECIPE as GPT
from tests.zoo.vae import tiny
from zoo.judge.classifier import Classifier
from zoo.judge.config import ClassifierConfig
from zoo.training.callbacks.progress import Interruption
from zoo.training.callbacks.shipping import Shipping
from zoo.training.workdir import WorkDir

SHORT = {"train.epochs": 2, "train.ema": 0.6}
JUDGE = {"model.channels": [4, 4, 4], "model.features": 8, "model.image_shape": [8, 8, 1]}
RECIPES = {
    "vae": lambda: zoo.Recipe.load("vae-digits", TINY | SHORT),
    "gan": lambda: zoo.Recipe.parse(GAN).changed(SHORT),
    "transformer": lambda: zoo.Recipe.parse(GPT).changed(SHORT),
    "classifier": lambda: zoo.Recipe.load(
        "judge-mnist", JUDGE | SHORT | {"data.name": "digits"}, quick=True
    ),
}


@pytest.mark.parametrize("family", RECIPES)
def test_what_ships_is_the_average_over_all_steps(family, tmp_path, monkeypatch):
    """By hand in float64, over the weights after each step; what is not trained is as it was."""
    steps, trained, original = [], [], Interruption.on_train_batch_end

    def record(self, batch, logs=None):
        if not steps:
            averaged = {id(variable) for variable in self.model.optimizer._trainable_variables}
            trained.extend(id(variable) in averaged for variable in self.model.variables)
        steps.append([variable.numpy() for variable in self.model.variables])
        original(self, batch, logs)

    monkeypatch.setattr(Interruption, "on_train_batch_end", record)
    recipe = RECIPES[family]()
    run = zoo.train(recipe, tmp_path / "run")
    assert len(steps) == run.steps > 3
    shipped = recipe.build()
    shipped.load_weights(WorkDir(run.workdir).last_weights)
    assert sum(trained) > 4
    for index, (variable, averaged) in enumerate(zip(shipped.variables, trained, strict=True)):
        values = [step[index] for step in steps]
        expected = values[0].astype("float64")
        for value in values[1:]:
            expected = 0.6 * expected + 0.4 * value
        if averaged:
            np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-6)
            assert np.abs(expected - values[-1]).max() > 1e-5, "no step is seen in the average"
        elif variable.trainable:  # of the discriminator, which ships as it is
            np.testing.assert_array_equal(variable, values[-1])


MODELS = {
    "vae": lambda: tiny.model("convolutional"),
    "dense vae": lambda: tiny.model("conditional dense"),
    "dense gan": lambda: tiny_gan.model(tiny_gan.config("dense")),
    "dcgan": lambda: tiny_gan.model(
        tiny_gan.config("dcgan", "projection", spectral_normalization=True)
    ),
    "residual gan": lambda: tiny_gan.model(tiny_gan.config("residual", "auxiliary")),
    "tied gpt": lambda: tiny_gpt.model("gpt-2"),
    "gpt": lambda: tiny_gpt.model("grouped"),
    "classifier": lambda: Classifier(ClassifierConfig(channels=(4, 4, 4), features=6)),
}
# The layers that compute in float32 whatever the policy: those that speak last.
FLOAT32 = {"posterior", "label_prior", "parameters", "double_1", "image", "token_embedding"}
FLOAT32 |= {"realness", "projection", "classifier", "features", "logits"}


def outputs(model: keras.Model) -> list[np.ndarray]:
    """Everything that a model computes of a few examples."""
    if isinstance(model, zoo.VAE):
        return list(model(tiny.batch(model.config, 3)).values())
    if isinstance(model, zoo.GPT):
        return [model(tiny_gpt.ids(2, 5))]
    if isinstance(model, Classifier):
        return [model(np.random.RandomState(0).random_sample((3, 28, 28, 1)))]
    batch = tiny_gan.batch(model.config, 3)
    image, labels = (batch["image"], batch["labels"]) if model.config.classes else (batch, None)
    judged = model.discriminator(2 * image - 1, model._condition(labels))
    return [model.generate(3, labels=labels), *judged.values()]


@pytest.mark.parametrize("name", MODELS)
def test_what_ships_computes_the_same_and_holds_no_digit_more(name, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, shipped = MODELS[name](), MODELS[name]()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(*(keras.optimizers.SGD() for _ in range(1 + isinstance(model, zoo.GAN))))
    shipping = Shipping(shipped, lambda: {}, WorkDir(tmp_path))
    shipping.set_model(model)
    shipping.take_weights()
    model.recalibrate()
    for ours, theirs in zip(outputs(shipped), outputs(model), strict=True):
        np.testing.assert_array_equal(tf.cast(ours, "float32"), tf.cast(theirs, "float32"))

    matrices = [each for each in shipped.trainable_variables if len(each.shape) > 1]
    fine = [each for each in matrices if np.any(tf.cast(each, "bfloat16").numpy() != each.numpy())]
    assert {_layer(each) for each in fine} == {_layer(each) for each in matrices} & FLOAT32
    assert 0 < len(fine) < len(matrices)


def _layer(variable: keras.Variable) -> str:
    return variable.path.split("/")[-2]
