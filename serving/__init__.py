"""Runs the zoo's models with ONNX Runtime. Needs no TensorFlow.

Names load on first use, so that `import serving` costs next to nothing.

Example:
    >>> import serving
    >>> vae = serving.load("vae-mnist", device="cpu")
    >>> vae.generate(4, seed=7).shape
    (4, 28, 28, 1)
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "load": "serving.loader",
    "GAN": "serving.families.gan",
    "GPT": "serving.families.gpt",
    "Music": "serving.families.music",
    "VAE": "serving.families.vae",
    "BundleError": "serving.bundle.records",
    "DeviceError": "serving.runtime.session",
    "GenzooError": "serving.errors",
    "UsageError": "serving.errors",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'serving' has no attribute {name!r}")
    with import_module("serving.collecting").collection_paused():
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
