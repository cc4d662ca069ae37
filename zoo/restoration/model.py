"""A network that enlarges photographs, as it is trained."""

from typing import Any

import numpy as np
from keras import KerasTensor, ops

from zoo.data.augmentation.adversarial import Adversarial
from zoo.restoration.config import RestorationConfig
from zoo.restoration.networks.bicubic import REACH, Bicubic
from zoo.restoration.networks.espcn import ESPCN
from zoo.restoration.networks.fsrcnn import FSRCNN
from zoo.restoration.networks.residual import Residual
from zoo.training import replicas
from zoo.training.built import BuiltModel

BICUBIC = "bicubic"  # the layer
NETWORKS = {"fsrcnn": FSRCNN, "espcn": ESPCN, "residual": Residual}


class Restorer(Adversarial, BuiltModel):
    """Enlarges images: bicubically, with what a network has learned to add.

    The addition (as in VDSR, Kim et al. 2016) leaves to the network what bicubic enlarging cannot
    know; a network that says nothing is as good as that.

    Args:
        config: a `RestorationConfig`, or its values as a dict.

    Call arguments:
        image: intensities in [0, 1], `(B, H, W, C)`, any height and width.

    Returns:
        float32 `(B, H * scale, W * scale, C)`, not limited to [0, 1].

    Attributes:
        reach: how many pixels around one the model looks at.

    Example:
        >>> model = Restorer({"scale": 3})
        >>> model(np.zeros((1, 4, 5, 1), np.float32)).shape, model.reach
        (TensorShape([1, 12, 15, 1]), 7)
    """

    def __init__(self, config: RestorationConfig | dict[str, Any], **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # images stay float32
        if isinstance(config, dict):
            config = RestorationConfig.parse(config, "the model")
        self.config = config
        self.bicubic = Bicubic(config.scale, config.channels, name=BICUBIC)
        self.network = NETWORKS[config.architecture](config, name=config.architecture)
        self.reach = max(REACH, self.network.reach)
        self(ops.zeros((1, 4, 4, config.channels)))

    def call(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        image = ops.cast(image, "float32")
        added = ops.cast(self.network(image - 0.5), "float32")  # (B, H, W, s * s * C)
        return ops.depth_to_space(self.bicubic(image) + added, self.config.scale)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> KerasTensor:
        """Return the mean error of a pixel."""
        error = y_pred - y
        squared = self.config.loss == "mean_squared"
        error = ops.square(error) if squared else ops.abs(error)
        return replicas.scale_loss(replicas.global_mean(ops.mean(error, axis=(1, 2, 3))))

    def validation_loss(self, data: tuple[KerasTensor, KerasTensor]) -> KerasTensor:
        """Return the mean error of a batch of small images and large ones."""
        small, large = data
        return self.compute_loss(small, large, self(small))

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(), "name": self.name}


def network_of(model: Restorer) -> Any:
    """Return what enlarges with a Keras model, as a `serving.photographs.enlarging.Network`."""
    import tensorflow as tf

    shape = (None, None, None, model.config.channels)
    run = tf.function(model.call, [tf.TensorSpec(shape, tf.float32)], autograph=False)
    return lambda image: np.asarray(run(tf.constant(image)))
