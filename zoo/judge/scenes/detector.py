"""A small convolutional network that says of each cell of a picture what has its centre there."""

from typing import Any, NamedTuple

from keras import KerasTensor, layers, ops

from serving.scenes.grammar import COLOURS
from serving.scenes.scene import SIZES
from zoo.judge.scenes.config import DetectorConfig
from zoo.training import replicas
from zoo.training.built import BuiltModel

ABOUT = 0.5  # nearness to a centre from which on a cell has to say what is there


class Answers(NamedTuple):
    """Logits for each cell.

    Attributes:
        centre: `(B, G, G)`: whether the centre of a thing is near.
        thing: `(B, G, G, things)`.
        colour: `(B, G, G, colours)`, of a digit.
        size: `(B, G, G, sizes)`.
    """

    centre: KerasTensor
    thing: KerasTensor
    colour: KerasTensor
    size: KerasTensor


class Detector(BuiltModel):
    """Three levels that halve the picture, then four answers for each cell of the last.

    Args:
        config: a `DetectorConfig`, or its values as a dict.

    Call arguments:
        inputs: pictures `(B, H, W, 3)` float32 in [0, 1], or a dict with `image`.
        training: whether batch statistics are used.

    Returns:
        `Answers`.

    Example:
        >>> import numpy as np
        >>> model = Detector(DetectorConfig(channels=(4, 4, 4)))
        >>> model(np.zeros((2, 64, 64, 3), "float32")).thing.shape
        TensorShape([2, 16, 16, 22])

    Reference:
        Centres as peaks as in Zhou et al. 2019, Objects as Points (arXiv:1904.07850).
    """

    def __init__(self, config: DetectorConfig | dict[str, Any], **kwargs):
        super().__init__(**kwargs)
        if not isinstance(config, DetectorConfig):
            config = DetectorConfig.parse(config, "detector")
        self.config = config
        self.levels = [
            Level(width, name=f"level_{index}") for index, width in enumerate(config.channels)
        ]
        self._parts = (1, config.things, len(COLOURS), len(SIZES))
        # Each cell of the last level, of 8 pixels, answers for its four quarters.
        self.answer = layers.Conv2D(4 * sum(self._parts), 1, dtype="float32", name="answers")
        self(ops.zeros((1, config.size, config.size, 3)))

    def call(self, inputs: KerasTensor | dict[str, KerasTensor], training: bool = False) -> Answers:
        image = inputs["image"] if isinstance(inputs, dict) else inputs
        x = 2 * image - 1
        for level in self.levels:
            x = level(x)
        x = quarters(self.answer(x))  # (B, G, G, answers)
        ends = [sum(self._parts[: index + 1]) for index in range(len(self._parts) - 1)]
        centre, thing, colour, size = ops.split(x, ends, axis=-1)
        return Answers(centre[..., 0], thing, colour, size)

    def compute_loss(
        self,
        x: dict[str, KerasTensor] | None = None,
        y: Any = None,
        y_pred: Answers | None = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return the cross-entropies in nats per picture, ready to be summed over replicas.

        Args:
            x: also has `centre`, `thing`, `colour` and `size`, see `zoo.judge.scenes.targets`.
            y_pred: answers.
        """
        near = x["centre"]  # (B, G, G)
        found = ops.binary_crossentropy(near, y_pred.centre, from_logits=True)
        about = ops.where(near >= ABOUT, near, 0.0)
        for name in ("thing", "colour", "size"):
            wanted = x[name]  # (B, G, G), below 0 where there is none
            surprise = ops.sparse_categorical_crossentropy(
                ops.maximum(wanted, 0), getattr(y_pred, name), from_logits=True
            )
            found = found + about * ops.where(wanted >= 0, surprise, 0.0)
        return replicas.scale_loss(replicas.global_mean(ops.sum(found, axis=(1, 2))))

    def validation_loss(self, batch: dict[str, KerasTensor]) -> KerasTensor:
        """Return the cross-entropies in nats per picture."""
        return self.compute_loss(x=batch, y_pred=self(batch))

    def get_config(self) -> dict[str, Any]:
        """Return what `Detector(**config)` rebuilds the model from."""
        return {"config": self.config.model_dump(), "name": self.name}


class Level(layers.Layer):
    """Two convolutions, of which the first halves, normalised over the global batch, rectified."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = [
            layers.Conv2D(
                width, 3, stride, padding="same", use_bias=False, name=f"convolve_{index}"
            )
            for index, stride in enumerate((2, 1))
        ]
        self.normalizations = [
            layers.BatchNormalization(momentum=0.9, synchronized=True, name=f"normalize_{index}")
            for index in range(2)
        ]

    def call(self, x: KerasTensor) -> KerasTensor:
        for convolve, normalize in zip(self.convolutions, self.normalizations, strict=True):
            x = ops.relu(normalize(convolve(x)))
        return x


def quarters(x: KerasTensor) -> KerasTensor:
    """Make of each cell four: `(B, H, W, 4 C)` -> `(B, 2 H, 2 W, C)`."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height, width, 2, 2, channels // 4))  # (B, H, W, 2, 2, C)
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (B, H, 2, W, 2, C)
    return ops.reshape(x, (-1, 2 * height, 2 * width, channels // 4))
