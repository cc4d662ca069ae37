"""The network of `zoo.GPT` as a GGUF file, the format of llama.cpp, to measure beside.

With its default choices, a `GPT` is what the format calls `llama`.
"""

from pathlib import Path

import gguf
import numpy as np

from zoo.transformer import GPT

TYPES = {  # of matrices, by their bits
    32: gguf.GGMLQuantizationType.F32,
    8: gguf.GGMLQuantizationType.Q8_0,
    4: gguf.GGMLQuantizationType.Q4_0,
}
BLOCK = 32  # weights of a row that share a scale; rows of other lengths stay float32


def write(model: GPT, bits: int, file: Path) -> None:
    """Write a network with matrices of so many bits."""
    config = model.config
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_vocab_size(config.vocabulary_size)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_value_heads)
    writer.add_rope_dimension_count(config.head_size)
    writer.add_rope_freq_base(config.rotary_base)
    writer.add_layer_norm_rms_eps(config.epsilon)
    writer.add_tokenizer_model("none")  # tokens go in and come out as numbers
    for name, value in _tensors(model).items():
        in_blocks = value.ndim == 2 and value.shape[1] % BLOCK == 0
        kind = TYPES[bits if in_blocks else 32]
        writer.add_tensor(name, gguf.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(model: GPT) -> dict[str, np.ndarray]:
    """Return the weights by their names in the format, matrices with a row for each output."""
    tensors = {
        "token_embd.weight": model.token_embedding.embeddings,
        "output_norm.weight": model.final_norm.scale,
    }
    for index, block in enumerate(model.blocks):
        query, key, value = _split(model, block.attention.project.kernel)
        gate, up = np.split(np.asarray(block.feed_forward.expand.kernel).T, 2)
        weights = {
            "attn_norm": block.attention_norm.scale,
            "attn_q": _interleaved(query, model.config.head_size),
            "attn_k": _interleaved(key, model.config.head_size),
            "attn_v": value,
            "attn_output": np.asarray(block.attention.merge.kernel).T,
            "ffn_norm": block.feed_forward_norm.scale,
            "ffn_gate": gate,
            "ffn_up": up,
            "ffn_down": np.asarray(block.feed_forward.contract.kernel).T,
        }
        tensors |= {f"blk.{index}.{name}.weight": value for name, value in weights.items()}
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def _split(model: GPT, kernel: np.ndarray) -> list[np.ndarray]:
    """Return the matrices of queries, keys and values of one that projects to all of them."""
    config = model.config
    keys = config.width + config.key_value_heads * config.head_size
    return np.split(np.asarray(kernel).T, [config.width, keys])


def _interleaved(matrix: np.ndarray, head_size: int) -> np.ndarray:
    """Put the rows that rotary positions turn together side by side; ours are half a head apart."""
    halves = matrix.reshape(-1, 2, head_size // 2, matrix.shape[1])  # (heads, 2, D / 2, width)
    return halves.swapaxes(1, 2).reshape(matrix.shape)
