"""Models made of the most important parts of a larger one."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from serving.errors import UsageError
from zoo.recipe import Importance, TrainConfig
from zoo.training.beginning import model_of
from zoo.training.built import BuiltModel

CALIBRATION_BATCHES, CALIBRATION_ROWS = 64, 4


class Prunable(BuiltModel):
    """A model that can be made of parts of a larger one of its kind."""

    @abstractmethod
    def take_parts(
        self, source: keras.Model, name: str, importance: Importance, batches: Iterable[Any]
    ) -> None:
        """Take the weights of the most important parts of a larger model.

        Args:
            source: the larger model.
            name: what it is called.
            importance: `taylor` by what the loss of some batches would change if a part were taken
                away, `magnitude` by the norm of the weights of a part alone.
            batches: as in training, small ones.

        Raises:
            UsageError: this model is none of parts of that one.
        """


def prune(model: BuiltModel, config: TrainConfig, batches: tf.data.Dataset) -> None:
    """Give a model the most important parts of the larger one that a recipe begins with.

    Args:
        model: to be trained.
        config: with `prune` and `initial_weights`.
        batches: of the training, from the first on.

    Raises:
        UsageError: there is no such model, or it has no such parts.
    """
    source = str(config.initial_weights)
    if not isinstance(model, Prunable) or config.prune is None:
        raise UsageError(
            f"train.prune is {config.prune}, but a {type(model).__name__} is not made of parts of "
            "a larger one; leave the key out"
        )
    few = batches.unbatch().batch(CALIBRATION_ROWS).take(CALIBRATION_BATCHES)
    model.take_parts(model_of(source), source, config.prune, few)
