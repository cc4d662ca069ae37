"""Transformers in the words of `transformers`: settings of `config.json`, names of weights."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.checkpoints.kinds import Kind, kind_of, refusal
from export.checkpoints.network import Linear, Network, Norm
from zoo.transformer.config import GPTConfig

GELU = "gelu_pytorch_tanh"  # its tanh form
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Class:
    """A class of `transformers`.

    Attributes:
        kind: of network; its name is the `model_type`.
        name: of the class.
        settings: of `config.json`, but for what all classes have.
        weights: by their names there.
    """

    kind: Kind
    name: str
    settings: Callable[[GPTConfig], dict[str, Any]]
    weights: Callable[[Network], Weights]


def class_of(config: GPTConfig) -> Class | None:
    """Return the class that a Transformer is of; None where there is none.

    Example:
        >>> class_of(GPTConfig(vocabulary_size=65)).name
        'LlamaForCausalLM'
    """
    kind = kind_of(config, [each.kind for each in CLASSES])
    return next((each for each in CLASSES if each.kind is kind), None)


def why_not(config: GPTConfig) -> str:
    """Say why a Transformer is of no class; nothing where it is."""
    if class_of(config):
        return ""
    return refusal(config, [each.kind for each in CLASSES], "transformers")


def settings(config: GPTConfig, special: Mapping[str, int]) -> dict[str, Any] | None:
    """Return the content of `config.json`; None for a Transformer that is of no class.

    Args:
        config: of the Transformer.
        special: ids of special tokens by their keys, such as `bos_token_id`.

    Example:
        >>> settings(GPTConfig(vocabulary_size=65, kv_heads=2), {})["num_key_value_heads"]
        2
    """
    found = class_of(config)
    if found is None:
        return None
    return {
        "architectures": [found.name],
        "model_type": found.kind.name,
        "vocab_size": config.vocabulary_size,
        **found.settings(config),
        "tie_word_embeddings": config.tied_embeddings,
        "attention_dropout": config.attention_dropout,
        **special,
        "use_cache": True,
        "dtype": "float32",
    }


def _sizes(config: GPTConfig) -> dict[str, Any]:
    """Return what the classes with rotary positions have in common."""
    return {
        "hidden_size": config.width,
        "intermediate_size": config.hidden_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "max_position_embeddings": config.context,
        "rope_theta": config.rotary_base,  # where version 4 looks, and below, version 5
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rotary_base},
    }


def _llama(config: GPTConfig) -> dict[str, Any]:
    return _sizes(config) | {
        "head_dim": config.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": config.epsilon,
        "attention_bias": config.bias,
        "mlp_bias": config.bias,
    }


def _arcee(config: GPTConfig) -> dict[str, Any]:
    return _llama(config) | {"hidden_act": GELU}


def _starcoder2(config: GPTConfig) -> dict[str, Any]:
    return _sizes(config) | {
        "hidden_act": GELU,
        "norm_epsilon": config.epsilon,
        "use_bias": config.bias,
        "residual_dropout": config.dropout,
        "embedding_dropout": config.dropout,
        "sliding_window": None,
    }


def _gpt2(config: GPTConfig) -> dict[str, Any]:
    return {
        "n_embd": config.width,
        "n_inner": config.hidden_width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_positions": config.context,
        "activation_function": GELU,
        "layer_norm_epsilon": config.epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.attention_dropout,
    }


# --- names of weights ---


def _of_llama(network: Network) -> Weights:
    """Name the weights as most do: Llama, and whoever came after it."""
    return dict(
        _named(network, {"gate": "gate_proj", "expand": "up_proj", "contract": "down_proj"})
    )


def _of_arcee(network: Network) -> Weights:
    return dict(_named(network, {"expand": "up_proj", "contract": "down_proj"}))


def _of_starcoder2(network: Network) -> Weights:
    return dict(_named(network, {"expand": "c_fc", "contract": "c_proj"}, shifted=True))


def _named(
    network: Network, feed_forward: Mapping[str, str], shifted: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    yield "model.embed_tokens.weight", network.embedding
    yield from _norm("model.norm", network.final_norm, shifted)
    if network.head is not None:
        yield "lm_head.weight", network.head
    attention = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "merge": "o_proj"}
    for index, layer in enumerate(network.layers):
        place = f"model.layers.{index}"
        yield from _norm(f"{place}.input_layernorm", layer.attention_norm, shifted)
        yield from _norm(f"{place}.post_attention_layernorm", layer.feed_forward_norm, shifted)
        for part, names in (("self_attn", attention), ("mlp", feed_forward)):
            for ours, theirs in names.items():
                yield from _linear(f"{place}.{part}.{theirs}", getattr(layer, ours))


def _of_gpt2(network: Network) -> Weights:
    weights = {
        "transformer.wte.weight": network.embedding,
        "transformer.wpe.weight": network.positions,
        **dict(_norm("transformer.ln_f", network.final_norm, True)),
    }
    if network.head is not None:
        weights["lm_head.weight"] = network.head
    for index, layer in enumerate(network.layers):
        place = f"transformer.h.{index}"
        weights |= dict(_norm(f"{place}.ln_1", layer.attention_norm, True))
        weights |= dict(_norm(f"{place}.ln_2", layer.feed_forward_norm, True))
        maps = {
            "attn.c_attn": layer.joined,
            "attn.c_proj": layer.merge,
            "mlp.c_fc": layer.expand,
            "mlp.c_proj": layer.contract,
        }
        for name, each in maps.items():
            whole = each.biased
            weights[f"{place}.{name}.weight"] = whole.weight.T  # GPT-2 has a row for each input
            weights[f"{place}.{name}.bias"] = whole.bias
    return weights


def _norm(name: str, norm: Norm, shifted: bool) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}.weight", norm.scale
    if shifted:
        yield f"{name}.bias", norm.shifted.shift


def _linear(name: str, linear: Linear) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}.weight", linear.weight
    if linear.bias is not None:
        yield f"{name}.bias", linear.bias


CLASSES = (
    Class(Kind("llama", "rms", "rotary", "swiglu"), "LlamaForCausalLM", _llama, _of_llama),
    Class(Kind("arcee", "rms", "rotary", "gelu"), "ArceeForCausalLM", _arcee, _of_arcee),
    Class(
        Kind("starcoder2", "layer", "rotary", "gelu"),
        "Starcoder2ForCausalLM",
        _starcoder2,
        _of_starcoder2,
    ),
    # A bias of zeros is none.
    Class(
        Kind("gpt2", "layer", "learned", "gelu", grouped=False), "GPT2LMHeadModel", _gpt2, _of_gpt2
    ),
)
