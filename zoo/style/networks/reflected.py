"""Convolutions that see a picture mirrored beyond its edges, where zeros would leave a frame."""

from itertools import product

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


class PhasedConv2D(ReflectedConv2D):
    """The same of stride 1, but as one that gives four neighbouring pixels side by side.

    Processors compute many channels at once, and would waste most of that on a picture's three.

    Args:
        channels, taps: see `ReflectedConv2D`.

    Call arguments:
        image: `(B, H, W, C)`, H and W being even.
    """

    def call(self, image: KerasTensor) -> KerasTensor:
        beyond = (self.around, self.around)
        image = ops.pad(image, ((0, 0), beyond, beyond, (0, 0)), mode="reflect")
        image, kernel, bias = (ops.cast(each, self.compute_dtype) for each in
                               (image, self._phases(), ops.tile(self.bias, (4,))))  # fmt: skip
        phases = ops.conv(image, kernel, strides=2, padding="valid") + bias
        return ops.depth_to_space(phases, 2)

    def _phases(self) -> KerasTensor:
        """Return the kernel of four pixels: `(taps + 1, taps + 1, C, 4 * channels)`."""
        moved = [
            ops.pad(self.kernel, ((down, 1 - down), (across, 1 - across), (0, 0), (0, 0)))
            for down, across in product((0, 1), repeat=2)
        ]
        return ops.concatenate(moved, axis=-1)
