"""Llama 2, 3 and 3.x, and what is built as they are: SmolLM2, TinyLlama and many others."""

from zoo.checkpoints.architectures import gated
from zoo.checkpoints.architectures.architecture import Architecture
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    values = gated.sizes(keys)
    values |= gated.rotary(keys, values["context"])
    if keys.flag("attention_bias", False):
        values["attention_bias"] = "all"
    if keys.flag("mlp_bias", False):
        values["feed_forward_bias"] = True
    return GPTConfig.parse(values, "config.json")


LLAMA = Architecture("llama", read, gated.slots)
