"""The base of every model of the zoo."""

from typing import Any

import keras


class BuiltModel(keras.Model):
    """A model that has all its variables as soon as it is made."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing, as there is nothing left to build.

        Under a distribution strategy Keras would take the first batch away from the data for this,
        and fail where the replicas' shares of it differ in size.
        """
