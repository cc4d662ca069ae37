"""Keras as this project needs it: on TensorFlow, quiet, and with its conventions."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import GenzooError, first_line


def load_tensorflow() -> None:
    """Import TensorFlow and Keras quietly; their later warnings and all errors still show.

    Start-up messages would bury ours.

    Raises:
        ModuleNotFoundError: it is not installed.
        GenzooError: Keras is set to another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_HOME", os.devnull)  # where it would leave a `keras.json` otherwise
    with _no_standard_error():  # written by the C++ runtime before any setting is read
        require_tensorflow()
        import tensorflow as tf

        tf.config.list_physical_devices()


def require_tensorflow() -> None:
    """Import Keras.

    Raises:
        ModuleNotFoundError: it is not installed.
        GenzooError: it is set to another backend than TensorFlow.
    """
    try:
        import keras
    except (ImportError, ValueError) as error:
        missing = str(getattr(error, "name", "")).partition(".")[0]
        if missing in ("keras", "tensorflow"):
            raise
        raise GenzooError(f"Keras does not load ({first_line(error)}); {_ADVICE}") from None
    if (backend := keras.config.backend()) != "tensorflow":
        raise GenzooError(f"Keras is set to {backend}, and models need TensorFlow; {_ADVICE}")
    _leave_attention_apart()


def _leave_attention_apart() -> None:
    """Keep TensorFlow from making one operator of the scores of attention and their mask.

    That one is a reference implementation where a mask serves a batch: twenty times as slow.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"remapping": False})


_ADVICE = (
    'set KERAS_BACKEND=tensorflow in the environment, or "backend" in keras.json, and start again'
)


@contextmanager
def conventions(policy: str | None = None) -> Iterator[None]:
    """Within, Keras has the settings that models are written for; afterwards its own again.

    Images have their channels last and numbers 32 bits, whatever keras.json or the program says.

    Args:
        policy: a Keras dtype policy; the one in force unless given, or `float32` where that is
            `float64`.

    Example:
        >>> import keras
        >>> with conventions("mixed_bfloat16"):
        ...     keras.config.dtype_policy().name, keras.config.image_data_format()
        ('mixed_bfloat16', 'channels_last')
        >>> keras.config.dtype_policy().name
        'float32'
    """
    import keras

    config = keras.config
    before = config.floatx(), config.image_data_format(), config.dtype_policy()
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_dtype_policy(policy or (before[2] if before[2].name != "float64" else "float32"))
    try:
        yield
    finally:
        config.set_floatx(before[0])
        config.set_image_data_format(before[1])
        config.set_dtype_policy(before[2])


@contextmanager
def _no_standard_error() -> Iterator[None]:
    before = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
