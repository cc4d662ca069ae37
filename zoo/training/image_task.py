"""What training on images has in common, whatever the model."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from zoo.data.images import Images
from zoo.recipe import Recipe
from zoo.task import Drawn, Task
from zoo.training.optimizers import optimizer

VALIDATION_BATCH, ROWS = 500, 8


class ImageTask(Task):
    """The images of a recipe and one optimizer; the base of `zoo.task.Task`s.

    Args:
        recipe: with `[data]` an `ImagesConfig`.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.images = Images(recipe.data, recipe.model.image_shape, recipe.model.classes)
        self.source = self.images.source
        config = recipe.train
        self.steps_per_epoch = config.steps_per_epoch or self.images.steps_per_epoch(
            config.batch_size
        )
        self.smallest_batch = self.images.smallest_batch(config.batch_size)

    def compile(self, model: keras.Model, total_steps: int) -> None:
        """Give the model its optimizer."""
        config = self.recipe.train
        model.compile(optimizer(config, total_steps), jit_compile=config.jit_compile)
        model.optimizer.build(model.trainable_variables)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of images without end, from step `start` on."""
        config = self.recipe.train
        return self.images.training_batches(config.batch_size, config.seed, start=start)

    def validation(self, shipped: keras.Model) -> Callable[[], dict[str, float]]:
        """Return what measures the model's loss on held-out images, binarized by one fixed draw."""
        image, labels = self.images.arrays("validation")
        if self.recipe.data.binarize:
            image = np.random.RandomState(0).random_sample(image.shape) < image
        image = image.astype(np.float32)
        data = image if labels is None else {"image": image, "labels": labels}
        batches = tf.data.Dataset.from_tensor_slices(data).batch(VALIDATION_BATCH)
        loss = tf.function(shipped.validation_loss, reduce_retracing=True)

        def measure() -> dict[str, float]:
            sums = [
                (float(loss(batch)) * len(rows), len(rows))
                for batch in batches
                for rows in [tf.nest.flatten(batch)[0]]
            ]
            return {"val_loss": sum(total for total, _ in sums) / len(image)}

        return measure

    def samples(self, shipped: keras.Model) -> Drawn | None:
        """Draw eight rows of images; a conditional model has a column for each class."""
        classes = self.recipe.model.classes
        labels = np.tile(np.arange(classes), ROWS) if classes else None
        seed, count = self.recipe.train.seed, ROWS * (classes or ROWS)
        images = shipped.generate(count, labels=labels, seed=seed)
        return Drawn("image", images, {"classes": classes})
