"""A network opens in `transformers` and llama.cpp, and writes there what it writes here."""

import json
import string

import gguf as format_of_llama_cpp
import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from export import ExportError
from export.checkpoints import classes, gguf, safetensors
from export.checkpoints.gguf_tokenizer import vocabulary_of
from export.families.gpt_settings import SPECIAL
from export.families.gpt_settings import write as write_settings
from tests.export.checkpoints.readers import LlamaCpp, in_transformers
from zoo.data.tokenizers import character_tokenizer
from zoo.transformer import GPT, GPTConfig
from zoo.transformer.writer import writer

CONTEXT, COUNT = 112, 100
TOKENIZER = character_tokenizer(string.printable[:61])  # 64 tokens, so that rows are whole blocks
SIZES = {"vocabulary_size": 64, "context": CONTEXT, "layers": 2, "width": 64, "heads": 4}
LAYER, LEARNED, GELU = {"normalisation": "layer"}, {"positions": "learned"}, {"activation": "gelu"}
NETWORKS = {
    "LlamaForCausalLM": {},
    "LlamaForCausalLM, biased": {"bias": True},
    "LlamaForCausalLM, grouped": {"kv_heads": 2, "tied_embeddings": False, "rotary_base": 500.0},
    "ArceeForCausalLM": GELU,
    "ArceeForCausalLM, grouped": GELU
    | {"kv_heads": 2, "bias": True, "tied_embeddings": False, "feed_forward": 96},
    "Starcoder2ForCausalLM": LAYER | GELU | {"bias": True, "kv_heads": 1},
    "Starcoder2ForCausalLM, plain": LAYER | GELU,
    "GPT2LMHeadModel": LAYER | LEARNED | GELU | {"bias": True},
    "GPT2LMHeadModel, plain": LAYER | LEARNED | GELU | {"tied_embeddings": False},
}
PROMPT = "abcd"
# llama.cpp takes GELU from a table of half precision.
NEAR = {"swiglu": 1e-5, "gelu": 2e-3}


def network(changes):
    """A network whose every weight matters, and which never ends a text."""
    keras.utils.set_random_seed(0)
    model, random = GPT(GPTConfig(**SIZES | changes)), np.random.RandomState(0)
    for variable in model.trainable_variables:
        spread = 0.3 if len(variable.shape) == 2 else 0.05
        variable.assign_add(random.normal(0, spread, variable.shape))
    head, special = model.token_embedding, np.arange(64) < len(SPECIAL)
    if model.config.tied_embeddings:
        head.embeddings.assign(np.where(special[:, None], 0, head.embeddings))
    else:
        head.reverse_embeddings.assign(np.where(special, 0, head.reverse_embeddings))
    return model


