"""Evaluation of a latent variable model: a Keras model, or the ONNX graphs that were made of it.

An evaluator is a generator: `evaluator(subject, images, labels, settings)` yields one `Metric` at a
time: a name, a value, and how it was measured. `evaluate` runs them all.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "EvaluateConfig": "config",
    "KerasLatentModel": "subject",
    "LatentModel": "subject",
    "evaluate": "runner",
}

__all__ = ["EvaluateConfig", "KerasLatentModel", "LatentModel", "evaluate"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that a recipe can be read without TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.vae.evaluation' has no attribute {name!r}")
    return getattr(import_module(f"zoo.vae.evaluation.{_HOMES[name]}"), name)
