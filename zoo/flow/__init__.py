"""Flows: images drawn by following a learned velocity from noise.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {"Flow": "zoo.flow.flow", "FlowConfig": "zoo.flow.config"}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.flow' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
