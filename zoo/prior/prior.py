"""The prior of codes, as it is trained: to say what codes are, given others."""

from typing import Any

import keras
import numpy as np
from keras import KerasTensor, initializers, layers, ops

from zoo.prior.config import PriorConfig
from zoo.training import replicas
from zoo.training.built import BuiltModel
from zoo.transformer.block import Block, normalisation
from zoo.transformer.network import MASKED

STDDEV = 0.02


class Prior(BuiltModel):
    """A Transformer that sees the codes of an image, and behind a label or a caption.

    Args:
        config: a `PriorConfig` with all sizes, or its values as a dict.

    Call arguments:
        inputs: a dict with `codes`, int `(B, T)`, where `vocabulary` stands for one that is hidden;
            and `labels`, int `(B,)`, where `classes` stands for none, or `words`, int `(B, L)`,
            where 0 stands for none.

    Returns:
        Logits of the code at each place, float32 `(B, T, vocabulary)`: given all codes that are not
        hidden, or with `filling = "next"` those before it.

    Example:
        >>> sizes = {"positions": 6, "vocabulary": 9, "layers": 1, "width": 16, "heads": 2}
        >>> model = Prior({"codes": "runs/codes", "classes": 10, "steps": 6} | sizes)
        >>> model({"codes": ops.full((2, 6), 9), "labels": ops.array([3, 10])}).shape
        TensorShape([2, 6, 9])

    References:
        Chang et al. 2022, MaskGIT (arXiv:2202.04200); Chen et al. 2020, Generative Pretraining from
        Pixels, of the next code.
    """

    def __init__(self, config: PriorConfig | dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(config, dict):
            config = PriorConfig.parse(config, "the model")
        self.config, normal = config, initializers.RandomNormal(stddev=STDDEV)
        sizes, seeds = config.transformer, keras.random.SeedGenerator(0)
        self.code = layers.Embedding(config.vocabulary + 1, config.width, normal, name="code")
        self.told = None
        if config.conditions:
            kinds = config.classes + 1 if config.classes else config.vocabulary_of_words
            self.told = layers.Embedding(kinds, config.width, normal, name="told")
        self.place = self.add_weight((sizes.context, config.width), normal, name="place")
        self.blocks = [
            Block(sizes, seeds, STDDEV, name=f"block_{index}") for index in range(config.layers)
        ]
        self.unseen = _unseen(sizes.context if config.filling == "next" else 1)
        self.norm = normalisation(sizes, "norm")
        self.predict = layers.Dense(config.vocabulary, dtype="float32", name="predict")
        self(self._nothing())

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> KerasTensor:
        told = inputs.get("labels" if self.config.classes else "words")
        return self.logits(inputs["codes"], told)

    def logits(self, codes: KerasTensor, told: KerasTensor | None = None) -> KerasTensor:
        """Return the logits of codes, given those that are not hidden; see the class."""
        if self.config.filling == "next":  # each place sees the code before it, and not its own
            first = 0 * codes[:, :1] + self.config.vocabulary  # of any batch, and no size asked for
            codes = ops.concatenate([first, codes[:, :-1]], axis=1)  # (B, T)
        x = self.code(codes)  # (B, T, W)
        if self.told is not None:
            told = ops.reshape(told, (-1, self.config.conditions))  # (B, L)
            x = ops.concatenate([self.told(told), x], axis=1)  # (B, L + T, W)
        x = x + ops.cast(self.place, x.dtype)
        for block in self.blocks:
            x, _ = block(x, ops.convert_to_tensor(self.unseen))
        return self.predict(self.norm(x[:, self.config.conditions :]))  # (B, T, V)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return nats of a hidden code."""
        nats = ops.sparse_categorical_crossentropy(y, y_pred, from_logits=True)  # (B, T)
        return replicas.scale_loss(replicas.global_weighted_mean(nats, sample_weight))

    def validation_loss(self, data: tuple[Any, KerasTensor, KerasTensor]) -> KerasTensor:
        """Return nats of a hidden code of a batch."""
        x, y, weights = data
        return self.compute_loss(x, y, self(x), weights, training=False)

    def _nothing(self) -> dict[str, KerasTensor]:
        """Return inputs of one image of which nothing is known."""
        config = self.config
        codes = {"codes": ops.full((1, config.positions), config.vocabulary, "int32")}
        if config.classes:
            return codes | {"labels": ops.full((1,), config.classes, "int32")}
        return codes | ({"words": ops.zeros((1, config.words), "int32")} if config.words else {})

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}


def _unseen(places: int) -> np.ndarray:
    """Return what hides later places from earlier ones, `(1, 1, places, places)`; 0 of 1."""
    return np.triu(np.full((1, 1, places, places), MASKED, np.float32), 1)
