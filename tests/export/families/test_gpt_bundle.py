"""From a run on text to a bundle, and the bundle in Keras, SavedModel, ONNX Runtime and GenAI."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import export
import serving
import zoo
from export import ExportError
from export.comparison import compare
from export.evaluation import evaluate
from export.families import gpt_settings
from export.families.exporter import exporter_of
from export.families.forms import Made
from export.families.gpt import graph_step
from export.families.gpt_graphs import graphs
from export.families.gpt_settings import genai_config
from export.graph.converter import convert
from export.proof import saved_model
from export.run import open_run
from serving.bundle.manifest import read_manifest
from serving.catalogue import MODELS, models
from serving.text.text import TextModel
from serving.verify import verify
from tests.serving.text.promise import assert_kept
from tests.zoo.checkpoints.random_blocks import random_blocks
from tests.zoo.transformer.test_gpt_training import recipe
from zoo.checkpoints.blocks import save_blocks
from zoo.data import tokenizers
from zoo.transformer.writer import writer

VARIANTS = {
    "fp32": "",
    "fp16": ".fp16",
    "int8": ".int8",
    "static": ".static",
    "static-fp16": ".static-fp16",
    "static-int8": ".static-int8",
    "fused": ".fused",
    "fused-int8": ".fused-int8",
    "fused-int4": ".fused-int4",
}
CONTEXT = 112  # 100 tokens of greedy decoding, and a prompt


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A finished run; read only."""
    path = tmp_path_factory.mktemp("runs") / "text"
    made = recipe()
    sizes = {"model.context": CONTEXT, "model.width": 32, "model.kv_heads": 1}  # heads of 16
    zoo.train(made.changed(sizes), path)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Everything there is, exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "text"
    evaluate(workdir)
    return export.export(workdir, out, variants=list(VARIANTS))


def test_the_bundle_is_whole(bundle, workdir):
    names = {path.name for path in bundle.iterdir()}
    graph_files = {f"model{kind}.onnx" for kind in VARIANTS.values()}
    text_files = {"tokenizer.json", "tokenizer_config.json", "samples.txt"}
    text_files |= {"config.json", "generation_config.json", "genai_config.json"}
    others = {"README.md", "test_vectors.npz", "model.weights.h5", "bundle.json", "saved_model"}
    assert names == graph_files | text_files | others
    assert all(check.passed for check in verify(bundle))
    manifest = read_manifest(bundle)
    assert manifest.family == "transformer" and manifest.processing["context"] == CONTEXT
    assert set(manifest.files) == names - {"bundle.json", "saved_model"}
    assert all(variant.quality.value > 0 for variant in manifest.variants.values())
    assert (bundle / "tokenizer.json").read_bytes() == (workdir / "tokenizer.json").read_bytes()


def test_the_card_speaks_of_text(bundle):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert 'pipeline_tag: "text-generation"' in card and "samples.png" not in card
    assert "tokens, the same for all variants" in card and "| tokens |" in card
    assert "at most 112; `past_sequence_length` may be 0" in card
    assert "The `fused` ones are for ONNX Runtime alone" in card
    assert "`past_sequence_length` and `total_sequence_length` are always 112" in card


def test_the_same_seed_gives_the_same_text_everywhere(bundle, workdir):
    model = zoo.from_workdir(workdir)
    served = serving.load(bundle, device="cpu")
    runner = saved_model.load(bundle / "saved_model")["serving_default"]
    step = graph_step(graphs(model)[0], {"model": runner})
    keras_model = writer(model, (bundle / "tokenizer.json").read_bytes())
    saved = TextModel(step, keras_model.tokenizer, CONTEXT)
    prompts, seeds = ["The ", "\n", "import"], [7, 8, 9]
    expected = keras_model.generate(prompts, 120, seed=seeds, temperature=0.8)
    for each in (saved, served):
        assert each.generate(prompts, 120, seed=seeds, temperature=0.8) == expected
    assert served.generate("\n", 120, seed=8, temperature=0.8) == expected[1]


