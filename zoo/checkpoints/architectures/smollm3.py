"""SmolLM3: Llama with layers that have no positions."""

from zoo.checkpoints.architectures import gated
from zoo.checkpoints.architectures.architecture import Architecture
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig

BASE, INTERVAL = 2e6, 4  # of rotary positions; from one layer without them to the next


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    values = gated.sizes(keys, kv_heads=4, tied=True)
    layers = values["layers"]
    values |= gated.rotary(keys, values["context"], BASE)
    interval = keys.number("no_rope_layer_interval", INTERVAL)
    turned = keys.numbers("no_rope_layers", least=layers)  # 1 for layers that do have them
    if turned is None:
        turned = [(layer + 1) % interval for layer in range(layers)]
    values["unturned_layers"] = [layer for layer in range(layers) if not turned[layer]]
    values |= gated.windows(keys, layers, [not each for each in turned[:layers]])
    if keys.flag("attention_bias", False):
        values["attention_bias"] = "all"
    if keys.flag("mlp_bias", False):
        values["feed_forward_bias"] = True
    return GPTConfig.parse(values, "config.json")


SMOLLM3 = Architecture(
    "smollm3", read, gated.slots, without_effect=frozenset(["max_window_layers"])
)
