"""Qwen3: Qwen2 with normalised queries and keys instead of biases, and heads of any width."""

from zoo.checkpoints.architectures import gated
from zoo.checkpoints.architectures.architecture import Architecture
from zoo.checkpoints.architectures.qwen2 import upper_windows
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    values = gated.sizes(keys, kv_heads=32, head_dim=128) | {"query_key_norm": True}
    values |= gated.rotary(keys, values["context"]) | upper_windows(keys, values["layers"])
    if keys.flag("attention_bias", False):
        values["attention_bias"] = "all"
    return GPTConfig.parse(values, "config.json")


QWEN3 = Architecture("qwen3", read, gated.slots)