def test_logits_that_are_no_numbers_prove_nothing(workdir):
    exporter = exporter_of(open_run(workdir))
    (spec,) = exporter.graphs
    exporter.prove({"model": spec.run})

    def broken(inputs):
        outputs = spec.run(inputs)
        return outputs | {"logits": outputs["logits"] * np.nan}

    with pytest.raises(ExportError, match="tokens one by one differ from all at once by nan"):
        exporter.prove({"model": broken})


@pytest.mark.parametrize("variant", ["static", "fused"])
@pytest.mark.parametrize("temperature", [0, 0.8])
def test_a_cache_in_place_writes_the_text_of_the_portable_graph(bundle, variant, temperature):
    one, other = (serving.load(bundle, device="cpu", variant=name) for name in ("fp32", variant))
    prompts, settings = ["The ", "\n", "import numpy"], {"temperature": temperature}
    for count in (20, CONTEXT + 30):  # the window slides
        expected = one.generate(prompts, count, seed=[7, 8, 9], **settings)
        assert other.generate(prompts, count, seed=[7, 8, 9], **settings) == expected
        assert other.generate(prompts[1], count, seed=8, **settings) == expected[1]
    longer = prompts[0] + one.generate(prompts[0], 5, seed=7, **settings) + "is"
    other.generate(prompts[0], 5, seed=7, **settings)  # of the next prompt this is known
    expected = one.generate(longer, 20, seed=3, **settings)
    assert other.generate(longer, 20, seed=3, **settings) == expected


@pytest.mark.parametrize("variant", ["fp32", "static", "fused"])
@pytest.mark.parametrize("temperature", [0, 0.8])
def test_guesses_and_prompts_in_chunks_change_no_text(bundle, variant, temperature, monkeypatch):
    plain, other = (serving.load(bundle, device="cpu", variant=name) for name in ("fp32", variant))
    settings = {"temperature": temperature, "seed": 7}
    prompts = ["import this\n" * 8, "an object is an object is a", "\n"]
    expected = plain.generate(prompts, 60, **settings)
    monkeypatch.setattr("serving.runtime.shared_memory.CHUNK", 16)
    assert other.generate(prompts, 60, **settings) == expected
    for prompt, text in zip(prompts, expected, strict=True):
        assert other.generate(prompt, 60, prompt_lookup_num_tokens=7, **settings) == text
        assert other.last_lookup.steps <= 2 * 60  # a token is read twice at most


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_seed_writes_one_text_whatever_was_asked_before(bundle, variant):
    model = serving.load(bundle, device="cpu", variant=variant)
    if model.repeatable:
        assert_kept(model, cases=4)


def test_a_static_graph_searches_and_scores_as_the_portable_one(bundle):
    one, other = (serving.load(bundle, device="cpu", variant=name) for name in ("fp32", "static"))
    found, wanted = (model.search("The ", beams=3, max_new_tokens=8) for model in (other, one))
    assert [each.ids for each in found] == [each.ids for each in wanted]
    text = "An object is a list." * 10
    assert other.score(text).nats == pytest.approx(one.score(text).nats, rel=1e-5)


def test_the_static_variants_fix_the_cache(bundle):
    manifest = read_manifest(bundle)
    for name, variant in manifest.variants.items():
        sizes = {"past_sequence_length": CONTEXT, "total_sequence_length": CONTEXT}
        assert variant.axes == (sizes if variant.form == "static" else None), name
    axes = {port.name: port.axes for port in manifest.interface_of("static")["model"].outputs}
    assert axes["present.0.key"] == ["batch_size", 1, CONTEXT, 16]


def test_weights_of_a_bundle_make_the_model(bundle, workdir):
    ids = np.arange(20).reshape(2, 10)
    expected = zoo.from_workdir(workdir)(ids).numpy()
    np.testing.assert_array_equal(zoo.from_preset(bundle)(ids).numpy(), expected)


