"""Keras -> SavedModel, ONNX, bundle: an export that is proved before it is written.

`export.export("runs/v1", "bundles/vae-mnist")` converts every graph of a trained model, refuses
what ONNX Runtime could not load, compares it with Keras, measures it and writes one bundle, or
raises `export.ExportError` and writes nothing. `export.publish(["bundles/vae-mnist"], "release")`
makes of bundles what any file server can host.
"""

from importlib import import_module
from typing import Any

import serving.runtime  # noqa: F401, which keeps ONNX Runtime, wherever it is used here, from telemetry

_HOMES = {
    "export": "export.bundling.exporter",
    "export_adapter": "export.bundling.adapter",
    "ExportError": "export.errors",
    "publish": "export.release.publish",
}

__all__ = ["ExportError", "export", "export_adapter", "publish"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that `import export` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'export' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
