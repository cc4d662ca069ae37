"""Folders of Hugging Face: read whole, or refused in one line."""

import hashlib
import json
import re

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from serving.errors import GenzooError, UsageError
from tests.zoo.checkpoints.folders import TEMPLATE, keys_of, make, split, tensors_of
from zoo.checkpoints.checkpoint import CheckpointError
from zoo.checkpoints.folder import open_folder
from zoo.checkpoints.loading import from_checkpoint

IDS = np.arange(12).reshape(1, 12)


def refused(folder, kind=CheckpointError):
    with pytest.raises(kind) as caught:
        from_checkpoint(folder)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


def test_a_whole_folder(tmp_path):
    found = open_folder(make(tmp_path / "Tiny"))
    assert (found.source, found.licence, found.chat_template) == ("Tiny", "cc-by-4.0", TEMPLATE)
    assert found.generation["eos_token_id"] == [2, 5]
    assert found.tokenizer == (tmp_path / "Tiny" / "tokenizer.json").read_bytes()
    weights = (tmp_path / "Tiny" / "model.safetensors").read_bytes()
    assert found.sha256 == hashlib.sha256(weights).hexdigest()
    assert found.tensors["model.norm.weight"].shape == (16,)
    assert found.tensors["model.norm.weight"].stored == "F32"


def test_shards_are_the_same_model(tmp_path):
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    split(other, 3)
    np.testing.assert_array_equal(from_checkpoint(one)(IDS), from_checkpoint(other)(IDS))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_checkpoints_without_a_head_lack_the_prefix(kind, tmp_path):
    one = make(tmp_path / "one", kind, tie_word_embeddings=True)
    other = make(tmp_path / "other", kind, tie_word_embeddings=True)
    file = other / "model.safetensors"
    tensors = {name.partition(".")[2]: value for name, value in load_file(file).items()}
    unread = "layers.0.self_attn.rotary_emb.inv_freq" if kind == "llama" else "h.0.attn.bias"
    save_file(tensors | {unread: np.ones(4, np.float32)}, file)
    np.testing.assert_array_equal(from_checkpoint(one)(IDS), from_checkpoint(other)(IDS))


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_weights_of_other_types_are_the_same_numbers(kind, tmp_path):
    folder = make(tmp_path / "one", tie_word_embeddings=True)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {key: each.astype(kind) for key, each in tensors.items()}, folder / "model.safetensors"
    )
    model = from_checkpoint(folder)
    expected = tensors["model.embed_tokens.weight"].astype(kind).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(model.token_embedding.embeddings), expected)


def test_a_smaller_context(tmp_path):
    folder = make(tmp_path / "one", "gpt2")
    small, large = from_checkpoint(folder, context=5), from_checkpoint(folder)
    np.testing.assert_allclose(small(IDS[:, :5]), large(IDS[:, :5]), atol=1e-6)
    for context in (13, 0):
        with pytest.raises(UsageError, match=f"context is {context}; one sees 12 tokens"):
            from_checkpoint(folder, context=context)


def test_an_embedding_that_is_stored_twice(tmp_path):
    folder = make(tmp_path / "one", tie_word_embeddings=True)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file(tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"]}, file)
    from_checkpoint(folder)
    save_file(tensors | {"lm_head.weight": 2 * tensors["model.embed_tokens.weight"]}, file)
    assert "'lm_head.weight', though config.json has tie_word_embeddings" in refused(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model.norm.weight"), "lacks the tensor 'model.norm.weight'"),
        (lambda t: [t.pop(key) for key in [*t][:5]], "lacks the tensors .* and 2 more"),
        (
            lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": t["model.norm.weight"]}),
            "beside what its config.json tells of, the tensor 'model.layers.0.self_attn.q_proj.bia",
        ),
        (
            lambda t: t.update({"model.norm.weight": np.ones(17, np.float32)}),
            "'model.norm.weight' of one is 17; by its config.json it should be 16",
        ),
        (
            lambda t: t.update({"model.embed_tokens.weight": np.ones((9, 16), np.float32)}),
            "'model.embed_tokens.weight' of one is 9 x 16; .* should be 270 x 16",
        ),
        (
            lambda t: t.update({"model.norm.weight": np.ones(16, np.int8)}),
            "'model.norm.weight' of .* is of type I8; expected one of F64",
        ),
    ],
)
def test_tensors_that_do_not_fit(change, message, tmp_path):
    folder = make(tmp_path / "one")
    tensors = tensors_of("llama", keys_of("llama"))
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    found = refused(folder)
    assert re.search(message, found), found


def test_files_that_are_cut_short(tmp_path):
    folder = make(tmp_path / "one")
    whole = (folder / "model.safetensors").read_bytes()
    for length in (0, 7, 100, len(whole) - 1):
        (folder / "model.safetensors").write_bytes(whole[:length])
        assert "model.safetensors is not whole" in refused(folder)


def test_files_that_are_not_there(tmp_path):
    assert "there is no folder" in refused(tmp_path / "none", UsageError)
    assert "there is no file" in refused(tmp_path / "none.gguf", UsageError)
    assert "config.json cannot be read" in refused(tmp_path)
    folder = make(tmp_path / "one")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pytorch_model.bin, which is a program and is not run" in refused(folder)
    (folder / "pytorch_model.bin").unlink()
    assert "has no model.safetensors" in refused(folder)
    (folder / "config.json").write_text("[" * 100_000)
    assert "config.json is no JSON object" in refused(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda where: where.clear(), "has no 'weight_map'"),
        (lambda where: where.update({"x": "../model.safetensors"}), "is no file of the folder"),
        (lambda where: where.update({"x": "/etc/passwd"}), "is no file of the folder"),
        (lambda where: where.update({"x": 5}), "is no file of the folder"),
        (lambda where: where.update({"x": "other.safetensors"}), "other.safetensors is missing"),
        (lambda where: where.update({"x": next(iter(where.values()))}), "has no tensor 'x'"),
        (lambda where: where.pop(next(iter(where))), "does not list tensor"),
    ],
)
def test_an_index_that_is_wrong(change, message, tmp_path):
    index = split(make(tmp_path / "one"))
    document = json.loads(index.read_text())
    change(document["weight_map"])
    index.write_text(json.dumps(document))
    assert message in refused(index.parent)


def test_licences_and_templates_as_others_write_them(tmp_path):
    folder = make(tmp_path / "one")
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: 'own-terms'\n---\n")
    (folder / "chat_template.jinja").write_text("own")
    found = open_folder(folder)
    assert (found.licence, found.chat_template) == ("own-terms", "own")
    (folder / "README.md").write_text("license: mit\n")
    (folder / "chat_template.jinja").unlink()
    several = [{"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": several}))
    (folder / "generation_config.json").unlink()
    found = open_folder(folder)
    assert (found.licence, found.chat_template) == (None, "b")
    assert found.generation == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}


def test_errors_are_ours():
    assert issubclass(CheckpointError, GenzooError)
