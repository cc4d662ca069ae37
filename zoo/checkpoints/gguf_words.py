"""What GGUF calls the settings and tensors of a model, in the words of Hugging Face.

A setting that is not in these tables may change what a model computes, and is refused by name.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from serving.bundle.refusal import shown
from serving.errors import nearest
from zoo.checkpoints.checkpoint import CheckpointError

ROTARY_FACTORS = "rope_freqs.weight"  # what the periods of rotary angles are multiplied by
LLAMA_3 = {  # as all its releases have it; `factor` is 8 or 32
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

_LAYERS = re.compile(r"blk\.(0|[1-9]\d{0,4})\.(\w+)\.(weight|bias)")
_OTHERS = re.compile(r"(\w+)\.(weight|bias)")


class Words(NamedTuple):
    """How an architecture is told in GGUF and in Hugging Face.

    Attributes:
        model_type: Hugging Face's word for it, and `model_class` its class.
        settings: keys of `config.json` by GGUF's, without the name of the architecture.
        constants: what `config.json` says of each such model.
        layer: what a layer is called, and `inner` what its tensors are called.
        outer: what the other tensors are called.
        pairs: whether the file has rows of queries and keys pair by pair, not half by half.
        transposed: tensors that Hugging Face has the other way round.
    """

    model_type: str
    model_class: str
    settings: Mapping[str, str]
    constants: Mapping[str, Any]
    layer: str
    inner: Mapping[str, str]
    outer: Mapping[str, str]
    pairs: bool = False
    transposed: frozenset[str] = frozenset()


_SIZES = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
}
_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_NORMED = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LLAMA = Words(
    "llama",
    "LlamaForCausalLM",
    _SIZES,
    {"hidden_act": "silu", "rope_theta": 10000.0},
    "model.layers",
    _INNER,
    _OUTER,
    pairs=True,
)
WORDS = {
    "llama": _LLAMA,
    "smollm3": _LLAMA._replace(
        model_type="smollm3",
        model_class="SmolLM3ForCausalLM",
        # Every fourth layer is without rotary angles, which the file does not say.
        constants={**_LLAMA.constants, "no_rope_layer_interval": 4, "use_sliding_window": False},
    ),
    "qwen2": _LLAMA._replace(
        model_type="qwen2",
        model_class="Qwen2ForCausalLM",
        constants={**_LLAMA.constants, "use_sliding_window": False},
        pairs=False,
    ),
    "qwen3": _LLAMA._replace(
        model_type="qwen3",
        model_class="Qwen3ForCausalLM",
        constants={**_LLAMA.constants, "use_sliding_window": False},
        inner={**_INNER, **_NORMED},
        pairs=False,
    ),
    "gpt2": Words(
        "gpt2",
        "GPT2LMHeadModel",
        {
            "block_count": "n_layer",
            "context_length": "n_positions",
            "embedding_length": "n_embd",
            "feed_forward_length": "n_inner",
            "attention.head_count": "n_head",
            "attention.layer_norm_epsilon": "layer_norm_epsilon",
        },
        {"activation_function": "gelu_new"},
        "transformer.h",
        {
            "attn_norm": "ln_1",
            "attn_qkv": "attn.c_attn",
            "attn_output": "attn.c_proj",
            "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc",
            "ffn_down": "mlp.c_proj",
        },
        {
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        transposed=frozenset({"attn_qkv", "attn_output", "ffn_up", "ffn_down"}),
    ),
}
_OPTIONAL = {"attention.head_count_kv", "rope.freq_base"}
_HEAD = ("attention.key_length", "attention.value_length")
_SCALING = {
    "rope.scaling.factor": "factor",
    "rope.scaling.original_context_length": "original_max_position_embeddings",
    "rope.scaling.yarn_beta_fast": "beta_fast",
    "rope.scaling.yarn_beta_slow": "beta_slow",
}
_ONE = ("rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor")
_TOLD = {  # of no consequence, or compared below
    *_HEAD,
    "vocab_size",
    "rope.dimension_count",
    "rope.scaling.type",
    "rope.scaling.finetuned",
    *_SCALING,
    *_ONE,
}
_REAL = {
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "rope.freq_base",
    *(set(_SCALING) - {"rope.scaling.original_context_length"}),
    *_ONE,
}
_WORDS = {"rope.scaling.type": str, "rope.scaling.finetuned": bool}


class Name(NamedTuple):
    """A tensor's name in Hugging Face, and what it is in a layer, such as `attn_q`."""

    full: str
    part: str


def words_of(metadata: Mapping[str, Any]) -> Words:
    """Return the words of the architecture that a file names.

    Raises:
        CheckpointError: it is none of those that are read.
    """
    name = metadata.get("general.architecture")
    if not isinstance(name, str) or name not in WORDS:
        hint = nearest(str(name), WORDS)
        known = f"expected one of {', '.join(WORDS)}"
        raise CheckpointError(f"architecture {shown(str(name))} is not read; {known}{hint}")
    return WORDS[name]


