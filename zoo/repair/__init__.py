"""One network that repairs photographs: fills holes, gives colours, takes blur and noise away.

Names load on first use: what a network is made of needs no TensorFlow.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "RepairConfig": "zoo.repair.config",
    "Repairer": "zoo.repair.model",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.repair' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
