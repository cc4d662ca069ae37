"""What training on images has in common, whatever the model."""

import keras
import numpy as np
import tensorflow as tf

from zoo.data.augmentation.adversarial import Adversarial
from zoo.data.images import Images
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training.array_task import OneOptimizerTask

ROWS = 8  # of samples


class ImageTask(OneOptimizerTask):
    """The images of a recipe and one optimizer; the base of `zoo.task.Task`s.

    Args:
        recipe: with `[data]` an `ImagesConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.images = Images(recipe.data, recipe.model.image_shape, self.data_classes)
        self.source = self.images.source
        config = recipe.train
        self.steps_per_epoch = config.steps_per_epoch or self.images.steps_per_epoch(
            config.batch_size
        )
        self.smallest_batch = self.images.smallest_batch(config.batch_size)

    @property
    def data_classes(self) -> int:
        """Labels that are read from the data set; 0 for none."""
        classes: int = self.recipe.model.classes
        return classes

    def compile(self, model: keras.Model, total_steps: int) -> None:
        """Give the model its optimizer, and say how much worse its images shall be made."""
        super().compile(model, total_steps)
        if isinstance(model, Adversarial):
            model.adversarial = self.recipe.data.adversarial

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of images without end, from step `start` on."""
        config = self.recipe.train
        return self.images.training_batches(config.batch_size, config.seed, start=start)

    def validation_examples(self) -> np.ndarray | dict[str, np.ndarray]:
        """Return held-out images, binarized by one fixed draw where the model learns from such."""
        image, labels = self.images.arrays("validation")
        if self.recipe.data.binarize:
            image = np.random.RandomState(0).random_sample(image.shape) < image
        image = image.astype(np.float32)
        return image if labels is None else {"image": image, "labels": labels}

    def samples(self, shipped: keras.Model) -> Drawn | None:
        """Draw eight rows of images; a conditional model has a column for each class."""
        classes = self.recipe.model.classes
        labels = np.tile(np.arange(classes), ROWS) if classes else None
        seed, count = self.recipe.train.seed, ROWS * (classes or ROWS)
        images = shipped.generate(count, labels=labels, seed=seed)
        return Drawn("image", images, {"classes": classes})
