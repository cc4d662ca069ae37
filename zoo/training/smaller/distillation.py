"""Students: models that learn from another model too, and not from their data alone.

Reference:
    Hinton et al. 2015, Distilling the Knowledge in a Neural Network (arXiv:1503.02531).
"""

import hashlib
from abc import abstractmethod
from dataclasses import dataclass

import keras
import numpy as np
from keras import KerasTensor, ops

from serving.errors import UsageError
from zoo.recipe import TrainConfig
from zoo.training.beginning import model_of
from zoo.training.built import BuiltModel

WEIGHT, TEMPERATURE = 0.5, 2.0  # where a recipe with a teacher says nothing else


@dataclass(frozen=True)
class Teaching:
    """What a student learns from, besides its data.

    Attributes:
        teacher: a model that stays as it is.
        weight: share of its part in the loss, up to 1.
        temperature: by which the logits of both are divided before they are compared.
    """

    teacher: keras.Model
    weight: float
    temperature: float

    def shared(self, own: KerasTensor, taught: KerasTensor) -> KerasTensor:
        """Return the loss of which the teacher's part is `taught`, and that of the data `own`."""
        return (1 - self.weight) * own + self.weight * taught

    def fingerprint(self) -> str:
        """Return the sha256 of the teacher's weights."""
        digest = hashlib.sha256()
        for variable in self.teacher.variables:
            digest.update(np.ascontiguousarray(variable.numpy()))
        return digest.hexdigest()


class Student(BuiltModel):
    """A model that can learn from another one.

    Its `compute_loss` asks `teaching.teacher` what the right answer to a batch is like, takes no
    gradient of that, and shares the loss by `teaching.shared`.

    Attributes:
        teaching: set by `teach`.
    """

    teaching: Teaching | None = None

    @abstractmethod
    def check_teacher(self, teacher: keras.Model, name: str) -> None:
        """Make sure that a model can teach this one.

        Args:
            teacher: any model.
            name: what it is called.

        Raises:
            UsageError: it is of another kind, or gives answers of other words.
        """


def softened_nats(
    teacher_logits: KerasTensor, logits: KerasTensor, temperature: float
) -> KerasTensor:
    """Cross-entropy with what a teacher holds likely, both softened by a temperature.

    Times the square of the temperature, by which softening makes gradients smaller (Hinton et al.
    2015, section 2). No gradient reaches the teacher.

    Args:
        teacher_logits, logits: `(..., V)`.
        temperature: more than 0.

    Returns:
        Nats, `(...)`; at a temperature of 1 at least the entropy of the teacher's distribution.

    Example:
        >>> round(float(softened_nats(np.zeros((1, 65)), np.zeros((1, 65)), 1.0)[0]), 4)  # ln 65
        4.1744
    """
    likely = ops.softmax(ops.stop_gradient(ops.convert_to_tensor(teacher_logits)) / temperature)
    nats = ops.categorical_crossentropy(likely, logits / temperature, from_logits=True)
    return temperature**2 * nats


def teach(model: BuiltModel, config: TrainConfig) -> Teaching:
    """Let a model learn from the teacher that a recipe names.

    Args:
        model: on the devices that it trains on; the teacher is laid beside it.
        config: with `teacher`.

    Raises:
        UsageError: there is no such teacher, or it cannot teach this model.
    """
    name = str(config.teacher)
    if not isinstance(model, Student):
        raise UsageError(
            f"train.teacher is {name}, but a {type(model).__name__} learns from its data alone; "
            "leave the key out"
        )
    teacher = model_of(name)
    model.check_teacher(teacher, name)
    teacher.trainable = False
    model.teaching = Teaching(
        teacher, config.teacher_weight or WEIGHT, config.teacher_temperature or TEMPERATURE
    )
    return model.teaching
