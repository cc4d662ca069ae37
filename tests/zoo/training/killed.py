"""A run that kills itself."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.zoo.training.test_training import TINY
from zoo.training import train
from zoo.training.callbacks.state import State

# What is replaced, where it is, how many calls of it are left alone, and whether the next one is
# made before the process dies.
MOMENTS: dict[str, tuple[Any, str, int, bool]] = {
    "the best weights are half written": (keras.Model, "save_weights", 3, True),
    "an epoch is told but not saved": (State, "on_epoch_end", 1, False),
    "the state is half written": (np, "savez", 1, True),
    "all is saved": (State, "on_epoch_end", 2, True),
}


def fatal(function: Callable[..., Any], spared: int, after: bool) -> Callable[..., Any]:
    """Let a function work a few times, then kill the process before or after it."""
    calls = 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls <= spared or after:
            function(*args, **kwargs)
        if calls > spared:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def run_and_die(moment: str, workdir: Path) -> None:
    """Train until a moment of `MOMENTS`, and be killed there."""
    home, name, spared, after = MOMENTS[moment]
    setattr(home, name, fatal(getattr(home, name), spared, after))
    train("vae-digits", workdir, overrides=TINY, devices="cpu")
