"""A checkpoint of `transformers` through the whole road: the same words at the other end."""

import json

import numpy as np
import pytest

import export
import serving
from export.evaluation import evaluate
from export.families.exporter import exporter_of
from export.run import open_run
from serving.bundle.manifest import read_manifest
from tests.zoo.checkpoints.folders import CARD, SIZE, TEMPLATE, TOKENIZER, make
from tests.zoo.checkpoints.written import job, write
from zoo.checkpoints.gguf import open_gguf
from zoo.checkpoints.importing import import_checkpoint
from zoo.data import tokenizers
from zoo.training import fine_tuning

pytestmark = pytest.mark.long

NEW = 24
PROMPTS = ["the object", "a", "value of"]
SIZES = {
    "vocab_size": SIZE,
    "hidden_size": 48,
    "head_dim": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-3,
    "rope_parameters": {
        "rope_type": "llama3",
        "rope_theta": 5e4,
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
}


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """What `transformers` writes on from each prompt, and the bundle of the same weights."""
    place = tmp_path_factory.mktemp("road")
    folder = place / "Tiny Llama"
    prompts = [[TOKENIZER.encode(text).ids] for text in PROMPTS]
    jobs = [
        job("llama", folder, **SIZES) | {"new": NEW, "prompts": prompt, "length": 9}
        for prompt in prompts
    ]
    expected = [each["written"][0].tolist() for each in write(jobs, place / "jobs")]
    (folder / "tokenizer.json").write_text(TOKENIZER.to_str(), encoding="utf-8")
    settings = {"eos_token": tokenizers.SPECIAL[tokenizers.EOS], "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "README.md").write_text(CARD)
    overrides = {"data.limit": 3000, "evaluate.limit": 50}
    made = import_checkpoint(folder, place / "run", overrides=overrides)
    bundle = export.export(
        made.workdir, place / "bundle", formats=["onnx"], variants=["fp32", "fused"]
    )
    return expected, made, bundle


@pytest.mark.long
@pytest.mark.parametrize("variant", ["fp32", "fused"])
def test_the_words_are_those_of_transformers(road, variant):
    expected, _, bundle = road
    model = serving.load(bundle, variant=variant, device="cpu")
    for text, ids in zip(PROMPTS, expected, strict=True):
        unending = {"logit_bias": dict.fromkeys(model.tokenizer.ends, -1e4)}
        [written] = model.complete(text, NEW, temperature=0, **unending)
        found = TOKENIZER.encode(text).ids + list(written.ids)
        assert found == ids


def test_the_bundle_says_where_it_comes_from(road):
    _, made, bundle = road
    manifest = read_manifest(bundle)
    origin = manifest.provenance.checkpoint
    assert manifest.license == origin.license == "cc-by-4.0" and origin.source == "Tiny Llama"
    assert len(origin.sha256) == 64 and manifest.provenance.dataset == "not stated"
    assert manifest.assets["chat_template"] == "chat_template.jinja"
    assert manifest.processing["end_tokens"] == [2]
    assert (bundle / "tokenizer.json").read_bytes() == (
        made.workdir / "tokenizer.json"
    ).read_bytes()
    assert "cc-by-4.0" in (bundle / "README.md").read_text()


def test_the_bundle_is_a_beginning_too(road):
    """It is exported again, measured, and trained on, as a run is."""
    _, made, bundle = road
    recipe = fine_tuning(bundle)
    task = recipe.task()
    assert task.given.ends == [2] and recipe.model == made.recipe.model
    metrics = [evaluate(each)[0].value for each in (made.workdir, bundle)]
    np.testing.assert_allclose(*metrics, rtol=1e-4)
    assert open_run(made.workdir).license == "cc-by-4.0"


def test_a_file_for_llama_cpp_has_the_chat_template(tmp_path):
    made = import_checkpoint(make(tmp_path / "Tiny"), tmp_path / "run")
    run = open_run(made.workdir)
    [written] = [each for each in exporter_of(run).formats() if each.name == "gguf"]
    written.write(tmp_path, "tiny")
    again = open_gguf(tmp_path / "tiny-F32.gguf")
    assert again.chat_template == TEMPLATE and again.config["eos_token_id"] == tokenizers.EOS
