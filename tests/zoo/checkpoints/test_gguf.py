"""GGUF files are read exactly, in Hugging Face's words, or refused in one line."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError
from tests.zoo.checkpoints import tiny_gguf
from tests.zoo.checkpoints.tiny_gguf import HEADS, KEY_HEADS, WIDTH
from zoo.checkpoints.blocks import BlockTensor
from zoo.checkpoints.checkpoint import CheckpointError
from zoo.checkpoints.gguf import open_gguf
from zoo.checkpoints.gguf_file import GGUFFile

FLOATS, BLOCKS = ("F32", "F16", "BF16"), ("Q8_0", "Q4_0", "Q4_1")


def llama(folder: Path, kind: str = "F32", **changes) -> Path:
    given = tiny_gguf.llama_settings() | changes
    return tiny_gguf.write(folder / "tiny.gguf", "llama", given, tiny_gguf.llama_tensors(), kind)


def halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Put rows in Hugging Face's order, by the definition: pair i is at i and half a head on."""
    size = len(rows) // heads
    order = [
        head * size + 2 * (i % (size // 2)) + i // (size // 2)
        for head in range(heads)
        for i in range(size)
    ]
    return rows[order]


@pytest.mark.parametrize("kind", [*FLOATS, *BLOCKS])
def test_numbers_are_those_of_the_reference(tmp_path, kind):
    path = llama(tmp_path, kind)
    tensors = open_gguf(path).tensors
    read = {each.name: each for each in gguf.GGUFReader(path).tensors}
    for name, ours, heads in (
        ("token_embd", "model.embed_tokens", 0),
        ("blk.1.attn_q", "model.layers.1.self_attn.q_proj", HEADS),
        ("blk.1.attn_k", "model.layers.1.self_attn.k_proj", KEY_HEADS),
        ("blk.0.ffn_down", "model.layers.0.mlp.down_proj", 0),
        ("blk.0.ffn_norm", "model.layers.0.post_attention_layernorm", 0),
    ):
        theirs = read[f"{name}.weight"]
        expected = gguf.quants.dequantize(theirs.data, theirs.tensor_type)
        expected = halves(expected, heads) if heads else expected
        tensor = tensors[f"{ours}.weight"]
        assert tensor.shape == expected.shape
        assert tensor.read().tobytes() == np.ascontiguousarray(expected).tobytes()
        if kind in BLOCKS and expected.ndim == 2:
            assert isinstance(tensor, BlockTensor)
            assert tensor.stored == kind
            assert tensor.blocks().dequantised().tobytes() == tensor.read().tobytes()


def test_settings_are_told_in_hugging_face_words(tmp_path):
    checkpoint = open_gguf(llama(tmp_path))
    assert checkpoint.config["model_type"] == "llama"
    assert checkpoint.config["num_key_value_heads"] == KEY_HEADS
    assert checkpoint.config["rms_norm_eps"] == 1e-5  # not 9.999999747378752e-06
    assert checkpoint.config["tie_word_embeddings"] is True
    assert checkpoint.config["head_dim"] == WIDTH // HEADS
    assert checkpoint.generation == {"eos_token_id": [2, 3]}
    assert checkpoint.tokenizer_config["eos_token"] == "<2>"
    assert checkpoint.licence == "mit"
    assert checkpoint.source == "tiny.gguf"


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "smollm3"])
def test_other_llamas(tmp_path, architecture):
    norms, biases = architecture == "qwen3", architecture == "qwen2"
    tensors = tiny_gguf.llama_tensors(biases=biases, norms=norms)
    given = tiny_gguf.llama_settings()
    checkpoint = open_gguf(tiny_gguf.write(tmp_path / "x.gguf", architecture, given, tensors))
    assert checkpoint.config["model_type"] == architecture
    assert len(checkpoint.tensors) == len(tensors)
    queries = tensors["blk.0.attn_q.weight"]
    expected = halves(queries, HEADS) if architecture == "smollm3" else queries
    read = checkpoint.tensors["model.layers.0.self_attn.q_proj.weight"].read()
    np.testing.assert_array_equal(read, expected)
    if norms:
        assert "model.layers.1.self_attn.q_norm.weight" in checkpoint.tensors


