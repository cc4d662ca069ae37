"""What the descendants of Llama have in common: their sizes, their positions, their tensors."""

import math
from collections.abc import Iterator
from typing import Any

from zoo.checkpoints.architectures.architecture import Slot
from zoo.checkpoints.keys import Keys
from zoo.transformer.config import GPTConfig

BASE = 10000.0  # of rotary positions, where nothing is said
TABLES = ("rope_scaling", "rope_parameters")


def sizes(
    keys: Keys,
    *,
    kv_heads: int = 0,
    head_dim: int = 0,
    tied: bool = False,
    epsilon: tuple[str, float] = ("rms_norm_eps", 1e-6),
) -> dict[str, Any]:
    """Return the values of `GPTConfig` that all descendants of Llama say in the same words.

    Args:
        keys: of the checkpoint.
        kv_heads: heads of keys and values where the key is not there; 0 for as many as of queries.
        head_dim: likewise the width of a head; 0 for its share of the width.
        tied: whether the embedding also predicts tokens, where nothing is said.
        epsilon: the key of that of the normalisations, and its value where it is not there.
    """
    keys.only("hidden_act", "silu", "swish")
    width, heads = keys.number("hidden_size"), keys.number("num_attention_heads")
    if keys.get("num_key_value_heads", kv_heads) is None:
        kv_heads = heads  # null is not as if it were not there
    shared = keys.number("num_key_value_heads", kv_heads or heads)
    if heads % shared:
        raise keys.error("num_key_value_heads", shared, f"expected a divisor of {heads} heads")
    if not (keys.get("head_dim", head_dim) or width % heads == 0):
        raise keys.error("hidden_size", width, f"expected a multiple of {heads} heads")
    head_dim = keys.number("head_dim", head_dim or width // heads)
    return {
        "vocabulary_size": keys.number("vocab_size"),
        "context": keys.number("max_position_embeddings"),
        "layers": keys.number("num_hidden_layers"),
        "width": width,
        "heads": heads,
        "kv_heads": shared,
        "head_width": 0 if head_dim * heads == width else head_dim,
        "feed_forward": keys.number("intermediate_size"),
        "epsilon": keys.real(*epsilon),
        "tied_embeddings": keys.flag("tie_word_embeddings", tied),
    }


def rotary(
    keys: Keys, context: int, base: float = BASE, turned: tuple[int, float] | None = None
) -> dict[str, Any]:
    """Return the values of `GPTConfig` on rotary positions.

    The table is `rope_parameters`, or in older checkpoints `rope_scaling`; what it leaves open is
    said beside it. That heads are turned in part is refused of architectures that are always
    turned whole: programs disagree on what they then compute.

    Args:
        keys: of the checkpoint.
        context: tokens that the model sees.
        base: where none is given.
        turned: where heads may be turned in part, their width, and the share that is where nothing
            is said.
    """
    base, share = keys.real("rope_theta", base), keys.get("partial_rotary_factor")
    keys.only("rope_interleaved", False)
    tables = [found for key in TABLES if (found := keys.table(key)) is not None]
    if len(tables) > 1:
        raise keys.error(TABLES[0], keys.get(TABLES[0]), f"expected it or {TABLES[1]}, not both")
    table = tables[0] if tables else Keys({}, keys.model_type)
    share = table.get("partial_rotary_factor", share)
    if turned is None and share not in (None, 1):
        raise keys.error("partial_rotary_factor", share, "expected 1, as heads are turned whole")
    found = {"rotary_base": table.real("rope_theta", base)}
    if turned is not None:
        found["rotary_width"] = _turned_width(keys, share, *turned)
    scaling = _scaling(table, context)
    table.finish()
    return found | ({"rotary_scaling": scaling} if scaling else {})


def _turned_width(keys: Keys, share: Any, width: int, usual: float) -> int:
    """Return how many values of heads of a width are turned; 0 for all."""
    share = usual if share is None else share
    if not isinstance(share, int | float) or not 0 < share <= 1 or int(width * share) < 2:
        expected = f"expected a share, up to 1, of heads {width} wide"
        raise keys.error("partial_rotary_factor", share, expected)
    found = int(width * share)
    return 0 if found == width else found


def _scaling(table: Keys, context: int) -> dict[str, Any]:
    """Return how angles are stretched; what a kind does not know is left for `finish`."""
    key = "rope_type" if "rope_type" in table else "type"
    kind = table.only(key, "default", "linear", "llama3", "yarn")
    for name in ("rope_type", "type"):
        table.get(name)
    if kind == "default":
        return {}
    if kind == "linear":
        return {"kind": kind, "factor": table.real("factor")}
    original = table.number("original_max_position_embeddings", context)
    if kind == "llama3":
        low, high = table.real("low_freq_factor"), table.real("high_freq_factor")
        stretched = {"factor": table.real("factor"), "low": low, "high": high}
    else:
        factor = table.real("factor", context / original)
        stretched = {
            "factor": factor,
            "fast": table.real("beta_fast", 32.0),
            "slow": table.real("beta_slow", 1.0),
            "whole": table.flag("truncate", True),
            "magnitude": _magnitude(table, factor),
        }
    return {"kind": kind, "original_context": original} | stretched


def _magnitude(table: Keys, factor: float) -> float | None:
    """Return what cosines and sines are multiplied by, None where it follows from the factor."""
    parts = [table.get(key) for key in ("mscale", "mscale_all_dim")]
    if table.get("attention_factor") is not None:
        return table.real("attention_factor")
    if not all(parts) or factor <= 1:
        return None
    above, below = (
        0.1 * table.real(key) * math.log(factor) + 1 for key in ("mscale", "mscale_all_dim")
    )
    return above / below


def windows(
    keys: Keys, layers: int, sliding: list[bool], window: int | None = None
) -> dict[str, Any]:
    """Return the window of each layer, where there is one.

    Args:
        keys: of the checkpoint, with `use_sliding_window`, `sliding_window` and `layer_types`.
        layers: their number.
        sliding: which of them have a window where `layer_types` says nothing.
        window: its size where nothing is said.
    """
    used, window = keys.flag("use_sliding_window", False), keys.get("sliding_window", window)
    types = keys.get("layer_types")
    if types is not None:
        known = {"full_attention": False, "sliding_attention": True}
        if not isinstance(types, list) or len(types) != layers or set(types) - known.keys():
            raise keys.error("layer_types", types, f"expected {layers} of {', '.join(known)}")
        sliding = [known[each] for each in types]
        if any(sliding) and not (used and window):
            raise keys.error("layer_types", types, "expected use_sliding_window and sliding_window")
    if not used or window is None or not any(sliding):
        return {}
    size = keys.number("sliding_window", window)
    return {"windows": [size if each else 0 for each in sliding]}


def slots(config: GPTConfig) -> Iterator[Slot]:
    """Yield where the tensors of a descendant of Llama belong."""
    yield Slot("token_embedding/embeddings", ("model.embed_tokens.weight",), (config.width,))
    if not config.tied_embeddings:
        size = (config.vocabulary_size,)
        yield Slot("token_embedding/reverse_embeddings", ("lm_head.weight",), size, True)
    for layer in range(config.layers):
        yield from _of_block(config, f"block_{layer}/", f"model.layers.{layer}.")
    yield from _norm(config, "final_norm", "model.norm")


def _of_block(config: GPTConfig, ours: str, theirs: str) -> Iterator[Slot]:
    heads = (config.heads, config.key_value_heads, config.key_value_heads)
    widths = tuple(count * config.head_size for count in heads)
    hidden = (config.hidden_width, config.hidden_width)
    for variable, names, outputs, biased in (
        ("attention/project", ("q_proj", "k_proj", "v_proj"), widths, config.biased("inputs")),
        ("attention/merge", ("o_proj",), (config.width,), config.biased("output")),
        ("feed_forward/expand", ("gate_proj", "up_proj"), hidden, config.biased("feed_forward")),
        ("feed_forward/contract", ("down_proj",), (config.width,), config.biased("feed_forward")),
    ):
        part = "self_attn" if variable.startswith("attention") else "mlp"
        matrices = tuple(f"{theirs}{part}.{name}.weight" for name in names)
        yield Slot(f"{ours}{variable}/kernel", matrices, outputs, True)
        if biased:
            biases = tuple(f"{theirs}{part}.{name}.bias" for name in names)
            yield Slot(f"{ours}{variable}/bias", biases, outputs)
    if config.query_key_norm:
        for name, kind in (("query_norm", "q_norm"), ("key_norm", "k_norm")):
            scale = (f"{theirs}self_attn.{kind}.weight",)
            yield Slot(f"{ours}attention/{name}/scale", scale, (config.head_size,))
    for name, kind in (
        ("attention_norm", "input_layernorm"),
        ("feed_forward_norm", "post_attention_layernorm"),
    ):
        yield from _norm(config, f"{ours}{name}", f"{theirs}{kind}")


def _norm(config: GPTConfig, ours: str, theirs: str) -> Iterator[Slot]:
    if config.normalisation == "rms":
        yield Slot(f"{ours}/scale", (f"{theirs}.weight",), (config.width,))
        return
    yield Slot(f"{ours}/gamma", (f"{theirs}.weight",), (config.width,))
    yield Slot(f"{ours}/beta", (f"{theirs}.bias",), (config.width,))
