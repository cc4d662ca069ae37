"""Masked language models: Transformers that read a text from both sides and say what is hidden.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "MaskedLanguageModel": "zoo.masked.model",
    "MaskedConfig": "zoo.masked.config",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.masked' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
