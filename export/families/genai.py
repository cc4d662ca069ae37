"""The settings by which ONNX Runtime GenAI runs a Transformer."""

from typing import Any

from zoo.data import tokenizers
from zoo.data.given import Given
from zoo.transformer.config import GPTConfig


def genai_config(config: GPTConfig, known: Given | None = None) -> dict[str, Any]:
    """Return what ONNX Runtime GenAI is told of a model, as the content of `genai_config.json`.

    Args:
        config: of the model.
        known: of an imported one, what it has kept of its source.

    `decoder` is its name for any graph with these inputs and outputs, whatever is inside.
    """
    cache = ("past_key_values.%d.key", "past_key_values.%d.value")
    present = ("present.%d.key", "present.%d.value")
    return {
        "model": {
            "type": "decoder",
            "vocab_size": config.vocabulary_size,
            "context_length": config.context,
            **_special_ids(known),
            "decoder": {
                "filename": "model.onnx",
                "session_options": {"provider_options": []},
                "hidden_size": config.width,
                "head_size": config.head_size,
                "num_attention_heads": config.heads,
                "num_key_value_heads": config.key_value_heads,
                "num_hidden_layers": config.layers,
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "position_ids": "position_ids",
                    "past_key_names": cache[0],
                    "past_value_names": cache[1],
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": present[0],
                    "present_value_names": present[1],
                },
            },
        },
        # The graph returns a longer cache each time: it cannot be written into the one it is given.
        "search": {"max_length": config.context, "past_present_share_buffer": False},
    }


def _special_ids(known: Given | None) -> dict[str, Any]:
    """Return the tokens with a meaning, of which a model from elsewhere may lack some."""
    if known is None:
        ids = {"pad": tokenizers.PAD, "bos": tokenizers.BOS, "eos": tokenizers.EOS}
        return {f"{kind}_token_id": number for kind, number in ids.items()}
    ends = known.ends
    beginnings = known.ids("bos_token_id") or ends
    padding = known.ids("pad_token_id") or ends
    found = {"pad_token_id": padding[:1], "bos_token_id": beginnings[:1], "eos_token_id": ends}
    return {key: ids[0] if len(ids) == 1 else ids for key, ids in found.items() if ids}
