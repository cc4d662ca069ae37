"""Bicubic enlargement as a convolution, so that it is the same in Keras, in ONNX and by NumPy."""

import keras
import numpy as np
from keras import KerasTensor, ops

from serving.photographs.bicubic import REACH, phases


class Bicubic(keras.layers.Layer):
    """Maps images to the phases of their bicubic enlargement, edge pixels being repeated.

    It learns nothing, and is computed in float32 whatever the rest is.

    Args:
        scale: s.
        channels: C.

    Call arguments:
        image: float32 `(B, H, W, C)`.

    Returns:
        float32 `(B, H, W, s * s * C)`.

    Example:
        >>> Bicubic(2, 1)(np.ones((1, 3, 4, 1), np.float32)).shape
        TensorShape([1, 3, 4, 4])
    """

    def __init__(self, scale: int, channels: int, **kwargs):
        super().__init__(dtype="float32", trainable=False, **kwargs)
        self.kernel = kernel(scale, channels)

    def call(self, image: KerasTensor) -> KerasTensor:
        for axis in (1, 2):
            image = _repeat_edges(image, axis)
        return ops.conv(image, self.kernel, padding="valid")


def kernel(scale: int, channels: int) -> np.ndarray:
    """Return the kernel: float32 `(5, 5, C, s * s * C)`."""
    line = phases(scale)
    both = np.einsum("ay,bx->yxab", line, line)
    apart = np.einsum("yxab,cd->yxcabd", both, np.eye(channels))
    size = 2 * REACH + 1
    return apart.reshape(size, size, channels, scale * scale * channels).astype(np.float32)


def _repeat_edges(image: KerasTensor, axis: int) -> KerasTensor:
    if axis == 1:
        first, last = image[:, :1], image[:, -1:]
    else:
        first, last = image[:, :, :1], image[:, :, -1:]
    return ops.concatenate([*[first] * REACH, image, *[last] * REACH], axis=axis)
