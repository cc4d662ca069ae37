"""Each architecture computes what `transformers` computes, or is refused by the name of a key."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from serving.errors import GenzooError
from tests.zoo.checkpoints.written import KINDS, ODD, job, write
from zoo.checkpoints.checkpoint import Checkpoint, CheckpointError
from zoo.checkpoints.loading import ARCHITECTURES, from_checkpoint
from zoo.transformer.positions.scaling import RotaryScaling

EXAMPLES = 50


def drawn(kind):
    """Odd configurations, the same each time."""
    found = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(keys=ODD[kind])
    def draw(keys):
        found.append(keys)

    draw()
    return found


def test_every_architecture_is_tested():
    assert set(KINDS) == ODD.keys() == ARCHITECTURES.keys()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Random checkpoints of every kind, and what `transformers` makes of each."""
    place = tmp_path_factory.mktemp("checkpoints")
    jobs = [
        {"kind": kind, "keys": keys, "folder": str(place / f"{kind}-{index}"), "seed": index}
        | {"options": {"max_shard_size": 2000} if index % 2 else {}}
        for kind in KINDS
        for index, keys in enumerate(drawn(kind))
    ]
    return list(zip(jobs, write(jobs, place), strict=True))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:You are using a softmax")
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_transformers(kind, checkpoints):
    mine = [each for each in checkpoints if each[0]["kind"] == kind]
    assert len(mine) >= EXAMPLES
    for described, expected in mine:
        model = from_checkpoint(described["folder"])
        error = np.abs(model(expected["ids"]) - expected["logits"]).max()
        assert error < 1e-4, (error, described["keys"])


# --- keys, without any weights: they are read first ---


def read(kind, drop=(), **changes):
    """Return our configuration of tiny keys, some of them changed or left out."""
    keys = job(kind, "")["keys"] | changes
    return ARCHITECTURES[kind].config({key: keys[key] for key in keys if key not in drop})


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_not_known_is_refused_by_name(kind):
    for key, value in {"logit_scale": 2.0, "auto_map": {"": ""}, "hidden_sizes": []}.items():
        with pytest.raises(CheckpointError, match=f"'{key}'.*'{kind}'.*may change what"):
            read(kind, **{key: value})
    assert read(kind, logit_scale=None) == read(kind)
    assert read(kind, **{"transformers.js_config": {}, "use_cache": False}) == read(kind)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, "'hidden_act' of a 'llama' is 'relu'; expected 'silu'"),
        ({"hidden_size": None}, "'hidden_size' is missing, which a 'llama' needs"),
        ({"num_hidden_layers": "two"}, "'num_hidden_layers'.* is 'two'; expected a whole number"),
        ({"rms_norm_eps": 0}, "'rms_norm_eps'.* is 0; expected a number greater than 0"),
        ({"mlp_bias": 1}, "'mlp_bias'.* is 1; expected true or false"),
        ({"num_key_value_heads": 3}, "'num_key_value_heads'.* is 3; expected a divisor of 2"),
        ({"num_attention_heads": 3, "head_dim": None}, "expected a multiple of 3 heads"),
        ({"head_dim": 7}, "rotary positions turn pairs of values"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_scaling.rope_type'"),
        ({"rope_scaling": {"type": "mrope"}}, "'rope_scaling.type'.* is 'mrope'; expected"),
        ({"rope_scaling": {"rope_type": "linear"}}, "'rope_scaling.factor' is missing"),
        ({"rope_scaling": {"factor": 2.0}}, "key 'rope_scaling.factor' is 2.0, which is not und"),
        ({"rope_scaling": [1]}, "'rope_scaling'.* is .1.; expected a table"),
        ({"rope_scaling": {"a": 1}, "rope_parameters": {"a": 1}}, "rope_parameters, not both"),
        ({"partial_rotary_factor": 0.5}, "'partial_rotary_factor'.* is 0.5; expected 1"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor.*is 0.5"),
        ({"rope_interleaved": True}, "'rope_interleaved'.* is True; expected False"),
        ({"quantization_config": {"bits": 4}}, "'quantization_config'.*not understood"),
    ],
)
def test_a_value_that_is_not_understood_is_one_line(changes, message):
    with pytest.raises(GenzooError, match=message) as caught:
        read("llama", **changes)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("gpt2", "scale_attn_by_inverse_layer_idx", True),
        ("gpt2", "scale_attn_weights", False),
        ("gpt2", "add_cross_attention", True),
        ("stablelm", "qk_layernorm", True),
        ("stablelm", "use_parallel_residual", True),
        ("stablelm", "partial_rotary_factor", 1.5),
        ("stablelm", "head_dim", 16),
        ("gpt2", "activation_function", "relu"),
        ("qwen2", "use_mrope", True),
        ("qwen3", "layer_types", ["full_attention", "sliding_attention"]),
        ("qwen3", "layer_types", ["full_attention"]),
        ("smollm3", "no_rope_layers", [1]),
        ("smollm3", "layer_types", ["full_attention", "chunked_attention"]),
    ],
)
def test_what_an_architecture_can_say_and_we_cannot_do(kind, key, value):
    with pytest.raises(CheckpointError, match=f"'{key}' of a '{kind}'"):
        read(kind, **{key: value})


def test_keys_of_older_checkpoints():
    assert read("llama", drop=["num_key_value_heads"]).kv_heads == 2
    assert read("qwen2", num_key_value_heads=None).kv_heads == 2
    assert read("llama", rope_theta=5e5).rotary_base == 5e5
    scaling = read("llama", rope_scaling={"type": "linear", "factor": 4}).rotary_scaling
    assert scaling == RotaryScaling(kind="linear", factor=4.0)
    deep = {"type": "yarn", "factor": 4.0, "mscale": 0.8, "mscale_all_dim": 0.4}
    expected = (0.08 * np.log(4) + 1) / (0.04 * np.log(4) + 1)
    assert read("llama", rope_scaling=deep).rotary_scaling.amplitude == pytest.approx(expected)
    assert read("mistral").window(0) == 0 and read("mistral", sliding_window=3).windows == (3, 3)
    assert read("mistral", sliding_window=None).windows == ()
    assert read("smollm3", no_rope_layer_interval=2).unturned_layers == (1,)


def test_an_architecture_that_is_not_known():
    for model_type in ("gemma3", None, ["llama"]):
        with pytest.raises(CheckpointError, match=r"model_type is .*there are gpt2, llama"):
            from_checkpoint(Checkpoint({"model_type": model_type}, {}, "tiny", ""))
