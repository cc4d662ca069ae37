"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), table 2, with normalisation folded in."""

from collections.abc import Iterator, Mapping

import numpy as np
from keras import KerasTensor, layers, ops

from zoo.training.built import BuiltModel

CLASSES, SIDE = 1000, 224
# Expansion, channels, blocks and stride of each stage.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, FEATURES = 32, 1280
EPSILON = 1e-5  # of its batch normalisation
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of its images, red first


class MobileNetV2(BuiltModel):
    """Tells the 1000 classes of ImageNet apart.

    Call arguments:
        image: `(B, 224, 224, 3)` in [0, 1].

    Returns:
        Logits `(B, 1000)`.

    Example:
        >>> model = MobileNetV2()
        >>> model.features(np.zeros((1, 224, 224, 3), "float32")).shape
        TensorShape([1, 1280])
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = Convolution(STEM, 3, stride=2, name="stem")
        self.blocks = [
            InvertedResidual(before, after, expansion, stride, name=f"block_{at}")
            for at, (before, after, expansion, stride) in enumerate(_blocks())
        ]
        self.last = Convolution(FEATURES, 1, name="last")
        self.classify = layers.Dense(CLASSES, dtype="float32", name="classify")
        self(ops.zeros((1, SIDE, SIDE, 3)))

    def features(self, image: KerasTensor) -> KerasTensor:
        """Map images `(B, 224, 224, 3)` in [0, 1] to the features `(B, 1280)` below the logits."""
        x = (image - ops.array(MEAN, "float32")) / ops.array(DEVIATION, "float32")
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return ops.mean(self.last(x), axis=(1, 2))

    def call(self, image: KerasTensor) -> KerasTensor:
        return self.classify(self.features(image))

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the weights of torchvision's network, by the names that they have there.

        Raises:
            KeyError: one is missing.
            ValueError: one has another shape.
        """
        convolutions = [self.stem, *(one for block in self.blocks for one in block.all), self.last]
        for convolution, (kernel, norm) in zip(convolutions, _names(), strict=True):
            convolution.load(arrays, kernel, norm)
        weights = arrays["classifier.1.weight"], arrays["classifier.1.bias"]
        self.classify.set_weights([weights[0].T, weights[1]])


class InvertedResidual(layers.Layer):
    """Widens, convolves each channel by itself, and narrows; the input is added where it fits."""

    def __init__(self, before: int, after: int, expansion: int, stride: int, **kwargs):
        super().__init__(**kwargs)
        wide = before * expansion
        self.all = [Convolution(wide, 1, name="widen")] if expansion > 1 else []
        self.all.append(Convolution(wide, 3, stride=stride, by_channel=True, name="convolve"))
        self.all.append(Convolution(after, 1, limited=False, name="narrow"))
        self.adds = stride == 1 and before == after

    def call(self, x: KerasTensor) -> KerasTensor:
        y = x
        for convolution in self.all:
            y = convolution(y)
        return x + y if self.adds else y


class Convolution(layers.Layer):
    """A convolution with the normalisation that follows it, and a rectifier up to 6.

    Args:
        width: channels that leave it.
        size: of the kernel, 1 or 3; as many zeros are put around as the kernel reaches out.
        stride: of the kernel.
        by_channel: whether each channel is convolved by itself.
        limited: whether there is a rectifier.
    """

    def __init__(
        self,
        width: int,
        size: int,
        stride: int = 1,
        by_channel: bool = False,
        limited: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.pad = layers.ZeroPadding2D(size // 2, name="pad")
        self.by_channel, self.limited = by_channel, limited
        self.convolve: layers.Layer
        if by_channel:
            self.convolve = layers.DepthwiseConv2D(size, stride, name="convolve")
        else:
            self.convolve = layers.Conv2D(width, size, stride, name="convolve")

    def call(self, x: KerasTensor) -> KerasTensor:
        x = self.convolve(self.pad(x))
        return ops.relu6(x) if self.limited else x

    def load(self, arrays: Mapping[str, np.ndarray], kernel: str, norm: str) -> None:
        """Take a kernel `(out, in, height, width)`, and what normalises its result."""
        gain, shift, mean, variance = (
            arrays[f"{norm}.{each}"] for each in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + EPSILON)
        scaled = arrays[f"{kernel}.weight"] * scale[:, None, None, None]
        # (height, width, in, out); by channel (height, width, channels, 1)
        order = (2, 3, 0, 1) if self.by_channel else (2, 3, 1, 0)
        self.convolve.set_weights([scaled.transpose(order), shift - mean * scale])


def _blocks() -> Iterator[tuple[int, int, int, int]]:
    """Yield channels before and after, expansion and stride of each block."""
    before = STEM
    for expansion, after, count, stride in STAGES:
        for at in range(count):
            yield before, after, expansion, stride if at == 0 else 1
            before = after


def _names() -> Iterator[tuple[str, str]]:
    """Yield what torchvision calls each convolution, and its normalisation."""
    yield "features.0.0", "features.0.1"
    last = 0
    for last, (_, _, expansion, _) in enumerate(_blocks(), 1):
        inside = f"features.{last}.conv"
        at = 0
        for at in range(1 if expansion == 1 else 2):
            yield f"{inside}.{at}.0", f"{inside}.{at}.1"
        yield f"{inside}.{at + 1}", f"{inside}.{at + 2}"
    yield f"features.{last + 1}.0", f"features.{last + 1}.1"
