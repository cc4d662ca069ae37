"""Training: one loop for every family."""

from importlib import import_module
from typing import Any

from zoo.startup import require_tensorflow

_HOMES = {
    "train": "zoo.training.run",
    "Result": "zoo.training.run",
    "fine_tuning": "zoo.training.beginning",
    "from_workdir": "zoo.training.beginning",
    "TrainingError": "zoo.training.callbacks.progress",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.training' has no attribute {name!r}")
    require_tensorflow()
    return getattr(import_module(_HOMES[name]), name)
