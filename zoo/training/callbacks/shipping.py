"""What ships: a copy of the model that carries the averaged weights."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from serving.files import replacing
from zoo.training.built import BuiltModel
from zoo.training.lora.file import Described, save
from zoo.training.lora.layers import Value, adapted
from zoo.training.workdir import WorkDir


class Shipping(keras.callbacks.Callback):
    """After each epoch, validate the weights that would ship and keep the best and the last.

    The copy takes the moving average of the weights where the recipe has one, and of matrices and
    kernels no more digits than their layer computes with: 8 significant bits in bfloat16, so that
    files hold nothing that was never used and compress to half. The model in training is never
    touched, so that validating changes nothing about the run.

    Of layers that are adapted (`zoo.training.lora`) the copy takes weight and change as one, and
    beside the best weights goes the change alone. Both in float32, so that they agree wherever the
    one or the other is used.

    Args:
        shipped: a second model of the same configuration, of which no layer is adapted.
        validate: measures `shipped`; the lowest `val_loss` is the best.
        workdir: where `best.weights.h5` and `last.weights.h5` go.
        best: lowest validation loss so far, of a run that is resumed.
        adapter: what the adapter of the run belongs to, if it trains one.
    """

    def __init__(
        self,
        shipped: BuiltModel,
        validate: Callable[[], dict[str, float]],
        workdir: WorkDir,
        best: float = np.inf,
        adapter: Described | None = None,
    ):
        super().__init__()
        self.shipped, self.validate, self.workdir, self.best = shipped, validate, workdir, best
        self.adapter = adapter

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.take_weights()
        logs |= self.validate()
        self._save(self.workdir.last_weights)
        if logs["val_loss"] < self.best:
            self.best = logs["val_loss"]
            self._save(self.workdir.best_weights)
            if self.adapter is not None:
                path, layers = self.workdir.best_adapter, adapted(self.model)
                save(path, self.adapter, layers, self._averaged())

    def take_weights(self) -> None:
        """Copy the weights that ship from the model in training."""
        averaged, layers = self._averaged(), adapted(self.model)
        factors = {id(each) for layer in layers for each in (layer.first, layer.second)}
        sources = [each for each in self.model.variables if id(each) not in factors]
        merged = {id(layer.frozen): layer.merged for layer in layers}
        precisions = _precisions(self.shipped)
        for target, source in zip(self.shipped.variables, sources, strict=True):
            if id(source) in merged:
                target.assign(merged[id(source)](averaged))
                continue
            value = averaged(source)
            if source.trainable and value.ndim > 1:
                value = ops.cast(value, precisions[id(target)])
            target.assign(value)
        self.shipped.recalibrate()

    def _averaged(self) -> Value:
        """Return what gives the numbers of a variable as they ship."""
        averages = {
            id(variable): average
            for optimizer in self.model.optimizers
            for variable, average in _averages(optimizer)
        }
        return lambda variable: averages.get(id(variable), variable).numpy()

    def _save(self, path: Path) -> None:
        with replacing(path) as temporary:
            self.shipped.save_weights(temporary)


def _precisions(model: keras.Model) -> dict[int, str]:
    """Return what each variable is computed with, by the layer that owns it."""
    # From the outermost layer to the innermost, which is the owner. An embedding that also gives
    # the logits gives them in a type of its own.
    return {
        id(variable): getattr(layer, "reverse_dtype", None) or layer.compute_dtype
        for layer in model._flatten_layers()
        for variable in layer.variables
    }


def _averages(
    optimizer: keras.optimizers.Optimizer,
) -> list[tuple[keras.Variable, keras.Variable]]:
    """Pair each variable that an optimizer trains with its moving average, if it keeps one."""
    if not (optimizer.use_ema and optimizer.built):
        return []
    averages = optimizer._model_variables_moving_average
    return list(zip(optimizer._trainable_variables, averages, strict=True))
