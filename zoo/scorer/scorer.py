"""Two small encoders, of pictures and of captions, that agree where these belong together."""

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from zoo.judge.scenes.detector import Level
from zoo.scorer.config import ScorerConfig
from zoo.training import replicas
from zoo.training.built import BuiltModel

SHARPEST = math.log(100.0)  # of the factor of similarities, as in CLIP


class Scorer(BuiltModel):
    """Says how well a picture goes with captions.

    Args:
        config: a `ScorerConfig`, or its values as a dict.

    Call arguments:
        inputs: a dict with `image` `(B, H, W, 3)` float32 in [0, 1] and `words` int `(B, K, L)`: K
            captions for each, 0 behind their words.
        training: whether batch statistics are used.

    Returns:
        Logits `(B, K)`: the cosine of picture and caption, times a learned factor.

    Example:
        >>> import numpy as np
        >>> model = Scorer(ScorerConfig(channels=(4, 4, 4)))
        >>> image, words = np.zeros((2, 64, 64, 3), "float32"), np.ones((2, 5, 12), "int32")
        >>> model({"image": image, "words": words}).shape
        TensorShape([2, 5])

    Reference:
        Radford et al. 2021, CLIP (arXiv:2103.00020); each picture has wrong captions of its own
        instead of those of the batch, so that a step is the same on any number of devices.
    """

    def __init__(self, config: ScorerConfig | dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(config, ScorerConfig):
            config = ScorerConfig.parse(config, "scorer")
        self.config = config
        self.levels = [
            Level(width, name=f"level_{index}") for index, width in enumerate(config.channels)
        ]
        self.picture_layer = layers.Dense(config.width, dtype="float32", name="picture")
        self.word = layers.Embedding(config.vocabulary_of_words, config.word_width, name="word")
        self.hidden_layer = layers.Dense(config.hidden, activation="relu", name="hidden")
        self.caption_layer = layers.Dense(config.width, dtype="float32", name="caption")
        self.log_factor = self.add_weight(
            (), keras.initializers.Constant(math.log(10.0)), name="log_factor", dtype="float32"
        )
        self.accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
        words = ops.zeros((1, 1, config.words), "int32")
        self({"image": ops.zeros((1, config.size, config.size, 3)), "words": words})

    def pictures(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        """Map pictures `(B, H, W, 3)` in [0, 1] to directions `(B, width)` of length 1."""
        x = 2 * image - 1
        for level in self.levels:
            x = level(x, training=training)
        corner, channels = self.config.corner, self.config.channels[-1]
        x = ops.reshape(x, (-1, corner * corner * channels))  # (B, features)
        return unit(self.picture_layer(x))

    def captions(self, words: KerasTensor) -> KerasTensor:
        """Map captions, int `(N, L)`, to directions `(N, width)` of length 1."""
        size = self.config.words * self.config.word_width
        x = ops.reshape(self.word(words), (-1, size))  # (N, L * word width): order is kept
        return unit(self.caption_layer(self.hidden_layer(x)))

    def scores(self, image: KerasTensor, words: KerasTensor) -> KerasTensor:
        """Return the cosine of pictures `(B, H, W, 3)` and captions `(B, L)`, float32 `(B,)`."""
        return ops.sum(self.pictures(image) * self.captions(words), axis=-1)

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> KerasTensor:
        words = inputs["words"]
        captions = self.captions(ops.reshape(words, (-1, self.config.words)))  # (B * K, W)
        captions = ops.reshape(captions, (-1, words.shape[1], self.config.width))  # (B, K, W)
        pictures = self.pictures(inputs["image"], training)[:, None]  # (B, 1, W)
        factor = ops.exp(ops.minimum(self.log_factor, SHARPEST))
        return factor * ops.sum(pictures * captions, axis=-1)

    def compute_loss(
        self,
        x: dict[str, KerasTensor] | None = None,
        y: Any = None,
        y_pred: KerasTensor | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return nats of the right caption, the first of each picture's, ready to be summed."""
        right = ops.zeros(ops.shape(y_pred)[:1], "int32")
        self.accuracy.update_state(right, y_pred)
        nats = ops.sparse_categorical_crossentropy(right, y_pred, from_logits=True)
        return replicas.scale_loss(replicas.global_mean(nats))

    def validation_loss(self, batch: dict[str, KerasTensor]) -> KerasTensor:
        """Return nats of the right caption of a batch."""
        return self.compute_loss(x=batch, y_pred=self(batch))

    def get_config(self) -> dict[str, Any]:
        """Return what `Scorer(**config)` rebuilds the model from."""
        return {"config": self.config.model_dump(), "name": self.name}


def unit(x: KerasTensor) -> KerasTensor:
    """Bring vectors `(..., W)` to length 1."""
    return x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)
