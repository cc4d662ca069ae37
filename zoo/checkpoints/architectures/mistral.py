"""Mistral 7B: Llama with a window in every layer."""

from zoo.checkpoints.architectures import gated
from zoo.checkpoints.architectures.architecture import Architecture
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    values = gated.sizes(keys, kv_heads=8)
    values |= gated.rotary(keys, values["context"])
    if keys.get("sliding_window", 4096) is not None:
        values["windows"] = [keys.number("sliding_window", 4096)] * values["layers"]
    return GPTConfig.parse(values, "config.json")


MISTRAL = Architecture("mistral", read, gated.slots)
