"""Training: a recipe and a directory in, a trained model in the directory out."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from serving.errors import UsageError
from zoo.recipe import Recipe
from zoo.startup import conventions
from zoo.task import Task
from zoo.training import devices as device_requests
from zoo.training.accumulation import divide_steps
from zoo.training.beginning import copy_weights, inherited
from zoo.training.callbacks.progress import FiniteLoss, Interruption, Progress, Stopped
from zoo.training.callbacks.samples import Samples
from zoo.training.callbacks.shipping import Shipping
from zoo.training.callbacks.state import State
from zoo.training.graphs import forgotten_graphs
from zoo.training.lora.file import prepared
from zoo.training.lora.layers import check_trained
from zoo.training.provenance import provenance
from zoo.training.restoring import keep_parts
from zoo.training.smaller.distillation import teach
from zoo.training.smaller.pruning import prune
from zoo.training.workdir import WorkDir


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        workdir: where everything is.
        finished: False when a signal ended the run early; then it can be resumed.
        steps: steps done since the beginning.
        best_validation_loss: nats per image for a VAE.
        signal: the number of the signal that ended the run, if one did.
    """

    workdir: Path
    finished: bool
    steps: int
    best_validation_loss: float
    signal: int | None = None


def train(
    recipe: str | Path | Recipe,
    workdir: str | Path,
    *,
    overrides: dict[str, Any] | None = None,
    devices: str = "auto",
    resume: bool = False,
    quick: bool = False,
) -> Result:
    """Train a model.

    Args:
        recipe: a recipe, its name, or the path of a TOML file.
        workdir: a new directory, or with `resume` that of a run that was stopped. It receives
            `recipe.toml`, `best.weights.h5` and `last.weights.h5` (what ships: averaged weights),
            with `train.lora` the adapter alone as `best.adapter.npz`, `state.npz`, `history.csv`,
            `training.json`, `samples/` and TensorBoard `logs/`, and for text the tokenizer.
        overrides: recipe values by dotted key, such as `{"train.epochs": 5}`.
        devices: `auto`, `cpu`, `cpu:2`, `gpu` or `gpu:0,1`; see `zoo.training.devices.strategy`.
        resume: go on where the run stopped; the result is the same as if it had not.
        quick: shrink the recipe to seconds, on the same code path.

    Raises:
        UsageError: the recipe, the data set or the directory will not do.
        TrainingError: the loss is not finite any more.

    Example:
        >>> import tempfile
        >>> result = train("vae-digits", tempfile.mkdtemp() + "/run", quick=True)
        >>> result.finished
        True
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe, overrides, quick=quick)
    elif overrides or quick:
        raise UsageError("overrides and quick go with a recipe's name or path, not with a Recipe")
    strategy = device_requests.strategy(devices)
    recipe = recipe.completed()
    task = recipe.task()
    _check_shares(task, strategy.num_replicas_in_sync, recipe.train.accumulate)
    directory = WorkDir(workdir)
    directory.check(recipe, resume=resume)
    with conventions(recipe.train.precision), forgotten_graphs():
        return _Run(recipe, directory, task, strategy).execute()


class _Run:
    """One run: the model, its data and the callbacks, put together."""

    def __init__(
        self, recipe: Recipe, directory: WorkDir, task: Task, strategy: tf.distribute.Strategy
    ):
        config = recipe.train
        self.recipe, self.directory, self.task = recipe, directory, task
        self.total = config.epochs * task.steps_per_epoch
        keras.utils.set_random_seed(config.seed)
        with strategy.scope():
            self.model = recipe.build()
        self._begin()
        with strategy.scope():
            adapter = prepared(self.model, config)
            self.teacher = self._teacher()
            task.compile(self.model, self.total)
            check_trained(self.model)
        divide_steps(self.model, config.accumulate)
        shipped = recipe.build()
        validate = task.validation(shipped)
        self.shipping = Shipping(shipped, validate, directory, adapter=adapter)
        self.state = State(directory, self.shipping, task.source)
        self.state.restore(self.model)
        self.interruption = Interruption(self.state)
        # Now: by the end of a long run another revision may lie there.
        places = {key: str(path) for key, path in recipe.places().items()}
        self.made_by = provenance(recipe.model.family) | {"places": places} | self.teacher
        if config.initial_weights:
            self.made_by |= inherited(config.initial_weights)
        self.seconds_before = directory.read_record().get("train_seconds", 0.0)
        self.started = time.monotonic()

    def _begin(self) -> None:
        """Give the model the weights that it begins with, unless those of a stopped run follow.

        By them it is known, of a stopped run too, what an adapter is a change of.
        """
        config = self.recipe.train
        follow = self.directory.state.is_file() and not config.lora
        if config.initial_weights is None or follow:
            return
        if config.prune:
            prune(self.model, config, self.task.training_batches(start=0))
        else:
            copy_weights(self.model, config.initial_weights)

    def _teacher(self) -> dict[str, str]:
        """Let the model learn from a teacher where the recipe has one; return what that is.

        Raises:
            UsageError: there is no such teacher, or it is another than when the run was stopped.
        """
        config = self.recipe.train
        if config.teacher is None:
            return {}
        found = teach(self.model, config).fingerprint()
        if self.directory.read_record().get("teacher_sha256", found) != found:
            raise UsageError(
                f"{config.teacher} is not the teacher any more that {self.directory.path} began "
                "with; bring that back, or train in a new directory"
            )
        return {"teacher_sha256": found}

    def execute(self) -> Result:
        """Train to the end, or until a signal."""
        self.directory.claim(self.recipe)
        keep_parts(self.recipe, self.directory)
        self.directory.forget_epochs(self.steps // self.task.steps_per_epoch)
        self.task.keep(self.directory.path)
        progress = Progress(self.steps, self.total)
        try:
            with self.interruption.listening(), suppress(Stopped):
                self._fit(progress)
        finally:
            progress.close()
            if self.steps and self.steps != self.directory.read_record().get("steps"):
                self._write_record()
        received = self.interruption.received
        finished = self.steps == self.total
        signal = None if finished or not received else int(received)
        best = float(self.shipping.best)
        return Result(self.directory.path, finished, self.steps, best, signal)

    @property
    def steps(self) -> int:
        """Steps done since the beginning of the run."""
        return int(self.model.optimizer.iterations.numpy())

    def _fit(self, progress: Progress) -> None:
        callbacks = [
            FiniteLoss(),
            self.shipping,
            *self.task.callbacks(self.directory.history),
            Samples(self.task, self.shipping.shipped, self.directory),
            keras.callbacks.CSVLogger(self.directory.history, append=self.steps > 0),
            keras.callbacks.TensorBoard(self.directory.logs, write_graph=False),
            # Before the state, so that whatever is finished has a record.
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: self._write_record()),
            self.state,
            progress,
            self.interruption,
        ]
        while self.steps < self.total:
            # A run that stopped within an epoch first completes it, then goes on in whole epochs.
            epoch, done = divmod(self.steps, self.task.steps_per_epoch)
            config, remaining = self.recipe.train, self.task.steps_per_epoch - done
            # Keras would overshoot an epoch that this number does not divide.
            self.model.steps_per_execution = math.gcd(remaining, config.steps_per_execution)
            self.model.make_train_function(force=True)
            self.model.fit(
                self.task.training_batches(start=self.steps),
                initial_epoch=epoch,
                epochs=epoch + 1 if done else config.epochs,
                steps_per_epoch=remaining,
                shuffle=False,
                callbacks=callbacks,
                verbose=0,
            )

    def _write_record(self) -> None:
        seconds = self.seconds_before + time.monotonic() - self.started
        self.directory.write_record(
            {
                "steps": self.steps,
                "total_steps": self.total,
                "train_seconds": round(seconds, 1),
                "best_validation_loss": float(self.shipping.best),
                "parameters": int(self.model.count_params()),
                "seed": self.recipe.train.seed,
                **self.task.source.record(),
                **self.made_by,
            }
        )


def _check_shares(task: Task, replicas: int, parts: int) -> None:
    """Refuse batches that leave a device without an example, in one of their parts.

    TensorFlow's convolutions return the wrong shape for none on some processors.
    """
    if task.smallest_batch < replicas * parts:
        divided = f" in {parts} parts each" if parts > 1 else ""
        raise UsageError(
            f"the smallest batch has {task.smallest_batch} examples for {replicas} devices"
            f"{divided}; change train.batch_size, or take fewer devices{' or parts' * (parts > 1)}"
        )