def test_gpt2_has_its_matrices_the_other_way_round(tmp_path):
    given = tiny_gguf.SIZES | {"attention.layer_norm_epsilon": 1e-5}
    tensors = {
        "token_embd.weight": np.ones((8, WIDTH), np.float32),
        "position_embd.weight": np.ones((40, WIDTH), np.float32),
        "blk.0.attn_qkv.weight": np.random.default_rng(0).normal(size=(96, WIDTH)).astype("f4"),
        "blk.0.attn_qkv.bias": np.ones(96, np.float32),
    }
    checkpoint = open_gguf(tiny_gguf.write(tmp_path / "x.gguf", "gpt2", given, tensors, "Q8_0"))
    matrix = checkpoint.tensors["transformer.h.0.attn.c_attn.weight"]
    assert matrix.shape == (WIDTH, 96)
    np.testing.assert_array_equal(matrix.read(), matrix.blocks().dequantised().T)
    assert checkpoint.config["n_positions"] == 40
    assert "transformer.wpe.weight" in checkpoint.tensors


def test_what_transformers_reads_is_the_same(tmp_path):
    """Names, orders of rows and settings, compared with whoever else reads these files."""
    loading = pytest.importorskip("transformers.modeling_gguf_pytorch_utils")
    pytest.importorskip("torch")
    path = llama(tmp_path, "Q8_0")
    read = loading.load_gguf_checkpoint(str(path), return_tensors=False)
    checkpoint = open_gguf(path)
    for key, value in read["config"].items():
        if key in checkpoint.config and key not in ("bos_token_id", "eos_token_id"):
            assert checkpoint.config[key] == pytest.approx(value), key


def test_rotary_scaling(tmp_path):
    scaled = {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
    assert open_gguf(llama(tmp_path, **scaled)).config["rope_scaling"] == {
        "rope_type": "linear",
        "factor": 4.0,
    }
    with pytest.raises(CheckpointError, match="'longrope' is not understood"):
        open_gguf(llama(tmp_path, **{"rope.scaling.type": "longrope"}))


def test_scaling_of_llama_3_is_known_by_its_factors(tmp_path):
    utilities = pytest.importorskip("transformers.modeling_rope_utils")
    torch = pytest.importorskip("torch")
    from transformers import LlamaConfig

    scaling = {
        "rope_type": "llama3",
        "rope_theta": 100000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(hidden_size=WIDTH, num_attention_heads=HEADS, rope_parameters=scaling)
    scaled, _ = utilities.ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 100000.0 ** -(np.arange(0, WIDTH // HEADS, 2) / (WIDTH // HEADS))
    tensors = tiny_gguf.llama_tensors()
    tensors["rope_freqs.weight"] = (plain / scaled.numpy()).astype(np.float32)
    given, path = tiny_gguf.llama_settings(), tmp_path / "x.gguf"
    checkpoint = open_gguf(tiny_gguf.write(path, "llama", given, tensors))
    assert checkpoint.config["rope_scaling"]["factor"] == 32.0
    assert "rope_freqs.weight" not in checkpoint.tensors
    tensors["rope_freqs.weight"] *= 2
    with pytest.raises(CheckpointError, match="none of the scalings of Llama 3"):
        open_gguf(tiny_gguf.write(path, "llama", given, tensors))


# --- what is refused ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expert_count": 8}, "setting 'llama.expert_count' is not understood"),
        ({"attention.clamp_kqv": 1.0}, "attention.clamp_kqv' is not understood"),
        ({"block_count": "two"}, "setting 'llama.block_count' cannot be 'two'"),
        ({"attention.head_count": 0}, "attention has no heads"),
        ({"attention.head_count": 5}, "which are no"),
        ({"attention.key_length": 16, "attention.value_length": 8}, "not understood"),
    ],
)
def test_settings_that_are_not_understood_are_named(tmp_path, changes, words):
    with pytest.raises(CheckpointError, match=words):
        open_gguf(llama(tmp_path, **changes))


def test_tensors_that_are_not_known_are_named(tmp_path):
    tensors = tiny_gguf.llama_tensors() | {"blk.0.surprise.weight": np.ones(4, np.float32)}
    path = tiny_gguf.write(tmp_path / "x.gguf", "llama", tiny_gguf.llama_settings(), tensors)
    with pytest.raises(CheckpointError, match=r"x.gguf: tensor 'blk.0.surprise.weight' is none of"):
        open_gguf(path)


@pytest.mark.parametrize("kind", ["Q5_0", "Q5_1", "TQ1_0"])
def test_types_that_are_not_read_are_named(tmp_path, kind):
    tensors = {"token_embd.weight": np.ones((4, 256), np.float32)}
    path = tiny_gguf.write(tmp_path / "x.gguf", "llama", tiny_gguf.SIZES, tensors, kind)
    with pytest.raises(CheckpointError, match=f"in {kind}; expected F32, F16, BF16, Q8_0"):
        open_gguf(path)


def test_another_architecture_is_named(tmp_path):
    tensors = {"token_embd.weight": np.ones((4, 32), np.float32)}
    path = tiny_gguf.write(tmp_path / "x.gguf", "mamba", tiny_gguf.SIZES, tensors)
    with pytest.raises(CheckpointError, match="architecture 'mamba' is not read"):
        open_gguf(path)


@pytest.mark.parametrize("at", [0, 4, 8, 16, 30, 400])
def test_files_that_are_cut_short(tmp_path, at):
    path = llama(tmp_path)
    path.write_bytes(path.read_bytes()[:at])
    with pytest.raises(CheckpointError, match=r"does not begin with|cut short|claims"):
        open_gguf(path)


def test_a_file_without_its_last_byte(tmp_path):
    path = llama(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"cut short: tensor .* ends at byte"):
        open_gguf(path)


def test_no_file_and_no_regular_file(tmp_path):
    for path in (tmp_path / "none.gguf", tmp_path, Path("/dev/null")):
        with pytest.raises(CheckpointError, match=r"cannot be read|is no file"):
            open_gguf(path)


def patched(path: Path, at: int, form: str, *values: float) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, at, *values)
    path.write_bytes(data)


def entry(path: Path, name: str) -> int:
    """Return where the entry of a tensor goes on behind its name."""
    return path.read_bytes().index(name.encode()) + len(name)


@pytest.mark.parametrize(
    ("at", "form", "value", "words"),
    [
        (0, "<I", 0, "does not begin with 'GGUF'"),
        (4, "<I", 1, "version 1; expected 2 or 3"),
        (4, ">I", 3, "big-endian"),
        (8, "<Q", 2**63, "tensors and"),
        (16, "<Q", 2**40, "tensors and"),
        (24, "<Q", 2**50, "bytes for a key"),
    ],
)
def test_headers_that_lie(tmp_path, at, form, value, words):
    path = llama(tmp_path)
    patched(path, at, form, value)
    with pytest.raises(CheckpointError, match=words):
        open_gguf(path)


@pytest.mark.parametrize(
    ("at", "form", "value", "words"),
    [
        (0, "<I", 9, "of 9 axes"),
        (4, "<Q", 2**62, "which F32 cannot have"),
        (4, "<Q", 0, "which F32 cannot have"),
        (20, "<I", 12, "in Q4_K; expected"),
        (20, "<I", 999, "in type 999; expected"),
        (24, "<Q", 2**60, "cut short"),
        (24, "<Q", 33, "no multiple of 32"),
        (24, "<Q", 0, "in one place"),
    ],
)
def test_tensors_that_lie(tmp_path, at, form, value, words):
    path = llama(tmp_path)
    patched(path, entry(path, "blk.1.ffn_up.weight") + at, form, value)
    with pytest.raises(CheckpointError, match=words):
        open_gguf(path)


def test_a_name_that_is_there_twice(tmp_path):
    path = llama(tmp_path)
    data = path.read_bytes().replace(b"blk.1.ffn_up.weight", b"blk.0.ffn_up.weight")
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"has tensor 'blk\.0\.ffn_up\.weight' twice"):
        open_gguf(path)


