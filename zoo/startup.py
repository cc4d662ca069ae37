"""Loads TensorFlow without its start-up messages, which would bury ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow() -> None:
    """Import TensorFlow and Keras quietly; their later warnings and all errors still show.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_HOME", os.devnull)  # where it would leave a `keras.json` otherwise
    with _no_standard_error():  # written by the C++ runtime before any setting is read
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def _no_standard_error() -> Iterator[None]:
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
