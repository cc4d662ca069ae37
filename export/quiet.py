"""Keeps other libraries' loggers quiet."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Drop log messages within the block: here what is wrong is found by looking, and raised.

    The root logger's handlers stay what they were: whoever calls `logging.warning` without any, as
    ONNX Runtime's quantizer does, adds one for the whole process.
    """
    handlers = logging.root.handlers[:]
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        logging.root.handlers[:] = handlers
