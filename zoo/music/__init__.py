"""Music: Transformers over four voices on a grid of sixteenths.

Names load on first use: the network alone needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {"MusicTransformer": "zoo.music.model", "MusicConfig": "zoo.music.config"}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.music' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
