"""Normalisation of what flows through the generator, and of the discriminator's weights."""

from collections.abc import Iterable

import keras
from keras import KerasTensor, layers, ops


class ConditionalBatchNormalization(layers.Layer):
    """Batch normalisation whose gain and shift follow the label; without classes, the plain one.

    The statistics are those of the global batch, over all replicas and all labels.

    Args:
        channels: width C of the last axis.
        classes: 0 for plain batch normalisation.

    Call arguments:
        x: `(B, ..., C)`.
        condition: one-hot labels `(B, classes)`, or weights of a mixture of labels.
        training: whether the statistics are those of the batch, or their moving averages.

    Reference:
        Dumoulin et al. 2017 (arXiv:1610.07629); in GANs Miyato and Koyama 2018 (arXiv:1802.05637).
    """

    def __init__(self, channels: int, classes: int = 0, **kwargs):
        super().__init__(**kwargs)
        plain = not classes
        self.normalize = layers.BatchNormalization(
            center=plain, scale=plain, synchronized=True, name="normalize"
        )
        self.gain_and_shift = None
        if classes:  # zeros make it the plain one at first
            self.gain_and_shift = layers.Dense(
                2 * channels, use_bias=False, kernel_initializer="zeros", name="gain_and_shift"
            )

    def call(
        self, x: KerasTensor, condition: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        x = self.normalize(x, training=training)
        if self.gain_and_shift is None:
            return x
        per_label = self.gain_and_shift(condition)  # (B, 2 C)
        broadcast = (-1, *[1] * (len(x.shape) - 2), per_label.shape[-1])
        gain, shift = ops.split(ops.reshape(per_label, broadcast), 2, axis=-1)  # (B, 1, 1, C)
        return x * (1 + gain) + shift


def recalibrate(
    generator: layers.Layer, batches: Iterable[tuple[KerasTensor, KerasTensor | None]]
) -> None:
    """Replace the moving averages of batch normalisation by means over `batches`.

    Args:
        generator: a layer that is called as `generator(z, condition, training=True)`.
        batches: of latents and conditions.
    """
    inside = [
        layer
        for layer in generator._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in inside]
    for index, (z, condition) in enumerate(batches):
        for layer in inside:
            layer.momentum = index / (index + 1)  # makes the average the mean of all so far
        generator(z, condition, training=True)
    for layer, momentum in zip(inside, momenta, strict=True):
        layer.momentum = momentum


class SpectralNormalization(layers.Wrapper):
    """Divides a layer's kernel by its largest singular value, whenever the layer is applied.

    The layer of Keras of this name overwrites the kernel with the quotient at every training call,
    which takes the weights away from the optimizer and its averages, and sends no gradient through
    the norm. Here the kernel stays what it is, as in the paper.

    Args:
        layer: one with a `kernel`.

    Call arguments:
        x: what the layer takes.
        training: whether to keep the singular vector that one step of the power iteration found.

    Reference:
        Miyato et al. 2018 (arXiv:1802.05957), algorithm 1.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.right = self.add_weight(
            shape=(self.layer.kernel.shape[-1],),
            initializer="random_normal",
            trainable=False,
            name="right_singular_vector",
        )

    def call(self, x: KerasTensor, training: bool = False) -> KerasTensor:
        kernel = ops.convert_to_tensor(self.layer.kernel)
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))  # (inputs, outputs)
        constant = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(constant, ops.cast(self.right, matrix.dtype)))  # (inputs,)
        right = _unit(ops.matmul(left, constant))  # (outputs,)
        if training:
            self.right.assign(right)
        norm = ops.matmul(ops.matmul(left, matrix), right)
        normalized = kernel / ops.maximum(norm, 1e-12)
        with keras.StatelessScope(state_mapping=[(self.layer.kernel, normalized)]):
            return self.layer(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.layer.compute_output_shape(input_shape)


def spectral(layer: layers.Layer, wanted: bool) -> layers.Layer:
    """Return `layer`, spectrally normalised if wanted."""
    if not wanted:
        return layer
    return SpectralNormalization(layer, name=layer.name, dtype=layer.dtype_policy)


def _unit(vector: KerasTensor) -> KerasTensor:
    return vector / ops.maximum(ops.norm(vector), 1e-12)
