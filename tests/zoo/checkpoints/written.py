"""Tiny checkpoints of odd sizes, written by the library that others write theirs with.

It runs in a process of its own (`tests.zoo.checkpoints.reference`), since its compiler and that of
TensorFlow end a process that has both.
"""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import strategies as st

KINDS = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "stablelm", "gpt2")
TINY = {
    "vocab_size": 31,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 12,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
TINY_GPT2 = {"vocab_size": 31, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 12} | {
    "bos_token_id": 1,
    "eos_token_id": 2,
}

TINY_STABLELM = {key: TINY[key] for key in TINY if key != "head_dim"} | {
    "partial_rotary_factor": 0.5
}


def job(kind, folder, **changes):
    """What `write` takes: a tiny model of a kind, with other keys than usual."""
    keys = {"gpt2": TINY_GPT2, "stablelm": TINY_STABLELM}.get(kind, TINY) | changes
    return {"kind": kind, "keys": keys, "folder": str(folder)}


def write(jobs, place):
    """Write checkpoints, and return of each some tokens and their logits, by `transformers`."""
    for package in ("transformers", "torch"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed, which writes these checkpoints")
    place.mkdir(exist_ok=True, parents=True)
    (place / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, "-m", "tests.zoo.checkpoints.reference", place]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [dict(np.load(place / f"{index}.npz")) for index in range(len(jobs))]


# --- odd configurations ---

ROTARY = st.one_of(
    st.fixed_dictionaries({"rope_type": st.just("default")}),
    st.fixed_dictionaries({"rope_type": st.just("linear"), "factor": st.sampled_from([0.5, 3.0])}),
    st.fixed_dictionaries(
        {
            "rope_type": st.just("llama3"),
            "factor": st.sampled_from([2.0, 8.0]),
            "low_freq_factor": st.sampled_from([0.5, 1.0]),
            "high_freq_factor": st.sampled_from([1.5, 4.0]),
            "original_max_position_embeddings": st.sampled_from([4, 8, 64]),
        }
    ),
    st.fixed_dictionaries(
        {"rope_type": st.just("yarn"), "factor": st.sampled_from([1.0, 4.0, 40.0])},
        optional={
            "original_max_position_embeddings": st.sampled_from([4, 16, 64]),
            "beta_fast": st.sampled_from([4.0, 32.0]),
            "beta_slow": st.sampled_from([0.25, 1.0]),
            "attention_factor": st.sampled_from([0.7, 1.3]),
            "mscale": st.sampled_from([0.7, 1.0]),
            "mscale_all_dim": st.sampled_from([0.0, 0.5]),
            "truncate": st.booleans(),
        },
    ),
)


@st.composite
def gated(draw, *optional):
    """Keys of a descendant of Llama; of those in `optional`, some."""
    heads = draw(st.sampled_from([1, 2, 3, 4, 6]))
    layers = draw(st.integers(1, 3))
    shared = draw(st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0]))
    keys = {
        "vocab_size": draw(st.integers(5, 67)),
        "hidden_size": heads * draw(st.sampled_from([2, 6, 8])),
        "intermediate_size": draw(st.integers(1, 33)),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "max_position_embeddings": draw(st.sampled_from([1, 5, 16, 33])),
        "rms_norm_eps": draw(st.sampled_from([1e-6, 1e-5, 1e-2, 0.3])),
        "tie_word_embeddings": draw(st.booleans()),
        "rope_parameters": {"rope_theta": draw(st.sampled_from([7.0, 1e4, 5e5]))} | draw(ROTARY),
        "bos_token_id": 1,
        "eos_token_id": draw(st.sampled_from([2, [2, 3]])),
        "pad_token_id": None,
    }
    choices = {
        "attention_bias": st.booleans(),
        "mlp_bias": st.booleans(),
        "head_dim": st.sampled_from([2, 4, 10, 16]),
        "sliding_window": st.sampled_from([1, 2, 5, 40, None]),
        "use_sliding_window": st.booleans(),
        "max_window_layers": st.integers(0, 3),
        "layer_types": st.lists(
            st.sampled_from(["full_attention", "sliding_attention"]),
            min_size=layers,
            max_size=layers,
        ),
        "no_rope_layers": st.lists(st.integers(0, 1), min_size=layers, max_size=layers + 2),
        "no_rope_layer_interval": st.integers(1, 3),
        "use_qkv_bias": st.booleans(),
        "partial_rotary_factor": st.sampled_from([0.25, 0.5, 0.75, 1.0]),
    }
    keys |= draw(st.fixed_dictionaries({}, optional={key: choices[key] for key in optional}))
    if "sliding_attention" in keys.get("layer_types", []):  # which takes both of these
        keys |= {"use_sliding_window": True, "sliding_window": keys.get("sliding_window") or 3}
    return keys


@st.composite
def learned(draw):
    """Keys of a GPT-2."""
    heads = draw(st.sampled_from([1, 2, 3, 5]))
    return {
        "vocab_size": draw(st.integers(5, 67)),
        "n_embd": heads * draw(st.integers(1, 9)),
        "n_layer": draw(st.integers(1, 3)),
        "n_head": heads,
        "n_positions": draw(st.sampled_from([1, 5, 16, 33])),
        "n_inner": draw(st.sampled_from([None, 1, 7, 33])),
        "activation_function": draw(
            st.sampled_from(["gelu_new", "gelu", "gelu_pytorch_tanh", "gelu_fast"])
        ),
        "layer_norm_epsilon": draw(st.sampled_from([1e-5, 1e-2, 0.3])),
        "tie_word_embeddings": draw(st.booleans()),
        "reorder_and_upcast_attn": draw(st.booleans()),
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


WINDOWS = ("use_sliding_window", "sliding_window", "layer_types")
ODD = {
    "llama": gated("attention_bias", "mlp_bias", "head_dim"),
    "mistral": gated("head_dim", "sliding_window"),
    "qwen2": gated("max_window_layers", *WINDOWS),
    "qwen3": gated("head_dim", "attention_bias", "max_window_layers", *WINDOWS),
    "smollm3": gated(
        "attention_bias", "mlp_bias", "no_rope_layers", "no_rope_layer_interval", *WINDOWS
    ),
    "stablelm": gated("use_qkv_bias", "partial_rotary_factor").map(
        lambda keys: (
            {
                "layer_norm_eps" if key == "rms_norm_eps" else key: value
                for key, value in keys.items()
            }
            # Heads of which two values at least are turned, and a pair each time.
            | {"hidden_size": 8 * keys["num_attention_heads"]}
        )
    ),
    "gpt2": learned(),
}
