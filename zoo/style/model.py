"""A network that paints photographs in any style, as it is trained."""

from typing import Any

import numpy as np
from keras import KerasTensor, ops

from serving.photographs.restyling import SMALLEST, Styler
from zoo.style.config import StyleConfig
from zoo.style.losses import (
    content_distance,
    mean_square,
    statistics,
    style_distance,
    variation,
)
from zoo.style.networks.painter import Painter
from zoo.style.networks.predictor import Predictor
from zoo.style.perception import CONTENT, perception
from zoo.training import replicas
from zoo.training.built import BuiltModel


class Restyler(BuiltModel):
    """Finds the style of a picture, and paints another in it.

    A style is a vector, so that styles can be kept, mixed and weakened: the vector between that of
    a photograph itself and that of a painting makes less of a painting of it.

    Args:
        config: a `StyleConfig`, or its values as a dict.

    Call arguments:
        pictures: a photograph and a picture whose style is wanted: intensities in [0, 1],
            `(B, H, W, 3)` each, of sizes of their own, `SMALLEST` pixels a side at least.

    Returns:
        float32 `(B, H, W, 3)` in [0, 1], of the photographs' size.

    Example:
        >>> model = Restyler({"width": 4, "blocks": 1})
        >>> photograph = np.zeros((1, 40, 50, 3), np.float32)
        >>> style = model.predictor(np.ones((1, 64, 32, 3), np.float32))
        >>> style.shape, model.painter(photograph, style).shape
        (TensorShape([1, 96]), TensorShape([1, 40, 50, 3]))
    """

    def __init__(self, config: StyleConfig | dict[str, Any], **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # images stay float32
        if isinstance(config, dict):
            config = StyleConfig.parse(config, "the model")
        self.config = config
        self.predictor = Predictor(config, name="predictor")
        self.painter = Painter(config, name="painter")
        nothing = ops.zeros((1, SMALLEST, SMALLEST, 3))
        self((nothing, nothing))

    def call(
        self, pictures: tuple[KerasTensor, KerasTensor], training: bool = False
    ) -> KerasTensor:
        photograph, painting = (ops.cast(each, "float32") for each in pictures)
        return self.painter(photograph, self.predictor(painting))

    def compile(self, *args: Any, **kwargs: Any) -> None:
        perception(self.config.features)  # before there is a graph, and before time is spent
        super().compile(*args, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return the mean loss of a photograph.

        Args:
            x: photographs and paintings, as of `call`.
            y: the statistics of the paintings, `(B, sum of 2 C)`; and 1 where a photograph is its
                own painting, and nothing of it is to change, else 0, `(B,)`.
            y_pred: what was painted.
        """
        losses = self._of_each(x[0], *y, y_pred)
        return replicas.scale_loss(replicas.global_mean(losses))

    def validation_loss(self, data: tuple) -> KerasTensor:
        """Return the mean loss of photographs; `data` are `(x, y)` of `compute_loss`."""
        pictures, wanted = data
        return self.compute_loss(pictures, wanted, self(pictures))

    def _of_each(
        self, photograph: KerasTensor, wanted: KerasTensor, same: KerasTensor, painted: KerasTensor
    ) -> KerasTensor:
        config, judge, dtype = self.config, perception(self.config.features), self.compute_dtype
        features = judge(painted, dtype)
        seen = ops.stop_gradient(judge(photograph, dtype, CONTENT + 1)[CONTENT])
        style = style_distance(statistics(painted, features), wanted, judge.channels)
        return (
            content_distance(features[CONTENT], seen)
            + config.style_weight * (1 - same) * style
            + config.variation_weight * (1 - same) * variation(painted)
            + config.identity_weight * same * mean_square(painted - photograph)
        )

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}


def styler_of(model: Restyler) -> Styler:
    """Return what restyles photographs with a Keras model."""
    import tensorflow as tf

    images = tf.TensorSpec((None, None, None, 3), tf.float32)
    styles = tf.TensorSpec((None, model.config.style), tf.float32)
    predictor = tf.function(model.predictor.call, [images], autograph=False)
    painter = tf.function(model.painter.call, [images, styles], autograph=False)
    return Styler(
        lambda image: np.asarray(predictor(tf.constant(image))),
        lambda image, style: np.asarray(painter(tf.constant(image), tf.constant(style))),
    )
