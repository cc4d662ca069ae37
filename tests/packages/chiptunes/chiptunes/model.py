"""A variational autoencoder of patterns."""

from typing import Annotated, Any, Literal

import keras
import numpy as np
from keras import KerasTensor, layers, ops
from pydantic import Field

from serving import noise
from zoo.config import Config
from zoo.training import replicas
from zoo.training.built import BuiltModel

Positive = Annotated[int, Field(gt=0)]


class ChiptuneConfig(Config):
    """Sizes of patterns and of the network."""

    family: Literal["chiptune"] = "chiptune"
    steps: Positive = 16
    voices: Positive = 2
    notes: Positive = 10
    latent_dim: Positive = 8
    hidden: Positive = 128

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the logits of one pattern."""
        return self.steps, self.voices, self.notes + 1


class ChiptuneModel(BuiltModel):
    """Maps patterns `(B, steps, voices)` to logits `(B, steps, voices, notes + 1)`."""

    def __init__(self, config: ChiptuneConfig, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.config, self.noise_seed = config, keras.random.SeedGenerator(seed)
        width = int(np.prod(config.shape))
        self.encoder = keras.Sequential(
            [layers.Dense(config.hidden, "relu"), layers.Dense(2 * config.latent_dim)]
        )
        self.decoder = keras.Sequential([layers.Dense(config.hidden, "relu"), layers.Dense(width)])
        self(ops.zeros((1, config.steps, config.voices), "int32"))

    def encode(self, pattern: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Return mean and log variance of the posterior, `(B, D)` each."""
        one_hot = ops.one_hot(pattern, self.config.notes + 1)
        return ops.split(self.encoder(ops.reshape(one_hot, (ops.shape(pattern)[0], -1))), 2, -1)

    def decode(self, z: KerasTensor) -> KerasTensor:
        """Map latents `(B, D)` to logits."""
        return ops.reshape(self.decoder(z), (-1, *self.config.shape))

    def call(self, pattern: KerasTensor, training: bool = False) -> KerasTensor:
        z, log_variance = self.encode(pattern)
        if training:
            epsilon = replicas.own_rows(
                lambda count: keras.random.normal(
                    (count, self.config.latent_dim), seed=self.noise_seed
                ),
                ops.shape(z)[0],
            )
            z = z + ops.exp(log_variance / 2) * epsilon
        return self.decode(z)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the negative ELBO in nats a pattern."""
        mean, log_variance = self.encode(x)
        nats = ops.sparse_categorical_crossentropy(x, y_pred, from_logits=True)
        kl = 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1)
        loss = ops.sum(nats, axis=(1, 2)) + ops.sum(kl, axis=1)  # (B,)
        return replicas.scale_loss(replicas.global_mean(loss))

    def validation_loss(self, pattern: KerasTensor) -> KerasTensor:
        """Return the negative ELBO at the posterior's mean."""
        return self.compute_loss(x=pattern, y_pred=self(pattern))

    def generate(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw patterns, the same as every export draws."""
        logits = self.decode(noise.normal(n, self.config.latent_dim, seed))
        return ops.convert_to_numpy(logits).argmax(-1)