def prompt_ids():
    return TOKENIZER.encode(PROMPT).ids


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Each network, the folder it was written to, and the tokens that it writes; read only."""
    found = {}
    for name, changes in NETWORKS.items():
        model, folder = network(changes), tmp_path_factory.mktemp("network")
        write_settings(model.config, {}, folder)
        safetensors.write(model, folder)
        for kind, encoding in gguf.ENCODINGS.items():
            vocabulary, special = vocabulary_of(TOKENIZER.to_str().encode()), {"bos": 1, "eos": 2}
            about = gguf.About(name, "for a test", "Apache-2.0")
            gguf.write(model, folder / f"{kind}.gguf", encoding, about, vocabulary, special)
        text = writer(model, TOKENIZER.to_str().encode())
        found[name] = model, folder, text.complete(PROMPT, COUNT, temperature=0)[0].ids
    return found


@pytest.fixture(scope="module")
def answers(made):
    """What `transformers` makes of all of them, in one process."""
    asked = [(folder, prompt_ids(), COUNT, []) for _, folder, _ in made.values()]
    return dict(zip(made, in_transformers(asked), strict=True))


def last_logits(model, written=()):
    return np.asarray(model(np.array([[*prompt_ids(), *written]])))[0, -1]


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_transformers_writes_the_same_tokens(name, made, answers):
    model, _, written = made[name]
    answer = answers[name]
    assert answer["class"] == name.split(",")[0] and not answer["left"]
    assert answer["special"] == [1, 2]
    expected = last_logits(model)
    np.testing.assert_allclose(answer["logits"], expected, atol=1e-5 * np.abs(expected).max())
    assert len(set(written)) > 3 and answer["ids"] == list(written)


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_llama_cpp_writes_the_same_tokens(name, made):
    model, folder, written = made[name]
    llama, expected = LlamaCpp(folder / "F32.gguf", CONTEXT), last_logits(model)
    near = NEAR[model.config.activation] * np.abs(expected).max()
    np.testing.assert_allclose(llama.read(prompt_ids()), expected, atol=near)
    found = llama.write(prompt_ids(), COUNT)
    at = next((at for at in range(COUNT) if found[at] != written[at]), COUNT)
    if at < COUNT:  # random networks come to ties, within what a table in half precision leaves
        logits = last_logits(model, written[:at])
        assert model.config.activation == "gelu"
        assert abs(logits[found[at]] - logits[written[at]]) <= near


@pytest.mark.parametrize(("kind", "near"), [("Q8_0", 0.2), ("Q4_0", 1.0)])
@pytest.mark.parametrize("name", NETWORKS)
def test_llama_cpp_opens_what_has_fewer_bits(name, kind, near, made):
    model, folder, _ = made[name]
    expected = last_logits(model)
    found = LlamaCpp(folder / f"{kind}.gguf", CONTEXT).read(prompt_ids())
    np.testing.assert_allclose(found, expected, atol=near * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_in_blocks_are_those_of_the_format(name, kind, made):
    """Each matrix holds what `gguf.quants` makes of the float32 numbers, and nothing else."""
    _, folder, _ = made[name]
    exact, rounded = (
        {tensor.name: tensor for tensor in format_of_llama_cpp.GGUFReader(folder / file).tensors}
        for file in ("F32.gguf", f"{kind}.gguf")
    )
    assert exact.keys() == rounded.keys()
    kinds = {tensor.tensor_type.name for tensor in rounded.values()}
    assert kinds == {"F32", kind} | ({"Q8_0"} if kind == "Q4_0" else set())
    for key, tensor in rounded.items():
        held = tensor.tensor_type
        expected = format_of_llama_cpp.quantize(np.array(exact[key].data), held)
        np.testing.assert_array_equal(tensor.data, expected)
        numbers = format_of_llama_cpp.dequantize(tensor.data, held)
        scale = np.abs(exact[key].data).max() or 1
        assert np.abs(numbers - exact[key].data).max() <= scale / (6 if kind == "Q4_0" else 100)


def test_the_weights_are_the_models_to_the_last_bit(made):
    model, folder, _ = made["LlamaForCausalLM, grouped"]
    weights = load_file(folder / "model.safetensors")
    size = sum(value.size for value in weights.values())
    assert size == model.num_parameters
    block = model.blocks[1]
    parts = [weights[f"model.layers.1.self_attn.{part}_proj.weight"] for part in "qkv"]
    np.testing.assert_array_equal(np.concatenate(parts), block.attention.project.kernel.numpy().T)
    parts = [weights[f"model.layers.1.mlp.{part}_proj.weight"] for part in ("gate", "up")]
    np.testing.assert_array_equal(np.concatenate(parts), block.feed_forward.expand.kernel.numpy().T)
    np.testing.assert_array_equal(
        weights["lm_head.weight"], model.token_embedding.reverse_embeddings.numpy().T
    )


def test_a_file_says_what_it_is(made):
    reader = format_of_llama_cpp.GGUFReader(made["ArceeForCausalLM"][1] / "Q4_0.gguf")
    said = {key: field.contents() for key, field in reader.fields.items()}
    assert said["general.name"] == "ArceeForCausalLM" and said["general.license"] == "Apache-2.0"
    assert said["general.file_type"] == format_of_llama_cpp.LlamaFileType.MOSTLY_Q4_0
    assert said["general.architecture"] == "starcoder2"  # wider by two heads; see `centred`
    assert said["starcoder2.embedding_length"] == 64 + 2 * 16
    assert said["tokenizer.ggml.eos_token_id"] == 2 and not said["tokenizer.ggml.add_bos_token"]


def test_the_same_weights_give_the_same_bytes(made, tmp_path):
    model, folder, _ = made["ArceeForCausalLM"]
    safetensors.write(model, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()
    vocabulary, special = vocabulary_of(TOKENIZER.to_str().encode()), {"bos": 1, "eos": 2}
    about = gguf.About("ArceeForCausalLM", "for a test", "Apache-2.0")
    gguf.write(model, tmp_path / "again", gguf.ENCODINGS["Q4_0"], about, vocabulary, special)
    assert (tmp_path / "again").read_bytes() == (folder / "Q4_0.gguf").read_bytes()


@pytest.mark.parametrize(
    ("changes", "there", "here"),
    [
        (
            LEARNED,
            "transformers has no network of rms, learned, swiglu",
            "llama.cpp has no network",
        ),
        (
            LAYER,
            "no network of layer, rotary, swiglu, 4 key heads for 4; it has llama",
            "llama.cpp",
        ),
        (LAYER | LEARNED | GELU | {"kv_heads": 2}, "2 key heads for 4; it has", None),
    ],
)
def test_a_network_that_others_do_not_have_is_refused(changes, there, here, tmp_path):
    model = network(changes)
    with pytest.raises(ExportError, match=there) as refused:
        safetensors.write(model, tmp_path)
    assert "\n" not in str(refused.value)
    if here:
        with pytest.raises(ExportError, match=here):
            gguf.write(model, tmp_path / "x.gguf", gguf.ENCODINGS["F32"], gguf.About("x"))
    assert not list(tmp_path.iterdir())
    assert classes.settings(model.config, SPECIAL) is None
    assert write_settings(model.config, {}, tmp_path) == ["generation_config.json"]


def test_a_key_of_the_network_that_is_not_understood_is_refused():
    class Later(GPTConfig):
        window: int = 0

    plain, changed = (Later(**SIZES, window=window) for window in (0, 8))
    assert gguf.why_not(plain) == classes.why_not(plain) == ""
    expected = "the network has window 8, which is not understood yet"
    assert gguf.why_not(changed) == classes.why_not(changed) == expected


def test_settings_are_those_of_the_network(made):
    _, folder, _ = made["LlamaForCausalLM, grouped"]
    settings = json.loads((folder / "config.json").read_text())
    expected = {
        "model_type": "llama",
        "vocab_size": 64,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "max_position_embeddings": CONTEXT,
        **SPECIAL,
    }
    assert settings.items() >= expected.items()
    assert settings["rope_parameters"] == {"rope_type": "default", "rope_theta": 500.0}
