"""StableLM: Llama with LayerNorm, whose heads are turned in part."""

from zoo.checkpoints.architectures import gated
from zoo.checkpoints.architectures.architecture import Architecture
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig

TURNED = 0.25  # share of each head that rotary positions turn, where nothing is said


def read(keys: Keys) -> GPTConfig:
    """Return the configuration of our model."""
    keys.only("qk_layernorm", False)
    keys.only("use_parallel_residual", False)
    values = gated.sizes(keys, kv_heads=32, epsilon=("layer_norm_eps", 1e-5))
    width = values["width"] // values["heads"]
    if values["head_width"]:
        raise keys.error("head_dim", values["head_width"], f"expected {width}, a head's share")
    values |= gated.rotary(keys, values["context"], turned=(width, TURNED))
    values |= {
        "normalisation": "layer",
        "bias": True,  # of the normalisations, and of nothing else
        "attention_bias": "inputs" if keys.flag("use_qkv_bias", False) else "none",
        "feed_forward_bias": False,
    }
    return GPTConfig.parse(values, "config.json")


STABLELM = Architecture("stablelm", read, gated.slots, without_effect=frozenset(["hidden_dropout"]))