def test_a_bundle_measures_as_its_run(bundle, workdir):
    expected = json.loads((workdir / "metrics.json").read_text())["metrics"]
    found = evaluate(bundle)
    assert [metric.name for metric in found] == [metric["name"] for metric in expected]
    for metric, other in zip(found, expected, strict=True):
        assert metric.value == pytest.approx(other["value"], rel=1e-4)
        assert metric.counted == "tokens"
    assert read_manifest(bundle).metrics[0]["name"] == "nats_per_character"


def test_every_form_is_compared(bundle, workdir):
    rows = {row.form: row for row in compare(workdir, bundle)}
    assert list(rows)[:3] == ["Keras", "SavedModel", "ONNX Runtime fp32"]
    assert rows["ONNX Runtime fp32"].error < 1e-4
    assert {row.unit for row in rows.values()} == {"tokens"}


# --- ONNX Runtime GenAI, the real package ---


@pytest.fixture(scope="module")
def genai():
    return pytest.importorskip("onnxruntime_genai", reason="comes for some platforms only")


def assert_the_same_tokens(genai, served, prompt):
    """GenAI and this package write the same greedy tokens, 100 if the window has room."""
    model = genai.Model(str(served.directory))
    tokenizer = genai.Tokenizer(model)
    ids = served.tokenizer.encode(prompt)
    assert tokenizer.encode(prompt).tolist() == ids
    count = min(100, served.context - len(ids))
    settings = genai.GeneratorParams(model)
    settings.set_search_options(max_length=len(ids) + count, do_sample=False)
    generator = genai.Generator(model, settings)
    generator.append_tokens(ids)
    while not generator.is_done():
        generator.generate_next_token()
    found = generator.get_sequence(0)[len(ids) :].tolist()
    expected = served.complete(prompt, count, temperature=0)[0]
    assert tuple(found) == expected.ids
    assert tokenizer.decode(found) == served.tokenizer.decode(expected.ids)


def test_onnxruntime_genai_writes_the_same_tokens(genai, bundle):
    served = serving.load(bundle, device="cpu")
    for prompt in ("The ", "class A:\n    x = [1]\n"):
        assert_the_same_tokens(genai, served, prompt)


@pytest.mark.parametrize("variant", ["fp32", "fused"])
def test_genai_is_told_of_the_fastest_graph_that_it_runs(genai, bundle, variant, tmp_path):
    """Alone, and several prompts of unequal length at once; each variant as the settings say it."""
    manifest = read_manifest(bundle)
    own = shutil.copytree(bundle, tmp_path / "own")
    assert json.loads((own / "genai_config.json").read_text()) == genai_config(
        zoo.from_preset(bundle).config, "model.fused.onnx", in_place=True
    )
    config = zoo.from_preset(bundle).config
    gpt_settings.write(config, {variant: manifest.variants[variant]}, own)
    served = serving.load(own, device="cpu")
    assert_the_same_tokens(genai, served, "The ")
    model = genai.Model(str(own))
    tokenizer, settings = genai.Tokenizer(model), genai.GeneratorParams(model)
    prompts = ["The ", "a", "import this"]
    settings.set_search_options(max_length=40, do_sample=False, batch_size=len(prompts))
    generator = genai.Generator(model, settings)
    generator.append_tokens(tokenizer.encode_batch(prompts))
    while not generator.is_done():
        generator.generate_next_token()
    for row, prompt in enumerate(prompts):
        found = [each for each in generator.get_sequence(row).tolist() if each != tokenizers.PAD]
        expected = served.complete(prompt, 20, temperature=0)[0].ids
        assert found[: len(served.tokenizer.encode(prompt)) + 20][-20:] == list(expected)


def test_genai_is_told_of_no_graph_that_it_does_not_run(bundle, tmp_path):
    manifest, config = read_manifest(bundle), zoo.from_preset(bundle).config
    static = {name: each for name, each in manifest.variants.items() if "static" in name}
    assert "genai_config.json" not in gpt_settings.write(config, static, tmp_path)


