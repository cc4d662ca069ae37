"""The first part: an autoencoder whose latents are rounded to a few levels."""

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import keras
import numpy as np
from keras import KerasTensor, layers, ops
from pydantic import Field

from serving.content.pictures import to_uint8
from zoo.config import Config
from zoo.data.images import ImagesConfig
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training import replicas
from zoo.training.built import BuiltModel
from zoo.training.image_task import ImageTask

Positive = Annotated[int, Field(gt=0)]


class CodesConfig(Config):
    """Images, and the levels of each coordinate of a code."""

    family: Literal["codebook"] = "codebook"
    image_shape: tuple[Positive, Positive, Positive] = (8, 8, 1)
    classes: Literal[0] = 0
    positions: Positive = 4
    levels: tuple[Positive, ...] = (5, 5, 5)
    hidden: Positive = 128

    @property
    def vocabulary(self) -> int:
        """Number of different codes."""
        return math.prod(self.levels)


class Codes(BuiltModel):
    """Maps images `(B, H, W, C)` in [0, 1] to their reconstructions."""

    def __init__(self, config: CodesConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config, size = config, config.positions * len(config.levels)
        self.encoder = keras.Sequential([layers.Dense(config.hidden, "relu"), layers.Dense(size)])
        self.decoder = keras.Sequential(
            [layers.Dense(config.hidden, "relu"), layers.Dense(math.prod(config.image_shape))]
        )
        self(ops.zeros((1, *config.image_shape)))

    def _rounded(self, image: KerasTensor) -> KerasTensor:
        """Return codes as whole numbers from 0 to levels - 1, `(B, positions, coordinates)`."""
        flat = ops.reshape(image, (ops.shape(image)[0], -1))
        shape = (-1, self.config.positions, len(self.config.levels))
        reach = (np.array(self.config.levels, "float32") - 1) / 2
        x = reach * (1 + ops.tanh(ops.reshape(self.encoder(flat), shape)))
        return x + ops.stop_gradient(ops.round(x) - x)  # straight through

    def encode(self, image: KerasTensor) -> KerasTensor:
        """Map images to codes, int `(B, positions)`."""
        weights = np.cumprod([1, *self.config.levels[:-1]])
        return ops.sum(ops.cast(ops.round(self._rounded(image)), "int32") * weights, axis=-1)

    def decode(self, codes: KerasTensor) -> KerasTensor:
        """Map codes to images in [0, 1]."""
        weights = np.cumprod([1, *self.config.levels[:-1]]).astype("int32")
        digits = (codes[:, :, None] // weights) % np.array(self.config.levels, "int32")
        return self._images(ops.cast(digits, "float32"))

    def _images(self, digits: KerasTensor) -> KerasTensor:
        flat = ops.reshape(digits, (-1, self.config.positions * len(self.config.levels)))
        return ops.sigmoid(ops.reshape(self.decoder(flat), (-1, *self.config.image_shape)))

    def call(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        return self._images(self._rounded(image))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the squared error of an image."""
        loss = ops.sum(ops.square(x - y_pred), axis=(1, 2, 3))
        return replicas.scale_loss(replicas.global_mean(loss))

    def validation_loss(self, image: KerasTensor) -> KerasTensor:
        """Return the squared error of an image."""
        return self.compute_loss(x=image, y_pred=self(image))


class CodesTask(ImageTask):
    """Images to be told by codes."""

    def samples(self, shipped: Codes) -> Drawn:
        images = self.images.arrays("validation")[0][:16]
        return Drawn("image", to_uint8(np.asarray(shipped(images))), {"classes": 0})

    def evaluate(self, model: Codes, settings: Any, figures: Path) -> list[Metric]:
        images = self.images.arrays("test")[0]
        error = float(np.square(np.asarray(model(images)) - images).mean())
        words = "mean squared error of reconstructed test images"
        return [
            Metric(name="mse", value=error, unit="", definition=words, samples=len(images), seed=0)
        ]


class CodesRecipe(Recipe):
    """Images and their `Codes`."""

    model: CodesConfig = CodesConfig()
    data: ImagesConfig
    evaluate: Config = Config()

    quick: ClassVar[dict[str, Any]] = {**Recipe.quick, "data.limit": 256, "data.validation": 64}

    def build(self) -> Codes:
        return Codes(self.model)

    def task(self) -> CodesTask:
        return CodesTask(self)
