"""What other programs are told of a Transformer, each in its own file beside the graphs.

`config.json` and `generation_config.json` are for `transformers`, `optimum` and transformers.js,
`genai_config.json` is for ONNX Runtime GenAI.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.checkpoints import classes
from serving.bundle.manifest import Variant
from zoo.data import tokenizers
from zoo.data.given import Given
from zoo.transformer.config import GPTConfig

FUSED = "fused"  # the form of graphs that fill their cache in place
CONFIG, GENERATION, GENAI = "config.json", "generation_config.json", "genai_config.json"
# The variants that GenAI runs: those in float32 first, of which the fused one is faster. Static
# graphs take masks of one length, and it gives others.
RUN_BY_GENAI = ("fused", "fp32", "fused-int8", "fp16", "int8", "fused-int4")
SPECIAL = {
    "pad_token_id": tokenizers.PAD,
    "bos_token_id": tokenizers.BOS,
    "eos_token_id": tokenizers.EOS,
}


def write(
    config: GPTConfig,
    variants: Mapping[str, Variant],
    directory: Path,
    known: Given | None = None,
) -> list[str]:
    """Write the settings of a bundle; return the names of the files.

    Args:
        config: of the Transformer. Of one that `transformers` has no class for, nothing is said
            that would make it take it for another.
        variants: that are in the bundle.
        directory: of the bundle.
        known: of an imported one, what it has kept of its source.
    """
    special = special_ids(known)
    files = {GENERATION: special}
    if (found := classes.settings(config, special)) is not None:
        files[CONFIG] = found
    if (name := next((each for each in RUN_BY_GENAI if each in variants), None)) is not None:
        variant = variants[name]
        graph, in_place = variant.graphs["model"], variant.form == FUSED
        files[GENAI] = genai_config(config, graph, in_place, known)
    for file, content in files.items():
        text = json.dumps(content, indent=2) + "\n"
        (directory / file).write_text(text, encoding="utf-8")
    return sorted(files)


def genai_config(
    config: GPTConfig,
    graph: str = "model.onnx",
    in_place: bool = False,
    known: Given | None = None,
) -> dict[str, Any]:
    """Return what ONNX Runtime GenAI is told of a model, as the content of `genai_config.json`.

    `decoder` is its name for any graph with these inputs and outputs, whatever is inside.

    Args:
        config: of the Transformer.
        graph: the file.
        in_place: whether the graph fills the cache that it is given; others return a longer one
            each time.
        known: of an imported model, what it has kept of its source.
    """
    cache = ("past_key_values.%d.key", "past_key_values.%d.value")
    present = ("present.%d.key", "present.%d.value")
    return {
        "model": {
            "type": "decoder",
            "vocab_size": config.vocabulary_size,
            "context_length": config.context,
            **special_ids(known),
            "decoder": {
                "filename": graph,
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
        "search": {"max_length": config.context, "past_present_share_buffer": in_place},
    }


def special_ids(known: Given | None) -> dict[str, Any]:
    """Return the tokens with a meaning, of which a model from elsewhere may lack some."""
    if known is None:
        return SPECIAL
    ends = known.ends
    beginnings = known.ids("bos_token_id") or ends
    padding = known.ids("pad_token_id") or ends
    found = {"pad_token_id": padding[:1], "bos_token_id": beginnings[:1], "eos_token_id": ends}
    return {key: ids[0] if len(ids) == 1 else ids for key, ids in found.items() if ids}
