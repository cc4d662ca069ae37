"""The state of a run, saved and restored bit for bit."""

import json
from zipfile import BadZipFile

import keras
import numpy as np

from serving.errors import GenzooError
from serving.files import replacing
from zoo.data.sources import SourceInfo
from zoo.training.built import BuiltModel
from zoo.training.callbacks.shipping import Shipping
from zoo.training.workdir import WorkDir


class State(keras.callbacks.Callback):
    """Saves everything that the next step depends on: after each epoch, and when asked to stop.

    That is the weights, the state of random generators, the optimizer with its moments, averages
    and step count, and the best validation loss. The batches follow from the step count alone, as
    long as the data are the same, and so it is saved too what they were.
    """

    def __init__(self, workdir: WorkDir, shipping: Shipping, source: SourceInfo):
        super().__init__()
        self.workdir = workdir
        self.shipping = shipping
        self.source = source

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.save()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        values = {str(i): variable.numpy() for i, variable in enumerate(_variables(self.model))}
        with replacing(self.workdir.state) as temporary:
            best, data = np.float64(self.shipping.best), json.dumps(self.source.record())
            np.savez(temporary, best=best, data=data, **values)

    def restore(self, model: BuiltModel) -> None:
        """Bring `model` and its optimizer to the saved state; without one, leave them as they are.

        Raises:
            UsageError: the data are others.
            GenzooError: the file is damaged, or of another model.
        """
        if not self.workdir.state.is_file():
            return
        variables = _variables(model)
        try:
            with np.load(self.workdir.state) as saved:
                self.source.check(json.loads(str(saved["data"])), self.workdir.path)
                if len(saved.files) != len(variables) + 2:
                    raise ValueError(f"{len(saved.files) - 2} variables, not {len(variables)}")
                for index, variable in enumerate(variables):
                    variable.assign(saved[str(index)])
                self.shipping.best = float(saved["best"])
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise GenzooError(
                f"{self.workdir.state} cannot be restored ({error}); start again in a new directory"
            ) from None


def _variables(model: BuiltModel) -> list[keras.Variable]:
    moments = (variable for optimizer in model.optimizers for variable in optimizer.variables)
    return [*model.variables, *moments]
