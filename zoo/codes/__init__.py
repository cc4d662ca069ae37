"""Codes: images told by a few whole numbers.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {"Codes": "zoo.codes.codes", "CodesConfig": "zoo.codes.config"}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.codes' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
