"""Noise that makes the loss larger, as a part of the training step of a model."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor, ops


class Adversarial:
    """Mixed into a `keras.Model` that learns from images in [0, 1]: it can learn from worse ones.

    Each value of an image is moved by `adversarial` in the direction in which the loss grows, as
    far as it stays in [0, 1] (Goodfellow et al. 2015, arXiv:1412.6572). The direction is that of
    the model as it would be asked, without noise of its own; targets stay as they are.

    Attributes:
        adversarial: how far, of 1; 0 for not at all.
    """

    adversarial = 0.0

    def train_step(self, data: Any) -> dict[str, KerasTensor]:
        if self.adversarial:
            data = self._made_worse(data)
        return super().train_step(data)

    def _made_worse(self, data: Any) -> Any:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        image = x["image"] if isinstance(x, dict) else x
        known = [(each, tf.identity(each)) for each in self._counted()]

        def given(moved: KerasTensor) -> Any:
            return x | {"image": moved} if isinstance(x, dict) else moved

        gradient = self._gradient(image, lambda moved: self(given(moved), training=False), x, y)
        for variable, before in known:
            variable.assign(before)
        moved = ops.clip(image + self.adversarial * ops.sign(gradient), 0.0, 1.0)
        worse = given(moved) if y is not None else self.beside_target(moved, x)
        return keras.utils.pack_x_y_sample_weight(worse, y, weight)

    def _gradient(
        self, image: KerasTensor, asked: Callable[[KerasTensor], Any], x: Any, y: Any
    ) -> KerasTensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = self.compute_loss(x=x, y=y, y_pred=asked(image), training=False)
        return tf.stop_gradient(tape.gradient(loss, image))

    def _counted(self) -> list[tf.Variable]:
        """Return what a loss counts, in which the one that is asked for a direction is none."""
        return [variable.value for metric in self.metrics for variable in metric.variables]

    def beside_target(self, moved: KerasTensor, x: Any) -> Any:
        """Return what a model takes that has no targets: moved images, and what goes with them."""
        return x | {"image": moved} if isinstance(x, dict) else moved
