"""What a training run asks of a family: its data, its optimizers, its measure, its samples."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from zoo.config import Config
from zoo.data.sources import SourceInfo
from zoo.metric import Metric


class Drawn(NamedTuple):
    """Samples: the kind of content, its value, and the processing of such a model."""

    content: str
    value: Any
    processing: dict[str, Any]


class Task(ABC):
    """The data of a recipe, and how its model learns from them.

    Attributes:
        source: name, version and licence of the data set.
        steps_per_epoch: after which the model is validated and saved.
        smallest_batch: examples in the smallest batch.
    """

    source: SourceInfo
    steps_per_epoch: int
    smallest_batch: int

    def keep(self, directory: Path) -> None:  # noqa: B027 - most families keep nothing
        """Write what the model needs besides its weights to a run's directory: here nothing.

        Raises:
            UsageError: what the run has kept is of another model.
        """

    @abstractmethod
    def compile(self, model: keras.Model, total_steps: int) -> None:
        """Give a model its optimizers, with all their variables."""

    @abstractmethod
    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches without end, of all replicas together, from step `start` on."""

    @abstractmethod
    def validation(self, shipped: keras.Model) -> Callable[[], dict[str, float]]:
        """Return what measures the weights that would ship.

        Its values go to the log; the weights with the lowest `val_loss` are the best.
        """

    def callbacks(self, history: Path) -> list[keras.callbacks.Callback]:
        """Return what else looks at each epoch's log, after validation and before it is written.

        Args:
            history: the log of the epochs before, `history.csv`, if there were any.
        """
        return []

    @abstractmethod
    def samples(self, shipped: keras.Model) -> Drawn | None:
        """Draw samples of the weights that would ship, the same noise each time; None for none."""

    @abstractmethod
    def evaluate(self, model: keras.Model, settings: Config, figures: Path) -> list[Metric]:
        """Measure a trained model on data that were not used in training.

        Args:
            model: with the weights that ship.
            settings: the `[evaluate]` table.
            figures: directory for pictures, if there are any.
        """
