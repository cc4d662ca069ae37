"""A discriminator of patches (Isola et al. 2017, arXiv:1611.07004) that sees what was repaired."""

from keras import KerasTensor, layers, ops

from zoo.gan.normalization import spectral
from zoo.repair.config import RepairConfig

SLOPE = 0.2  # of the leaky rectifier below zero


class PatchDiscriminator(layers.Layer):
    """Judges each patch of images, beside what they were made of and for which task.

    Its slope is bounded (Miyato et al. 2018).

    Args:
        config: of the model.

    Call arguments:
        image: real or repaired, in [0, 1], `(B, H, W, 3)`.
        seen: what the network had, `(B, H, W, 4)`.
        task: one-hot `(B, tasks)`.
        training: whether spectral norms go on to converge; Keras hands it to the layers inside.

    Returns:
        Logits of patches, high for real, `(B, h, w)`; and the features of each layer, `(B, ...)`,
        which are compared as of Wang et al. 2018 (arXiv:1711.11585), eq. 4.

    Example:
        >>> import numpy as np
        >>> discriminator = PatchDiscriminator(RepairConfig(discriminator_channels=(4, 8)))
        >>> image, seen = np.zeros((1, 16, 16, 3), "float32"), np.zeros((1, 16, 16, 4), "float32")
        >>> logits, features = discriminator(image, seen, np.eye(4, dtype="float32")[:1])
        >>> logits.shape, len(features)
        (TensorShape([1, 4, 4]), 2)
    """

    def __init__(self, config: RepairConfig, **kwargs):
        super().__init__(**kwargs)
        self.halvings = [
            spectral(layers.Conv2D(wide, 4, strides=2, padding="same", name=f"halve_{at}"), True)
            for at, wide in enumerate(config.discriminator_channels)
        ]
        self.shift = layers.Dense(config.discriminator_channels[0], use_bias=False, name="shift")
        self.realness = spectral(layers.Conv2D(1, 3, padding="same", name="realness"), True)

    def call(
        self, image: KerasTensor, seen: KerasTensor, task: KerasTensor, training: bool = False
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        features = ops.concatenate([image - 0.5, seen], axis=-1)
        shift = ops.reshape(self.shift(task), (-1, 1, 1, self.shift.units))  # (B, 1, 1, C)
        found = []
        for at, halve in enumerate(self.halvings):
            features = halve(features)
            features = ops.leaky_relu(features if at else features + shift, SLOPE)
            found.append(ops.cast(features, "float32"))
        return ops.cast(self.realness(features), "float32")[..., 0], found