def test_numbers_that_are_not_finite(tmp_path):
    path = llama(tmp_path, "Q4_1")
    place = GGUFFile(path).places["token_embd.weight"]
    patched(path, place.start, "<H", 0x7C00)
    tensor = open_gguf(path).tensors["model.embed_tokens.weight"]
    with pytest.raises(CheckpointError, match="not finite"):
        tensor.read()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    return llama(tmp_path_factory.mktemp("gguf"), "Q4_1").read_bytes()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_files_are_refused_in_one_line_or_read(tmp_path, whole, data):
    damaged = bytearray(whole)
    begins = len(whole) - 2048 if data.draw(st.booleans()) else 2200  # most of it in the header
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, begins))
        bits = data.draw(
            st.sampled_from([b"\0", b"\xff", b"\x01", b"\x7f"]) | st.binary(min_size=1, max_size=9)
        )
        damaged[at : at + len(bits)] = bits
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    try:
        for tensor in open_gguf(path).tensors.values():
            assert tensor.read().shape == tensor.shape
    except GenzooError as error:
        assert "\n" not in str(error)


def test_a_real_file():
    checkpoint = open_gguf(tiny_gguf.real_file())
    assert checkpoint.licence == "apache-2.0"
    assert checkpoint.config["num_hidden_layers"] == 30
    assert checkpoint.tensors["model.embed_tokens.weight"].shape == (49152, 576)
    kinds = [tensor.stored for tensor in checkpoint.tensors.values()]
    assert (kinds.count("Q4_1"), kinds.count("F32"), kinds.count("Q8_0")) == (210, 61, 1)
