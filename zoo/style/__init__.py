"""Networks that paint photographs in the style of any picture.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Restyler": "zoo.style.model",
    "StyleConfig": "zoo.style.config",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.style' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
