"""What `transformers`, `optimum` and transformers.js are told of a translator.

They take it for a Marian model, which is what they know translators by, and read of these settings
the sizes that a cache of nothing has. The weights are in the graphs alone: the class named here has
none that would fit.
"""

import json
from pathlib import Path
from typing import Any

from zoo.data import tokenizers
from zoo.translation import TranslationConfig
from zoo.translation.data import BEGIN

CONFIG, GENERATION = "config.json", "generation_config.json"


def write(config: TranslationConfig, directory: Path) -> list[str]:
    """Write the settings of a bundle; return the names of the files."""
    special = {
        "pad_token_id": tokenizers.PAD,
        "bos_token_id": tokenizers.BOS,
        "eos_token_id": tokenizers.EOS,
        "decoder_start_token_id": BEGIN,
    }
    generation = special | {"max_length": config.context}
    for file, content in ((CONFIG, settings(config) | special), (GENERATION, generation)):
        text = json.dumps(content, indent=2) + "\n"
        (directory / file).write_text(text, encoding="utf-8")
    return [CONFIG, GENERATION]


def settings(config: TranslationConfig) -> dict[str, Any]:
    """Return the content of `config.json`, special tokens aside.

    Example:
        >>> settings(TranslationConfig(vocabulary_size=300))["decoder_layers"]
        3
    """
    return {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "is_encoder_decoder": True,
        "vocab_size": config.vocabulary_size,
        "decoder_vocab_size": config.vocabulary_size,
        "d_model": config.width,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "encoder_ffn_dim": config.stack(config.encoder_layers).hidden_width,
        "decoder_ffn_dim": config.stack(config.decoder_layers).hidden_width,
        "max_position_embeddings": config.context,
        "tie_word_embeddings": config.tied_embeddings,
        "forced_eos_token_id": None,
        "use_cache": True,
        "dtype": "float32",
    }
