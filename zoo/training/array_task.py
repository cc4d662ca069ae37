"""Examples that are held in memory, and one optimizer: what most families need of a task."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.data.sources import SourceInfo
from zoo.recipe import Recipe
from zoo.task import Task
from zoo.training.optimizers import optimizer

VALIDATION_BATCH = 500

Examples = np.ndarray | Mapping[str, np.ndarray]


class OneOptimizerTask(Task):
    """A task of a model with one optimizer, whose `validation_loss` chooses the best weights.

    Args:
        recipe: of the run.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def compile(self, model: keras.Model, total_steps: int) -> None:
        """Give the model its optimizer."""
        config = self.recipe.train
        model.compile(optimizer(config, total_steps), jit_compile=config.jit_compile)
        model.optimizer.build(model.trainable_variables)

    @abstractmethod
    def validation_examples(self) -> Any:
        """Return what the model is validated on, as NumPy arrays in the form of a batch."""

    def validation(self, shipped: keras.Model) -> Callable[[], dict[str, float]]:
        """Return what measures the model's mean loss on held-out examples."""
        data = self.validation_examples()
        batches = tf.data.Dataset.from_tensor_slices(data).batch(VALIDATION_BATCH)
        loss = tf.function(shipped.validation_loss, reduce_retracing=True)

        def measure() -> dict[str, float]:
            sums, count = 0.0, 0
            for batch in batches:
                rows = len(tf.nest.flatten(batch)[0])
                sums, count = sums + float(loss(batch)) * rows, count + rows
            return {"val_loss": sums / count}

        return measure


class ArrayTask(OneOptimizerTask):
    """Arrays to train on, each epoch in a new order, and others to validate on.

    Batches are a pure function of the recipe's seed and of the step, so that a run that stops after
    any step goes on with exactly those it would have had.

    Args:
        recipe: of the run.
        source: what is known of the data.
        train, validation: examples, `(N, ...)`, or several of as many rows by name.
    """

    def __init__(self, recipe: Recipe, source: SourceInfo, train: Examples, validation: Examples):
        super().__init__(recipe)
        self.source, self._train, self._validation = source, train, validation
        config, self._count = recipe.train, len(tf.nest.flatten(train)[0])
        self.steps_per_epoch = config.steps_per_epoch or -(-self._count // config.batch_size)
        self.smallest_batch = self._count % config.batch_size or config.batch_size

    def validation_examples(self) -> Examples:
        return self._validation

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches without end, from step `start` on."""
        seed, size = self.recipe.train.seed, self.recipe.train.batch_size
        with tf.device("CPU:0"):
            examples = tf.nest.map_structure(tf.constant, self._train)
        epoch, done = divmod(start, -(-self._count // size))

        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            rows = tf.range(self._count)
            order = tf.random.experimental.stateless_shuffle(rows, [seed, epoch])
            return tf.data.Dataset.from_tensor_slices(order).batch(size)

        def pick(rows: tf.Tensor) -> Any:
            return tf.nest.map_structure(lambda values: tf.gather(values, rows), examples)

        rows = tf.data.Dataset.range(epoch, tf.int64.max).flat_map(one_epoch).skip(done)
        return rows.map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)
