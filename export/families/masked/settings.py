"""What `transformers`, `optimum` and transformers.js are told of a masked language model.

They take it for a ModernBERT (Warner et al. 2024), which normalises first and has rotary positions
too, and read of these settings what its graph is good for. The weights are in the graph alone: the
class named here has none that would fit.
"""

import json
from pathlib import Path
from typing import Any

from zoo.data import tokenizers
from zoo.masked.config import MaskedConfig

CONFIG = "config.json"


def write(config: MaskedConfig, directory: Path) -> None:
    """Write the settings of a bundle."""
    text = json.dumps(settings(config), indent=2) + "\n"
    (directory / CONFIG).write_text(text, encoding="utf-8")


def settings(config: MaskedConfig) -> dict[str, Any]:
    """Return the content of `config.json`.

    Example:
        >>> settings(MaskedConfig(vocabulary_size=300))["num_hidden_layers"]
        4
    """
    return {
        "architectures": ["ModernBertForMaskedLM"],
        "model_type": "modernbert",
        "vocab_size": config.vocabulary_size,
        "hidden_size": config.width,
        "intermediate_size": config.hidden_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "hidden_activation": "silu" if config.activation == "swiglu" else "gelu",
        "max_position_embeddings": config.context,
        "norm_eps": config.epsilon,
        "global_attn_every_n_layers": 1,
        "local_attention": config.context,
        "tie_word_embeddings": config.tied_embeddings,
        "pad_token_id": tokenizers.PAD,
        "bos_token_id": tokenizers.BOS,
        "cls_token_id": tokenizers.BOS,
        "eos_token_id": tokenizers.EOS,
        "sep_token_id": tokenizers.EOS,
        "dtype": "float32",
    }
