"""Draw towards a class in Keras, as bundles do it by their exported graphs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops

from serving import noise
from serving.content.pictures import to_uint8
from serving.errors import UsageError
from serving.families.guidance.ascent import moved
from serving.families.guidance.asking import asked
from zoo.gan import GAN
from zoo.guidance.look import look
from zoo.judge.classifier import Classifier
from zoo.vae import VAE

ROWS = 64  # images in memory at once


class Guided:
    """A GAN or VAE, and a judge that it is steered by.

    Args:
        model: draws the images.
        judge: of such images, with the classes that may be asked for.

    Raises:
        UsageError: the judge takes other images.

    Example:
        >>> from zoo.gan import GANConfig
        >>> from zoo.judge import ClassifierConfig
        >>> gan = GAN(GANConfig(image_shape=(8, 8, 1), channels=(4, 6), latent_dim=5))
        >>> judge = Classifier(ClassifierConfig(image_shape=(8, 8, 1), channels=(4,), features=6))
        >>> Guided(gan, judge).generate(2, seed=7, towards=3, steps=2).shape
        (2, 8, 8, 1)
    """

    def __init__(self, model: GAN | VAE, judge: Classifier):
        check_images(model.config.image_shape, judge)
        self.model, self.judge = model, judge
        self._look = tf.function(self._traced, reduce_retracing=True, autograph=False)

    def generate(
        self,
        count: int,
        labels: Sequence[int] | None = None,
        seed: int = 0,
        *,
        towards: Any = None,
        away: Any = None,
        strength: float = 1.0,
        steps: int = 40,
    ) -> np.ndarray:
        """Draw images uint8 `(count, H, W, C)`; see `serving.families.images.ImageModel.generate`.

        Args:
            count, labels, seed: of the model's own `generate`.
            towards, away: a class of the judge, or one for each image.
            strength, steps: of the steering; with 0 of either nothing is steered.
        """
        classes = self.judge.config.classes
        guidance = asked(towards, away, strength, steps, count, classes)
        if guidance is None:
            return self.model.generate(count, labels=labels, seed=seed)
        drawn = noise.normal(count, self.model.config.latent_dim, seed)
        images = []
        for start in range(0, count, ROWS):
            rows = slice(start, start + ROWS)
            own = None if labels is None else np.asarray(labels)[rows]
            wanted = guidance.wanted[rows]

            def view(z: np.ndarray, own: Any = own, wanted: Any = wanted) -> Any:
                likely, slope = self._look(z, own, wanted)
                return likely.numpy(), slope.numpy()

            z = moved(drawn[rows], view, guidance.strength, guidance.steps)
            images.append(to_uint8(ops.convert_to_numpy(self.model.drawn_of(z, own))))
        return np.concatenate(images)

    def _traced(self, z: Any, labels: Any, wanted: Any) -> tuple[KerasTensor, KerasTensor]:
        return look(lambda z: self.model.drawn_of(z, labels), self.judge, z, wanted)


def check_images(shape: tuple[int, int, int], judge: Classifier) -> None:
    """Refuse a judge of images of another shape.

    Raises:
        UsageError: as said.
    """
    if tuple(judge.config.image_shape) != tuple(shape):
        ours, theirs = ("x".join(map(str, each)) for each in (shape, judge.config.image_shape))
        raise UsageError(
            f"the judge takes images of {theirs}, and the model draws {ours}; train one of such "
            "images, as `genzoo train judge-mnist --set data.name=... --set model.image_shape=...`"
        )
