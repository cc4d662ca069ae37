"""Qwen2 and Qwen2.5: Llama with biases on queries, keys and values, and windows in some layers."""

from zoo.checkpoints.architectures import gated
from zoo.checkpoints.architectures.architecture import Architecture
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    values = gated.sizes(keys, kv_heads=32) | {"attention_bias": "inputs"}
    values |= gated.rotary(keys, values["context"]) | upper_windows(keys, values["layers"])
    keys.only("use_mrope", False)
    return GPTConfig.parse(values, "config.json")


def upper_windows(keys: Keys, layers: int) -> dict:
    """Return the windows of the layers from `max_window_layers` on."""
    first = keys.number("max_window_layers", 28, least=0)
    return gated.windows(keys, layers, [layer >= first for layer in range(layers)], 4096)


QWEN2 = Architecture("qwen2", read, gated.slots)
