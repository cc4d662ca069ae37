"""Data: every source of images or text is a TensorFlow Datasets data set.

`prepare` makes a data set ready on disk, from a name or a folder of images; `describe` says what it
holds; `Images` turns one into batches. Names load on first use: importing this package loads no
TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Images": "zoo.data.images",
    "ImagesConfig": "zoo.data.images",
    "SourceInfo": "zoo.data.sources",
    "describe": "zoo.data.sources",
    "offline_names": "zoo.data.sources",
    "prepare": "zoo.data.sources",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.data' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
