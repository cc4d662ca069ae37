"""How a flow is trained: on images that are partly noise, judged by somebody else."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.noise import normal
from zoo.flow.config import FlowConfig
from zoo.flow.evaluate import FlowEvaluateConfig, evaluate
from zoo.flow.flow import Flow, displacement
from zoo.metric import Metric
from zoo.training.beginning import model_of
from zoo.training.image_task import ImageTask

NOISE, TIME, LABEL = 3, 4, 5  # streams of random numbers of a step, beside those of the images
VALIDATION_SEED = 0

Pair = tuple[dict[str, Any], Any]  # what a `Flow` takes, and the velocity


class FlowTask(ImageTask):
    """The images of a recipe, and how a flow learns from them; see `zoo.task.Task`.

    Noise, times and hidden labels are a pure function of the recipe's seed and of the step.
    """

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of what `Flow` takes, each with the velocity, from step `start` on."""
        config, seed = self.recipe.model, self.recipe.train.seed

        def mix(step: tf.Tensor, batch: Any) -> Pair:
            image, labels = _split(batch)
            own = tf.stack([tf.cast(seed, tf.int64), step])
            noise, time, hidden = (
                tf.random.experimental.stateless_fold_in(own, stream)
                for stream in (NOISE, TIME, LABEL)
            )
            rows = tf.shape(image)[:1]
            noise = tf.random.stateless_normal(tf.shape(image), noise)
            if labels is not None:
                hide = tf.random.stateless_uniform(rows, hidden) < config.unlabelled
                labels = tf.where(hide, config.classes, labels)
            return mixed(image, noise, _times(rows, time, config), labels)

        batches = super().training_batches(start).enumerate(start)
        return batches.map(mix, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_examples(self) -> Pair:
        """Return held-out images, each with noise of its own, at times from noise to image.

        A student is measured by what its teacher does of them.
        """
        config = self.recipe.model
        image, labels = self.images.arrays("validation")
        noise = normal(len(image), image[0].size, VALIDATION_SEED).reshape(image.shape)
        time = (np.arange(len(image), dtype=np.float32) + 0.5) / len(image)
        if config.segments:
            time = np.floor(time * config.segments) / np.float32(config.segments)
        x, y = mixed(image, noise, time, labels)
        if config.segments:
            teacher = model_of(self.recipe.train.teacher)
            rows = tf.data.Dataset.from_tensor_slices(x).batch(64)
            y = np.concatenate([displacement(teacher, each, config).numpy() for each in rows])
        return x, y

    def evaluate(self, model: Flow, settings: FlowEvaluateConfig, figures: Path) -> list[Metric]:
        """Measure images against the test split; see `zoo.judge.generators`."""
        return evaluate(model.generate, self.images, settings)


def mixed(image: Any, noise: Any, time: Any, labels: Any) -> Pair:
    """Mix images in [0, 1] with noise, and say how that changes with time.

    Args:
        image, noise: `(B, H, W, C)`.
        time: `(B,)`, the image's share.
        labels: `(B,)`, or None.

    Returns:
        What a `Flow` takes, and the velocity `(B, H, W, C)`.
    """
    image, share = 2 * image - 1, time[:, None, None, None]
    x = {"image": share * image + (1 - share) * noise, "time": time}
    return x if labels is None else x | {"labels": labels}, image - noise


def _times(rows: tf.Tensor, seed: tf.Tensor, config: FlowConfig) -> tf.Tensor:
    """Draw a time for each image; see `FlowConfig`."""
    if config.segments:
        segment = tf.random.stateless_uniform(rows, seed, 0, config.segments, tf.int32)
        return tf.cast(segment, tf.float32) / config.segments
    if config.times == "uniform":
        return tf.random.stateless_uniform(rows, seed)
    return tf.sigmoid(tf.random.stateless_normal(rows, seed))


def _split(batch: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    return (batch["image"], batch["labels"]) if isinstance(batch, dict) else (batch, None)
