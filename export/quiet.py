"""Keeps other libraries' loggers quiet."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Drop log messages within the block: here what is wrong is found by looking, and raised.

    The root logger's handlers and level stay what they were: ONNX Runtime's quantizers change them
    for the whole process.
    """
    handlers, level = logging.root.handlers[:], logging.root.level
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
