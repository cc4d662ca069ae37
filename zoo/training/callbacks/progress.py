"""What a person sees while a model trains, and the guards that stop a run."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from tqdm import tqdm

from serving.errors import GenzooError
from zoo.training.callbacks.state import State


class TrainingError(GenzooError):
    """A run that cannot go on."""


class Progress(keras.callbacks.Callback):
    """One bar for the whole run with the time left, and a line for each epoch."""

    def __init__(self, done: int, total: int):
        super().__init__()
        self.bar = tqdm(
            initial=done,
            total=total,
            unit="step",
            dynamic_ncols=True,
            mininterval=1,
            file=sys.stderr,
            disable=None,  # in a file, the line of each epoch is enough
        )
        self._steps_seen = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._steps_seen = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update(batch + 1 - self._steps_seen)  # several steps may run between two calls
        self._steps_seen = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        values = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        self.bar.write(f"epoch {epoch + 1}  {values}", file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.bar.close()


class FiniteLoss(keras.callbacks.Callback):
    """Stops the run at the first loss that is not finite, and says where."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for name, value in logs.items():
            if not np.isfinite(value):
                self._stop(name.replace("_", " "), value)

    def _stop(self, name: str, value: float) -> None:
        optimizer = self.model.optimizer
        raise TrainingError(
            f"the {name} became {float(value)} by step {int(optimizer.iterations)} "
            f"(learning rate {float(optimizer.learning_rate):.2g}); the last whole epoch is "
            "kept; lower train.learning_rate or set train.clip_norm"
        )


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Leaves `fit`, either after an epoch or before anything that belongs to its end."""


class Interruption(keras.callbacks.Callback):
    """On SIGINT or SIGTERM, finishes the step at hand, saves the state and ends the run.

    After the last step of an epoch it lets the epoch end first: a run that is resumed begins with
    the next one, and what was never validated, logged and kept would be so for good. It comes last
    of the callbacks, and then finds the state saved.

    Raises:
        Stopped: out of `fit`, once the state is saved.
    """

    def __init__(self, state: State):
        super().__init__()
        self.state = state
        self.received: signal.Signals | None = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.received and batch + 1 < self.params["steps"]:
            self.state.save()
            raise Stopped

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.received:
            raise Stopped

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive signals while the block runs; a second one ends the process at once."""

        def receive(number: int, frame: object) -> None:
            if self.received:
                raise KeyboardInterrupt
            self.received = signal.Signals(number)

        handled = (signal.SIGINT, signal.SIGTERM)
        try:
            before = {number: signal.signal(number, receive) for number in handled}
        except ValueError:  # not the main thread, which alone may handle signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
