"""The base of every model of the zoo."""

import math
from abc import ABCMeta
from typing import Any

import keras

from zoo.startup import conventions


class _Conventional(ABCMeta):
    """The class of classes whose objects are made under the conventions."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        with conventions():
            return super().__call__(*args, **kwargs)


class BuiltModel(keras.Model, metaclass=_Conventional):
    """A model that has all its variables as soon as it is made."""

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers of a compiled model."""
        return [self.optimizer]

    @property
    def num_parameters(self) -> int:
        """Number of trained values; tied matrices count once."""
        return sum(math.prod(variable.shape) for variable in self.trainable_variables)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        with conventions():
            return super().fit(*args, **kwargs)

    def recalibrate(self) -> None:
        """Measure statistics anew that depend on weights just replaced; here there are none."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing, as there is nothing left to build.

        Under a distribution strategy Keras would take the first batch away from the data for this,
        and fail where the replicas' shares of it differ in size.
        """
