"""From pairs of texts to a bundle, and the bundle in ONNX Runtime, optimum and transformers.js."""

import json
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import pytest

import export
import serving
import zoo
from export import ExportError
from export.cli import main
from export.evaluation import evaluate
from export.families.exporter import exporter_of
from export.run import open_run
from serving.bundle.manifest import read_manifest
from serving.families.translation_graph import DECODER, ENCODER
from serving.verify import verify
from tests.export.families.other_programs import optimum, run, transformers_js
from tests.zoo.translation.test_translation_training import recipe
from zoo.data import number_words
from zoo.data.parallel import Pairs
from zoo.translation.writer import writer

HERE = Path(__file__).parent
VARIANTS = {"fp32": "", "fp16": ".fp16", "int8": ".int8", "fused": ".fused"}
CONTEXT = 48
TEXTS = [english for english, _ in number_words.pairs(50, seed=9)]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A finished run; read only."""
    path = tmp_path_factory.mktemp("runs") / "translation"
    learned = {"train__steps_per_epoch": 60, "model__width": 32, "data__limit": 2000}
    zoo.train(recipe(model__positions="relative", model__decoder_layers=2, **learned), path)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Every variant, exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "translation"
    evaluate(workdir)
    return export.export(workdir, out, formats=["onnx"], variants=list(VARIANTS))


@pytest.fixture(scope="module")
def served(bundle):
    return serving.load(bundle, device="cpu")


@pytest.fixture
def shell(capsys, monkeypatch):
    """A function that runs `genzoo` and returns its exit code, what it printed, and its errors."""

    def genzoo(*words):
        monkeypatch.setattr("sys.argv", ["genzoo", *map(str, words), "--device", "cpu"])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return genzoo


def test_the_bundle_is_whole(bundle, workdir):
    names = {path.name for path in bundle.iterdir()}
    graphs = {f"{role}{kind}.onnx" for role in (ENCODER, DECODER) for kind in VARIANTS.values()}
    text = {"tokenizer.json", "tokenizer_config.json", "samples.txt"}
    text |= {"config.json", "generation_config.json"}
    assert names == graphs | text | {
        *("README.md", "test_vectors.npz", "model.weights.h5", "bundle.json")
    }
    assert all(check.passed for check in verify(bundle))
    manifest = read_manifest(bundle)
    assert manifest.metrics[0]["name"] == "bleu" and [*manifest.calls] == ["translate", "score"]
    assert all(variant.quality.value > 0 for variant in manifest.variants.values())


def test_one_decoder_without_a_branch_serves_all_steps(bundle):
    model = onnx.load(bundle / f"{DECODER}.onnx")
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"If", "Loop", "Scan"}
    names = [each.name for each in model.graph.input]
    assert names[:3] == ["input_ids", "encoder_attention_mask", "encoder_hidden_states"]
    assert names[3:7] == [
        f"past_key_values.0.{half}.{part}"
        for half in ("decoder", "encoder")
        for part in ("key", "value")
    ]
    assert len(names) == 3 + 4 * 2


@pytest.mark.parametrize("beams", [1, 3])
def test_the_same_words_from_keras_and_onnx_alone_and_in_a_batch(bundle, workdir, served, beams):
    model, few = zoo.from_workdir(workdir), TEXTS[:6]
    keras = writer(model, (bundle / "tokenizer.json").read_bytes(), served.languages)
    expected = keras.translate(few, "de", beams)
    assert served.translate(few, "de", beams) == expected
    assert [served.translate(text, "de", beams) for text in few] == expected
    assert keras.score("two", "zwei").nats == pytest.approx(served.score("two", "zwei").nats, 1e-5)


def test_every_variant_translates(bundle):
    for variant in VARIANTS:
        model = serving.load(bundle, device="cpu", variant=variant)
        assert model.variant == variant and len(model.translate(TEXTS[:3], beams=1)) == 3
        assert all(isinstance(each.items, int) for each in model.timed(2).values())
        assert isinstance(model.smallest(), str)


def test_the_card_says_how_it_is_used(bundle):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert 'pipeline_tag: "translation"' in card and "ORTModelForSeq2SeqLM" in card
    assert "after the token of the language that is translated into, such as `>>de<<`" in card
    assert 'genzoo translate tiny-translation "A dog runs."' in card


def test_an_evaluation_of_the_bundle_is_that_of_the_run(bundle, workdir):
    found = {metric.name: metric.value for metric in evaluate(bundle)}
    saved = json.loads((workdir / "metrics.json").read_text())["metrics"]
    for metric in saved:
        assert found[metric["name"]] == pytest.approx(metric["value"], rel=1e-3, abs=1e-6)


def test_the_command_line_takes_the_text_itself(bundle, served, shell, monkeypatch):
    code, text, _ = shell("translate", bundle, "two", "three", "--beams", "1", "--to", "en")
    expected = served.translate(["two", "three"], "en", 1)
    assert not code and text == "\n\n---\n".join(expected) + "\n"
    monkeypatch.setattr("sys.stdin", StringIO("two\nthree\n"))
    _, text, _ = shell("translate", bundle, "-", "--beams", "1", "--to", "en")
    assert text == "\n\n---\n".join(expected) + "\n"
    assert "nats_per_character" in shell("score", bundle, "two", "zwei")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["translate", ""], "the text is empty; give it at least one word"),
        (["translate", "two", "--to", "fr"], "to is 'fr'; expected one of de, en"),
        (["translate", "two " * 10_000], "translate it sentence by sentence"),
        (["translate"], "translate needs text: to translate"),
        (["score", "two"], "score takes 2 texts: text, translation"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(bundle, words, said, shell):
    code, _, errors = shell(words[0], bundle, *words[1:])
    assert code == 2 and said in errors and errors.count("\n") == 1


def test_a_model_of_gaps_is_not_exported(workdir, tmp_path):
    copied = shutil.copytree(workdir, tmp_path / "run")
    file = copied / "recipe.toml"
    words = file.read_text(encoding="utf-8")
    file.write_text(words.replace('objective = "pairs"', 'objective = "spans"'))
    with pytest.raises(ExportError, match="fills gaps and does not translate; go on from it"):
        export.export(copied, tmp_path / "bundle")


def test_few_pairs_and_long_ones_are_enough_to_calibrate_by(workdir):
    exporter = exporter_of(open_run(workdir))
    few = Pairs(["two", "three", "two " * 60], ["zwei", "drei", "zwei"])
    exporter.__dict__["_parts"] = dict.fromkeys(("train", "validation", "test"), few)
    for spec in exporter.graphs:
        fed = exporter.calibration(spec)
        assert fed and all(len(each["input_ids"]) == 2 for each in fed)


def test_a_decoder_whose_cache_forgets_proves_nothing(workdir):
    exporter = exporter_of(open_run(workdir))
    encoder, decoder = exporter.graphs

    def forgetful(inputs):
        names = [name for name in inputs if name.startswith("past") and "decoder" in name]
        return decoder.run(inputs | {name: np.zeros_like(inputs[name]) for name in names})

    exporter.prove({ENCODER: encoder.run, DECODER: decoder.run})
    with pytest.raises(ExportError, match="one by one differ from all at once"):
        exporter.prove({ENCODER: encoder.run, DECODER: forgetful})


@pytest.mark.long
def test_weights_have_the_licence_that_their_data_ask_for(workdir, tmp_path):
    copied = shutil.copytree(workdir, tmp_path / "run")
    assert open_run(copied).license == "Apache-2.0"
    record = json.loads((copied / "training.json").read_text())
    record["dataset_license"] = "research and education only"
    (copied / "training.json").write_text(json.dumps(record))
    out = export.export(copied, tmp_path / "bundle", formats=["onnx"])
    assert read_manifest(out).license == record["dataset_license"]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert 'license: "other"' in card and 'license_name: "research-and-education-only"' in card


# --- in other programs, 50 texts of unequal length in one batch ---


@pytest.fixture(scope="module")
def asked(served, tmp_path_factory):
    """The texts in a file, as other programs are asked, and our translations."""
    file = tmp_path_factory.mktemp("texts") / "texts.json"
    file.write_text(json.dumps([f">>de<< {text}" for text in TEXTS]))
    return file, served.translate(TEXTS, "de", beams=1, max_new_tokens=CONTEXT - 1)


def test_transformers_js_writes_the_same_words(bundle, asked, request, tmp_path):
    script = transformers_js(request, HERE / "translate.mjs")
    file, expected = asked
    published = export.publish([bundle], tmp_path / "release") / "hub" / "tiny-translation"
    names = {path.name for path in (published / "onnx").iterdir()}
    assert {f"{ENCODER}_quantized.onnx", f"{DECODER}_quantized.onnx"} <= names
    for place, graphs in ((bundle, ""), (published, "onnx")):
        done = run("node", script, place, file, graphs, "fp32", CONTEXT - 1)
        assert json.loads(done.stdout.splitlines()[-1]) == expected


def test_optimum_writes_the_same_words(bundle, asked):
    python, (file, expected) = optimum(), asked
    done = run(python, HERE / "translate_by_optimum.py", bundle, file)
    assert json.loads(done.stdout.splitlines()[-1]) == expected
