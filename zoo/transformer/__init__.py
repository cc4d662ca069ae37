"""Transformers: language models that predict the next token.

Names load on first use: the network alone needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {"GPT": "zoo.transformer.gpt", "GPTConfig": "zoo.transformer.config"}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.transformer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
