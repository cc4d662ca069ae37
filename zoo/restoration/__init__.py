"""Networks that make photographs better: larger, with the detail that is likely there.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "RestorationConfig": "zoo.restoration.config",
    "Restorer": "zoo.restoration.model",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.restoration' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
