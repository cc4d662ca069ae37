"""Every published Transformer opens elsewhere, and writes there what it writes here."""

import sys

import pytest
from gguf import GGUFReader

import serving
import zoo
from export import ExportError, cli, export
from export.families.exporter import exporter_of
from export.run import opened
from serving.bundle.files import pin_of
from serving.bundle.manifest import read_manifest
from serving.catalogue import models
from serving.errors import UsageError
from tests.export.checkpoints.readers import LlamaCpp, in_transformers
from tests.zoo.transformer.test_gpt_training import recipe

NAMES = [name for name, entry in models().items() if entry.family == "transformer"]
FORMATS = ["gguf", "gguf-q8_0", "gguf-q4_0", "safetensors"]
PROMPT, COUNT = "The king is", 100
TEXTS = ["The king\n", "What's 1 or 22?  No,\n\n  we'll see."]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What each model is in every format, without what else a bundle holds; read only."""
    found = {}
    for name in NAMES:
        found[name] = tmp_path_factory.mktemp("formats")
        with opened(name) as run:
            exporter = exporter_of(run)
            exporter.write_assets(found[name], {})
            for each in exporter.formats():
                each.write(found[name], name)
    return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The smallest model, exported under another name; read only."""
    out = tmp_path_factory.mktemp("bundles") / "mine"
    return export("gpt-shakespeare-nano", out, formats=FORMATS, name="mine")


def knows(model, character):
    try:
        return bool(model.tokenizer.encode(character))
    except UsageError:
        return False


@pytest.fixture(scope="module")
def expected():
    """By model: the ids of the prompt, those written on, and texts that the model knows."""
    found = {}
    for name in NAMES:
        model = serving.load(name, device="cpu")
        ids = model.tokenizer.encode(PROMPT)
        count = min(COUNT, model.context - len(ids))
        known = ["".join(each for each in text if knows(model, each)) for text in TEXTS]
        written = model.complete(PROMPT, count, temperature=0)[0].ids
        found[name] = ids, list(written), known, [model.tokenizer.encode(text) for text in known]
    return found


@pytest.mark.long
def test_transformers(folders, expected):
    asked = [
        (folders[name], ids, len(written), texts)
        for name, (ids, written, texts, _) in expected.items()
    ]
    for answer, (_, written, texts, tokens) in zip(
        in_transformers(asked), expected.values(), strict=True
    ):
        assert not answer["left"] and answer["ids"] == written
        assert answer["tokens"] == tokens and answer["texts"] == texts


@pytest.mark.parametrize("name", NAMES)
def test_llama_cpp(name, folders, expected):
    ids, written, texts, tokens = expected[name]
    llama = LlamaCpp(folders[name] / f"{name}-F32.gguf", len(ids) + len(written))
    assert llama.tokens(PROMPT) == ids
    assert [llama.tokens(text) for text in texts] == tokens
    assert llama.write(ids, len(written)) == written


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
@pytest.mark.parametrize("name", NAMES)
def test_llama_cpp_in_fewer_bits(name, kind, folders, expected):
    ids, written, _, _ = expected[name]
    file = folders[name] / f"{name}-{kind}.gguf"
    assert len(LlamaCpp(file, len(ids) + len(written)).write(ids, 8)) == 8
    matrices = [each for each in GGUFReader(file).tensors if each.name.startswith("blk.")]
    assert {each.tensor_type.name for each in matrices if len(each.shape) > 1} == {kind}


def test_the_files_are_listed_and_hashed(bundle, folders):
    manifest = read_manifest(bundle)
    kinds = [f"mine-{kind}.gguf" for kind in ("F32", "Q8_0", "Q4_0")]
    files = {*kinds, "model.safetensors", "config.json", "generation_config.json"}
    assert files <= set(manifest.files) and "genai_config.json" not in manifest.files
    assert all(pin_of(bundle / file) == manifest.files[file] for file in files)
    assert not manifest.variants and manifest.license == "Apache-2.0"
    said = GGUFReader(bundle / "mine-Q4_0.gguf").fields
    assert said["general.name"].contents() == "mine"
    weights = folders["gpt-shakespeare-nano"] / "model.safetensors"
    assert (bundle / "model.safetensors").read_bytes() == weights.read_bytes()


def test_a_format_that_is_none(tmp_path):
    known = "there are saved_model, onnx, gguf, gguf-q8_0, gguf-q4_0, safetensors"
    with pytest.raises(UsageError, match=f"unknown format 'tflite'; {known}"):
        export(NAMES[0], tmp_path / "b", formats=["tflite"])
    with pytest.raises(UsageError, match="did you mean 'gguf-q4_0'"):
        export(NAMES[0], tmp_path / "b", formats=["gguf-q4"])
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("export.checkpoints.format.find_spec", lambda name: None)
    arguments = ["genzoo", "export", NAMES[0], "--out", str(tmp_path / "b"), "--formats", "gguf"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    errors = capsys.readouterr().err
    assert stopped.value.code == 1 and not list(tmp_path.iterdir())
    assert errors == "genzoo: format gguf needs gguf: pip install 'genzoo[checkpoints]'\n"


def test_a_network_that_nobody_has(tmp_path):
    """Formats that go are named, and nothing is left behind."""
    made = recipe(epochs=1, steps_per_epoch=1)
    odd = made.model_copy(update={"model": made.model.model_copy(update={"positions": "learned"})})
    zoo.train(odd, tmp_path / "run")
    for name, who in (("gguf", "llama.cpp"), ("safetensors", "transformers")):
        complaint = (
            rf"no {name}: {who} has no network of rms, learned, .*; there are saved_model, onnx$"
        )
        with pytest.raises(ExportError, match=complaint) as refused:
            export(tmp_path / "run", tmp_path / "bundle", formats=["onnx", name])
        assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