@pytest.mark.parametrize(
    "name", [name for name, entry in models().items() if entry.family == "transformer"]
)
def test_onnxruntime_genai_runs_what_is_published(genai, name):
    settings = json.loads((MODELS / name / "genai_config.json").read_text(encoding="utf-8"))
    graph = settings["model"]["decoder"]["filename"]
    if not (MODELS / name / graph).exists():
        pytest.skip(f"{graph} of {name} is not here; `make release` makes it")
    assert_the_same_tokens(genai, serving.load(name, device="cpu"), "The ")


def test_the_snippet_on_the_card_runs_without_this_project(genai, bundle):
    snippet = (bundle / "README.md").read_text(encoding="utf-8").split("```python\n")[2]
    code = snippet.split("```")[0]
    assert "onnxruntime_genai" in code
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=bundle, capture_output=True, text=True
    )
    assert done.returncode == 0 and "The " in done.stdout, done.stderr


# --- failures ---


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: path.unlink(), "tokenizer.json is missing; train with --resume first"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-20]),
            "is no tokenizer that can be read",
        ),
    ],
)
def test_a_run_without_its_tokenizer(workdir, tmp_path, spoil, complaint):
    own = shutil.copytree(workdir, tmp_path / "run")
    spoil(own / "tokenizer.json")
    with pytest.raises(zoo.GenzooError, match=complaint):
        export.export(own, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_run_whose_text_has_changed(workdir, tmp_path):
    own = shutil.copytree(workdir, tmp_path / "run")
    file = own / "tokenizer.json"
    file.write_bytes(file.read_bytes().replace(b'"a"', b'"\xc2\xb5"'))
    with pytest.raises(
        zoo.UsageError, match="is not the tokenizer of 'python_topics' as it is now"
    ):
        evaluate(own)


@pytest.mark.long
def test_a_bundle_is_exported_again_from_its_weights(bundle, tmp_path):
    named = export.export(bundle, tmp_path / "named", formats=["onnx"], name="renamed")
    again = export.export(named, tmp_path / "again", formats=["onnx"], variants=["fp32", "fused"])
    before, after = read_manifest(bundle), read_manifest(again)
    assert after.name == "renamed" != after.provenance.recipe["name"]
    assert list(after.variants) == ["fp32", "fused"]
    for name in ("model.weights.h5", "tokenizer.json", "samples.txt"):
        assert after.files[name] == before.files[name]
    assert (after.metrics, after.provenance) == (before.metrics, before.provenance)
    nodes = [after.variants[name].nodes["model"] for name in ("fp32", "fused")]
    assert 0 < nodes[1] < nodes[0]


def test_blocks_of_a_run_stay_as_they_came(workdir, tmp_path):
    run = open_run(shutil.copytree(workdir, tmp_path / "run"))
    blocks = {}
    for variable in run.model.trainable_variables:
        if len(variable.shape) == 2:
            turned = variable.path.endswith("kernel")
            rows, columns = variable.shape[:: -1 if turned else 1]
            blocks[variable.path] = random_blocks(rows, columns, "Q4_1")
            numbers = blocks[variable.path].dequantised()
            variable.assign(numbers.T if turned else numbers)
    save_blocks(run.directory.blocks, blocks)
    exporter = exporter_of(run)
    specs = {spec.role: spec for spec in exporter.graphs}
    first = Made(specs, {role: convert(spec) for role, spec in specs.items()})
    forms = {form.name: form for form in exporter.forms()}
    for name in ("fused-int8", "fused-int4"):
        made = forms[name].make(first).graphs["model"]
        held = [node for node in made.graph.node if node.op_type == "MatMulNBits"]
        assert len(held) == len(blocks)  # the embedding is one of them, which makes the logits
        stored = {bytes(each.raw_data) for each in made.graph.initializer}
        assert {each.packed().tobytes() for each in blocks.values()} <= stored
        assert forms[name].runtimes["onnxruntime"] == "1.23"