def name_of(name: str, words: Words) -> Name:
    """Return what Hugging Face calls a tensor.

    Raises:
        CheckpointError: the architecture has no such tensor.

    Example:
        >>> name_of("blk.3.ffn_up.weight", WORDS["llama"]).full
        'model.layers.3.mlp.up_proj.weight'
    """
    if (found := _LAYERS.fullmatch(name)) and found[2] in words.inner:
        full = f"{words.layer}.{found[1]}.{words.inner[found[2]]}.{found[3]}"
        return Name(full, found[2])
    if (found := _OTHERS.fullmatch(name)) and found[1] in words.outer:
        return Name(f"{words.outer[found[1]]}.{found[2]}", found[1])
    raise CheckpointError(f"tensor {shown(name)} is none of a model of type {words.model_type}")


def config_of(
    metadata: Mapping[str, Any], words: Words, tensors: Iterable[str], vocabulary: int
) -> dict[str, Any]:
    """Return what Hugging Face's `config.json` would say of a model; see `scaling_of` for the rest.

    Args:
        metadata: of the file.
        words: of its architecture.
        tensors: their names in the file.
        vocabulary: rows of the embedding.

    Raises:
        CheckpointError: a setting is missing, of a wrong type, or not understood.
    """
    settings = _settings(metadata, words)
    config: dict[str, Any] = dict(words.constants)
    config |= {"model_type": words.model_type, "architectures": [words.model_class]}
    for key, known in words.settings.items():
        if key in settings:
            config[known] = settings[key]
        elif key not in _OPTIONAL:
            raise CheckpointError(f"the file does not say its {key}, which a model needs")
    names = frozenset(tensors)
    config["vocab_size"] = vocabulary
    config["tie_word_embeddings"] = "output.weight" not in names
    if words.model_type in ("llama", "smollm3", "qwen3"):
        config["attention_bias"] = "blk.0.attn_q.bias" in names
    if words.model_type in ("llama", "smollm3"):
        config["mlp_bias"] = "blk.0.ffn_up.bias" in names
    if words.model_type != "gpt2":
        config |= _head(settings, config)
        config |= _rotary(settings)
    return config


def _settings(metadata: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Return the numbers and words of an architecture, by keys without its name."""
    prefix = f"{metadata['general.architecture']}."
    settings = {}
    for key, value in metadata.items():
        if not key.startswith(prefix):
            continue
        short = key.removeprefix(prefix)
        if short not in words.settings and short not in _TOLD:
            known = nearest(short, [*words.settings, *_TOLD])
            raise CheckpointError(f"setting {shown(key)} is not understood{known}")
        if not _fits(short, value):
            raise CheckpointError(f"setting {shown(key)} cannot be {shown(str(value))}")
        settings[short] = _shortest(value) if isinstance(value, float) else value
    return settings


def _fits(key: str, value: Any) -> bool:
    if key in _WORDS:
        return isinstance(value, _WORDS[key])
    return type(value) is (float if key in _REAL else int) and 0 <= value < 2**31


def _shortest(value: float) -> float:
    """Return the number that a float32 was written for: 1e-5 of 9.999999747e-06."""
    return float(str(np.float32(value)))


def _head(settings: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the width of heads, and which part of it rotary angles turn."""
    heads = config["num_attention_heads"]
    if heads < 1:
        raise CheckpointError("the file says that attention has no heads")
    sizes = {settings[key] for key in _HEAD if key in settings} or {config["hidden_size"] // heads}
    size = next(iter(sizes))
    if len(sizes) > 1 or size < 1:
        raise CheckpointError(f"keys and values of widths {sorted(sizes)} are not understood")
    found: dict[str, Any] = {"head_dim": size}
    if (turned := settings.get("rope.dimension_count", size)) != size:
        found["partial_rotary_factor"] = turned / size
    return found


def _rotary(settings: Mapping[str, Any]) -> dict[str, Any]:
    kind = settings.get("rope.scaling.type", "none")
    if kind not in ("none", "linear", "yarn"):
        raise CheckpointError(f"rotary scaling {shown(kind)} is not understood")
    for key in _ONE:
        if settings.get(key, 1) != 1:
            raise CheckpointError(f"{key} {settings[key]} is not understood; expected 1")
    if kind == "none":
        return {}
    given = {known: settings[key] for key, known in _SCALING.items() if key in settings}
    if "factor" not in given:
        raise CheckpointError(f"the file does not say the factor of its {kind} rotary scaling")
    return {"rope_scaling": {"rope_type": kind, **given}}


def scaling_of(factors: np.ndarray, size: int, base: float) -> dict[str, Any]:
    """Return what `rope_scaling` says of a model of Llama 3 whose file holds the factors it gives.

    Args:
        factors: of the periods, `(size / 2,)`.
        size: width that rotary angles turn.
        base: `rope_theta`.

    Raises:
        CheckpointError: the factors are others.
    """
    periods = 2 * math.pi * base ** (np.arange(0, size, 2) / size)
    low, high = LLAMA_3["low_freq_factor"], LLAMA_3["high_freq_factor"]
    turns = LLAMA_3["original_max_position_embeddings"] / periods
    for factor in (8.0, 32.0):
        share = np.clip((turns - low) / (high - low), 0, 1)  # of the period as it was
        expected = 1 / ((1 - share) / factor + share)
        if factors.shape == expected.shape and np.allclose(factors, expected, rtol=1e-4, atol=0):
            return {**LLAMA_3, "factor": factor}
    raise CheckpointError(f"tensor '{ROTARY_FACTORS}' holds none of the scalings of Llama 3")
