"""Encoder-decoder Transformers: from one language to another, or from gaps to what filled them.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Translator": "zoo.translation.translator",
    "TranslationConfig": "zoo.translation.config",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.translation' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
