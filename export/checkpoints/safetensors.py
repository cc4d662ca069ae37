"""Weights as `transformers` loads them: `model.safetensors`."""

from pathlib import Path

import numpy as np

from export.checkpoints.classes import class_of, why_not
from export.checkpoints.network import network_of
from export.errors import ExportError
from zoo.transformer import GPT

FILE = "model.safetensors"


def write(model: GPT, directory: Path) -> None:
    """Write the weights of a Transformer, for `transformers` to load with the `config.json` there.

    Args:
        model: whose weights are written, in float32.
        directory: receives `model.safetensors`.

    Raises:
        ExportError: it is none of the networks that `transformers` has.

    Example:
        >>> from safetensors import safe_open
        >>> from zoo.transformer import GPTConfig
        >>> write(GPT(GPTConfig(vocabulary_size=65, layers=1, width=16, heads=2)), Path("."))
        >>> safe_open("model.safetensors", "np").get_tensor("model.norm.weight").shape
        (16,)
    """
    from safetensors.numpy import save

    found = class_of(model.config)
    if found is None:
        raise ExportError(f"no {FILE}: {why_not(model.config)}")
    weights = {
        name: np.ascontiguousarray(value, np.float32)
        for name, value in found.weights(network_of(model)).items()
    }
    # Readers ask whose tensors they are. The library's own file would be for its owner alone.
    (directory / FILE).write_bytes(save(weights, {"format": "pt"}))
