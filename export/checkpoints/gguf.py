"""Transformers as GGUF, the format of llama.cpp and of what is built on it.

Of the networks that llama.cpp has, none is RMS normalisation, rotary positions and GELU without a
gate. Such a one is written as `starcoder2`, which has LayerNorm: `export.checkpoints.centred` says
how it computes the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from export.checkpoints.centred import centred
from export.checkpoints.gguf_tokenizer import Vocabulary
from export.checkpoints.kinds import Kind, kind_of, refusal
from export.checkpoints.network import Layer, Linear, Network, Norm, network_of
from export.errors import ExportError
from zoo.transformer import GPT
from zoo.transformer.config import GPTConfig

BLOCK = 32  # weights of a row that share a scale; rows of other lengths stay float32
# GGUF has no empty lists. Text is merged from single letters, so it never comes to this pair.
NO_MERGE = "<|none|> <|none|>"
LLAMA = Kind("llama", "rms", "rotary", "swiglu")
STARCODER2 = Kind("starcoder2", "layer", "rotary", "gelu")
GPT2 = Kind("gpt2", "layer", "learned", "gelu")
UNCENTRED = Kind("starcoder2", "rms", "rotary", "gelu")
KINDS = (LLAMA, STARCODER2, GPT2, UNCENTRED)


class Encoding(NamedTuple):
    """How weights are held, by the names of GGUF.

    Attributes:
        matrices: of the layers.
        ends: the embedding and the head, which bear rounding worse.
    """

    matrices: str
    ends: str

    @property
    def file_type(self) -> str:
        """What GGUF calls a file of which most is so."""
        return "ALL_F32" if self.matrices == "F32" else f"MOSTLY_{self.matrices}"


ENCODINGS = {
    "F32": Encoding("F32", "F32"),
    "Q8_0": Encoding("Q8_0", "Q8_0"),
    "Q4_0": Encoding("Q4_0", "Q8_0"),
}


@dataclass(frozen=True)
class About:
    """What a file says of its model besides; none of it changes what the network computes.

    Attributes:
        name, description, license: are shown.
        chat_template: how a conversation is written, in the language of Jinja.
    """

    name: str
    description: str = ""
    license: str = ""
    chat_template: str | None = None


def why_not(config: GPTConfig) -> str:
    """Say why llama.cpp has no such Transformer; nothing where it has one.

    Example:
        >>> why_not(GPTConfig(vocabulary_size=65))
        ''
    """
    return "" if kind_of(config, KINDS) else refusal(config, KINDS, "llama.cpp")


def write(
    model: GPT,
    file: Path,
    encoding: Encoding,
    about: About,
    vocabulary: Vocabulary | None = None,
    special: Mapping[str, int] | None = None,
) -> None:
    """Write a Transformer.

    Args:
        model: whose weights are written.
        file: is made.
        encoding: of the matrices.
        about: what it is.
        vocabulary: of its tokenizer; without one, tokens go in and come out as numbers.
        special: ids of special tokens, by what they are: `bos`, `eos`, `pad`.

    Raises:
        ExportError: llama.cpp has no such network.
    """
    import gguf

    kind = kind_of(model.config, KINDS)
    if kind is None:
        raise ExportError(f"no {file.name}: {why_not(model.config)}")
    network = network_of(model)
    network = centred(network, BLOCK) if kind is UNCENTRED else network
    writer = gguf.GGUFWriter(file, kind.name)
    writer.add_name(about.name)
    writer.add_description(about.description)
    writer.add_license(about.license)
    writer.add_file_type(gguf.LlamaFileType[encoding.file_type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_sizes(writer, network.config)
    _add_tokenizer(writer, network.config, vocabulary, special or {})
    if about.chat_template is not None:
        writer.add_chat_template(about.chat_template)
    for name, value in tensors(network).items():
        held = gguf.GGMLQuantizationType[held_as(name, value, encoding)]
        writer.add_tensor(name, gguf.quantize(value, held), raw_dtype=held)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def held_as(name: str, value: np.ndarray, encoding: Encoding) -> str:
    """Return how a tensor is held: vectors, and vectors of places, in float32 whatever is asked.

    Example:
        >>> held_as("blk.0.ffn_up.weight", np.zeros((8, 64)), ENCODINGS["Q4_0"])
        'Q4_0'
        >>> held_as("token_embd.weight", np.zeros((8, 60)), ENCODINGS["Q4_0"])
        'F32'
    """
    if value.ndim < 2 or value.shape[1] % BLOCK or name.startswith("position_embd"):
        return "F32"
    return encoding.matrices if name.startswith("blk.") else encoding.ends


def _add_sizes(writer: Any, config: GPTConfig) -> None:
    writer.add_vocab_size(config.vocabulary_size)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_value_heads)
    if config.positions == "rotary":
        writer.add_rope_dimension_count(config.head_size)
        writer.add_rope_freq_base(config.rotary_base)
    if config.normalisation == "rms":
        writer.add_layer_norm_rms_eps(config.epsilon)
    else:
        writer.add_layer_norm_eps(config.epsilon)


def _add_tokenizer(
    writer: Any, config: GPTConfig, vocabulary: Vocabulary | None, special: Mapping[str, int]
) -> None:
    import gguf

    if vocabulary is None:
        writer.add_tokenizer_model("none")
        return
    # A model may have room for more tokens than there are.
    unused = [f"[unused{index}]" for index in range(len(vocabulary.tokens), config.vocabulary_size)]
    kinds = [
        gguf.TokenType.CONTROL if token in vocabulary.special else gguf.TokenType.NORMAL
        for token in vocabulary.tokens
    ]
    writer.add_tokenizer_model("gpt2")  # byte-level BPE
    writer.add_tokenizer_pre(vocabulary.cut)
    writer.add_token_list([*vocabulary.tokens, *unused])
    writer.add_token_types([*kinds, *[gguf.TokenType.UNUSED] * len(unused)])
    writer.add_token_merges(vocabulary.merges or [NO_MERGE])
    for name, index in special.items():
        getattr(writer, f"add_{name}_token_id")(index)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)


def tensors(network: Network) -> dict[str, np.ndarray]:
    """Return the weights by their names in the format, matrices with a row for each output."""
    config = network.config
    found = {"token_embd.weight": network.embedding}
    if network.positions is not None:
        found["position_embd.weight"] = network.positions
    if network.head is not None:
        found["output.weight"] = network.head
    shifted = config.normalisation == "layer"
    found |= _norm("output_norm", network.final_norm, shifted)
    for index, layer in enumerate(network.layers):
        maps = (_joined if config.positions == "learned" else _apart)(layer, config)
        for name, norm in (
            ("attn_norm", layer.attention_norm),
            ("ffn_norm", layer.feed_forward_norm),
        ):
            found |= _norm(f"blk.{index}.{name}", norm, shifted)
        for name, linear in maps.items():
            # What has LayerNorm has biases too, which may be zeros.
            found |= _linear(f"blk.{index}.{name}", linear.biased if shifted else linear)
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def _joined(layer: Layer, config: GPTConfig) -> dict[str, Linear]:
    return {"attn_qkv": layer.joined} | _rest(layer)


def _apart(layer: Layer, config: GPTConfig) -> dict[str, Linear]:
    query, key = layer.query, layer.key
    if config.normalisation == "rms":  # of llama alone, rotary positions turn neighbours
        query, key = (_interleaved(each, config.head_size) for each in (query, key))
    return {"attn_q": query, "attn_k": key, "attn_v": layer.value} | _rest(layer)


def _rest(layer: Layer) -> dict[str, Linear]:
    gate = {} if layer.gate is None else {"ffn_gate": layer.gate}
    return {
        "attn_output": layer.merge,
        "ffn_up": layer.expand,
        "ffn_down": layer.contract,
    } | gate


def _interleaved(linear: Linear, head_size: int) -> Linear:
    """Put the rows that rotary positions turn together side by side; ours are half a head apart."""

    def reordered(rows: np.ndarray) -> np.ndarray:
        halves = rows.reshape(-1, 2, head_size // 2, *rows.shape[1:])  # (heads, 2, D / 2, W)
        return halves.swapaxes(1, 2).reshape(rows.shape)

    bias = None if linear.bias is None else reordered(linear.bias)
    return Linear(reordered(linear.weight), bias)


def _norm(name: str, norm: Norm, shifted: bool) -> dict[str, np.ndarray]:
    found = {f"{name}.weight": norm.scale}
    return found | {f"{name}.bias": norm.shifted.shift} if shifted else found


def _linear(name: str, linear: Linear) -> dict[str, np.ndarray]:
    found = {f"{name}.weight": linear.weight}
    return found if linear.bias is None else found | {f"{name}.bias": linear.bias}
