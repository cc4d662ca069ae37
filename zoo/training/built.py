"""The base of every model of the zoo."""

from typing import Any

import keras

from serving.errors import UsageError


class BuiltModel(keras.Model):
    """A model that has all its variables as soon as it is made.

    Attributes:
        accumulate: parts of a batch whose gradients are computed one after the other.
    """

    accumulate = 1

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers of a compiled model."""
        return [self.optimizer]

    def divide_steps(self, parts: int) -> None:
        """Compute the gradient of each batch in so many parts, which needs less memory.

        Raises:
            UsageError: the model does not know how.
        """
        if parts > 1:
            raise UsageError(
                f"train.accumulate is {parts}, but a {type(self).__name__} takes each batch as a "
                "whole; leave the key out, or make train.batch_size smaller"
            )

    def settle(self) -> None:
        """Bring to rest what depends on weights that were just replaced; here there is nothing."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing, as there is nothing left to build.

        Under a distribution strategy Keras would take the first batch away from the data for this,
        and fail where the replicas' shares of it differ in size.
        """
