"""From text to a bundle, and the bundle in ONNX Runtime, optimum and transformers.js."""

import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import tensorflow as tf

import export
import serving
import zoo
from export import ExportError
from export.cli import main
from export.evaluation import evaluate, evaluate_on
from export.families.exporter import exporter_of
from export.families.masked.exporter import GRAPH
from export.run import open_run
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.server.inference.alone import Alone
from serving.text.masked.filler import MASK, TextFiller
from serving.text.tokenizer import Tokenizer
from serving.verify import verify
from tests.export.families.other_programs import optimum, run, transformers_js
from tests.serving.server.running import running
from tests.zoo.masked.tiny_masked import recipe
from zoo.masked.data import MASK_ID
from zoo.masked.writer import filler

HERE = Path(__file__).parent
VARIANTS = {"fp32": "", "fp16": ".fp16", "int8": ".int8", "fused": ".fused"}
TEXTS = [f"The {MASK} is", f"{MASK} of the string", f"return {MASK}, the value", f"a\nb {MASK}"]
WHOLE = ["The value of the string", "a b", "return it"]
TOP = 10


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A finished run; read only."""
    path = tmp_path_factory.mktemp("runs") / "masked"
    zoo.train(recipe(train__steps_per_epoch=40, train__epochs=1, model__layers=2), path)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Every variant and a SavedModel, exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "masked"
    evaluate(workdir)
    return export.export(workdir, out, variants=list(VARIANTS))


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


def test_the_bundle_is_whole(bundle):
    names = {path.name for path in bundle.iterdir()}
    text = {"tokenizer.json", "tokenizer_config.json", "config.json", "samples.txt"}
    assert names == text | {f"model{kind}.onnx" for kind in VARIANTS.values()} | {
        *("README.md", "test_vectors.npz", "model.weights.h5", "bundle.json", "saved_model")
    }
    assert all(check.passed for check in verify(bundle))
    manifest = read_manifest(bundle)
    assert [*manifest.calls] == ["fill", "score", "embed"]
    assert manifest.metrics[0]["name"] == "nats_per_masked_token"
    kinds = {node.op_type for node in onnx.load(bundle / "model.onnx").graph.node}
    assert not kinds & {"If", "Loop", "Scan"}


def test_the_card_says_how_it_is_used(bundle, monkeypatch, capsys):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert 'pipeline_tag: "fill-mask"' in card
    assert f'genzoo fill tiny-masked "To be or not to {MASK}"' in card
    monkeypatch.chdir(bundle)
    snippet = next(each for each in card.split("```python\n") if "Tokenizer.from_file" in each)
    exec(snippet.partition("```")[0], {})
    assert capsys.readouterr().out.count("'") == 10


def test_keras_savedmodel_and_onnx_say_the_same(bundle, workdir, served):
    own = filler(zoo.from_workdir(workdir), (bundle / "tokenizer.json").read_bytes())
    saved = tf.saved_model.load(str(bundle / "saved_model")).signatures["read"]

    class Saved:
        def predict(self, input_ids, attention_mask):
            given = {"input_ids": input_ids, "attention_mask": attention_mask}
            return saved(**{name: tf.constant(each) for name, each in given.items()})[
                "logits"
            ].numpy()

    other = TextFiller(Saved(), own.tokenizer, own.context, MASK_ID)
    for text in TEXTS:
        expected = own.fill(text, TOP)
        for model in (served, other):
            found = model.fill(text, TOP)
            assert [each.words for each in found] == [each.words for each in expected]
            np.testing.assert_allclose(
                [each.log_prob for each in found], [each.log_prob for each in expected], atol=1e-4
            )
    np.testing.assert_allclose(served.embed(TEXTS), own.embed(TEXTS), atol=1e-4)
    assert served.score("The string").nats == pytest.approx(own.score("The string").nats, 1e-4)


def test_every_variant_reads(bundle):
    for variant in VARIANTS:
        model = serving.load(bundle, device="cpu", variant=variant)
        assert model.variant == variant and len(model.fill(TEXTS[0], 3)) == 3
        assert all(each.function() is not None for each in model.timed(2).values())
        assert model.smallest()


def test_a_batch_gives_what_each_text_gives_alone(served):
    texts = ["The", "The value of the string", "a b"]
    alone = np.concatenate([served.embed(text) for text in texts])
    np.testing.assert_allclose(served.embed(texts), alone, atol=1e-5)
    for found, text in zip(served.log_probs(texts), texts, strict=True):
        np.testing.assert_allclose(found, served.score(text).log_probs, atol=1e-4)


def test_an_evaluation_of_the_bundle_is_that_of_the_run(bundle, workdir):
    found = {metric.name: metric.value for metric in evaluate(bundle)}
    saved = json.loads((workdir / "metrics.json").read_text())["metrics"]
    for metric in saved:
        assert found[metric["name"]] == pytest.approx(metric["value"], rel=1e-3, abs=0.06)


def test_pairs_of_sentences_are_told_apart_by_pseudo_log_likelihood(bundle, served, tmp_path):
    file, good, bad = tmp_path / "pairs.jsonl", "The string is", "string The is"
    good, bad = sorted((good, bad), key=lambda text: served.score(text).nats)
    pairs = [(good, bad), (bad, good), (good, bad)]
    names = ("sentence_good", "sentence_bad")
    lines = [dict(zip(names, pair, strict=True)) for pair in pairs]
    lines = [each | {"UID": "order", "linguistics_term": "words"} for each in lines]
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    (found,) = evaluate_on(bundle, str(file)).values()
    assert found[-1].value == pytest.approx(2 / 3)
    assert "higher pseudo-log-likelihood" in found[-1].definition


def test_the_command_line_takes_the_text_itself(bundle, served, shell, tmp_path):
    code, text, _ = shell("fill", bundle, TEXTS[0], "--top-k", "2")
    best = served.fill(TEXTS[0], 2)
    assert not code and text.splitlines()[0].startswith(f"{best[0].probability:.4f}  ")
    assert "nats_per_token" in shell("score", bundle, "The string")[1]
    out = tmp_path / "vectors.npz"
    shell("embed", bundle, "The", "string", "--normalised", "--out", out)
    np.testing.assert_allclose(np.load(out)["values"], served.embed(["The", "string"], True), 1e-5)


def test_the_server_answers_the_same(bundle, served):
    with running([bundle]) as found, httpx.Client(base_url=found.url, timeout=30) as client:
        asked = {"text": TEXTS[0], "top_k": 2}
        answer = client.post("/v1/calls/tiny-masked/fill", json=asked)
        assert answer.status_code == 200, answer.text
        expected = [each.text for each in served.fill(TEXTS[0], 2)]
        assert [each["text"] for each in answer.json()["fillings"]] == expected
        refused = client.post("/v1/calls/tiny-masked/fill", json={"text": "no gap"})
        assert refused.status_code == 400 and "put one where a word is missing" in refused.text
        vectors = client.post("/v1/calls/tiny-masked/embed", json={"text": ["The", "a b"]})
        assert len(vectors.json()["array"]["values"]) == 2
    (tensors, _) = Alone(bundle, "fill", device="cpu")(
        {"text": np.array([TEXTS[0].encode()], object)}, {"top_k": 2}
    )
    assert [each.decode() for each in tensors["fillings"]] == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fill", ""], "the text is empty; give it at least one word"),
        (["fill", "The string"], f"the text has no {MASK}; put one where a word is missing"),
        (["fill", f"{MASK} " + "two " * 10_000], "give it sentence by sentence"),
        (["fill", MASK, "--top-k", "0"], "top_k is 0; expected a whole number from 1 to"),
        (["fill", MASK, "--voices", "alto"], "--voices does not apply to tiny-masked"),
        (["fill", MASK, MASK], "text is "),
        (["fill"], f"fill needs text: with {MASK} for each gap"),
        (["score", ""], "the text is empty"),
        (["embed", "a", ""], "text 2 is empty"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(bundle, words, said, shell):
    code, _, errors = shell(words[0], bundle, *words[1:])
    assert code == 2 and said in errors and errors.count("\n") == 1


def test_a_graph_that_minds_padding_proves_nothing(workdir):
    exporter = exporter_of(open_run(workdir))
    (spec,) = exporter.graphs
    exporter.prove({GRAPH: spec.run})

    def minding(inputs):
        return spec.run(inputs | {"attention_mask": np.ones_like(inputs["attention_mask"])})

    with pytest.raises(ExportError, match="a text that is padded differs from the same alone"):
        exporter.prove({GRAPH: minding})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mask_token": 20}, "token 20 of tiny-masked is no special one, to stand for gaps"),
        ({"vocabulary_size": 331}, "has 330 tokens and the model 331"),
        ({"context": 0}, "tiny-masked is no model of family masked: processing.context"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(bundle, tmp_path, change, said):
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = json.loads((copied / "bundle.json").read_text())
    manifest["processing"] |= change
    (copied / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=said):
        serving.load(copied, device="cpu")


# --- in other programs ---


@pytest.fixture(scope="module")
def asked(served, tmp_path_factory):
    """The texts in a file, as other programs are asked; our fillings, and our vectors."""
    file = tmp_path_factory.mktemp("texts") / "texts.json"
    file.write_text(json.dumps({"gaps": TEXTS, "texts": WHOLE}))
    return file, [served.fill(text, TOP) for text in TEXTS], served.embed(WHOLE, normalised=True)


def check(answer, asked):
    """Hold the answer of another program to ours: the same ten candidates, the same vectors."""
    _, fillings, vectors = asked
    for ours, theirs in zip(fillings, answer["filled"], strict=True):
        # A model that has learned little may take special tokens for likely, which are no words.
        theirs = [each for each in theirs if each["token"] > MASK_ID][:TOP]
        assert [each["sequence"].strip() for each in theirs] == [each.text.strip() for each in ours]
        scores = [each["score"] for each in theirs]
        np.testing.assert_allclose(scores, [each.probability for each in ours], rtol=1e-3)
    np.testing.assert_allclose(answer["vectors"], vectors, atol=1e-5)


def test_transformers_js_fills_in_the_same_ten(bundle, asked, request, tmp_path):
    script = transformers_js(request, HERE / "fill.mjs")
    published = export.publish([bundle], tmp_path / "release") / "hub" / "tiny-masked"
    for place, graphs in ((bundle, ""), (published, "onnx")):
        done = run("node", script, place, asked[0], graphs, "fp32", TOP + 4)
        check(json.loads(done.stdout.splitlines()[-1]), asked)


def test_optimum_fills_in_the_same_ten(bundle, asked):
    done = run(optimum(), HERE / "fill_by_optimum.py", bundle, asked[0], TOP + 4)
    check(json.loads(done.stdout.splitlines()[-1]), asked)


def test_transformers_reads_the_tokenizer_alike(bundle, served):
    transformers = pytest.importorskip("transformers")
    other = transformers.AutoTokenizer.from_pretrained(bundle)
    assert other.mask_token == MASK and other.mask_token_id == MASK_ID
    known = Tokenizer((bundle / "tokenizer.json").read_bytes())
    for text in TEXTS:
        assert other(text)["input_ids"] == served._read(text, "the text", gaps=True)
    assert known.begin == (1,)
