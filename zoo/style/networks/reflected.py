"""Convolutions that see a picture mirrored beyond its edges, where zeros would leave a frame."""

from keras import KerasTensor, layers, ops


class ReflectedConv2D(layers.Conv2D):
    """A convolution of `(B, H, W, C)` to `(B, ceil(H / stride), ceil(W / stride), channels)`.

    Args:
        channels: of the result.
        taps: of the kernel each way, an odd number.
        stride: 1 or 2.

    Example:
        >>> import numpy as np
        >>> ReflectedConv2D(4, taps=3, stride=2)(np.ones((1, 5, 6, 3), np.float32)).shape
        TensorShape([1, 3, 3, 4])
    """

    def __init__(self, channels: int, taps: int, stride: int = 1, **kwargs):
        super().__init__(channels, taps, strides=stride, padding="valid", **kwargs)
        self.around = taps // 2

    def build(self, shape):
        super().build((shape[0], None, None, shape[-1]))

    def call(self, image: KerasTensor) -> KerasTensor:
        beyond = (self.around, self.around)
        return super().call(ops.pad(image, ((0, 0), beyond, beyond, (0, 0)), mode="reflect"))
