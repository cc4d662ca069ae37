"""Codes and their prior from runs to bundles and back."""

import base64
import io
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest
import tokenizers
from PIL import Image
from typer.testing import CliRunner

import export
import serving
import zoo
from export.evaluation import evaluate
from export.proof import saved_model
from serving.commands import app as cli
from serving.content.pictures import to_uint8
from serving.errors import UsageError
from serving.families.codes.captions import CaptionWords
from serving.families.codes.drawing import Drawing
from serving.verify import verify
from tests.serving.server.running import running
from tests.zoo.codes import tiny_codes
from tests.zoo.prior import tiny_prior
from zoo.prior.generator import Generator

LABELS = np.arange(20) % 10
COURSE = {"steps": 2, "guidance": 0.5, "temperature": 0.8}


@pytest.fixture(scope="module")
def codes_run(tmp_path_factory):
    recipe = tiny_codes.recipe()
    return zoo.train(recipe, tmp_path_factory.mktemp("runs") / "codes").workdir


@pytest.fixture(scope="module")
def prior_run(codes_run, tmp_path_factory):
    recipe = tiny_prior.recipe(codes_run)
    return zoo.train(recipe, tmp_path_factory.mktemp("runs") / "prior").workdir


@pytest.fixture(scope="module")
def bundle(prior_run, tmp_path_factory):
    """Exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "prior"
    return export.export(prior_run, out, variants=("fp32", "fp16", "int8"))


@pytest.fixture(scope="module")
def model(bundle):
    return serving.load(bundle, device="cpu")


@pytest.fixture(scope="module")
def generator(prior_run):
    return Generator(zoo.from_workdir(prior_run), zoo.from_workdir(prior_run / "parts" / "codes"))


def share_that_is_equal(found: np.ndarray, expected: np.ndarray) -> float:
    apart = np.abs(found.astype(int) - expected.astype(int)).reshape(len(found), -1).max(axis=1)
    return float(np.mean(apart <= 1))


def test_the_bundle_is_whole_and_says_where_each_part_comes_from(bundle):
    assert all(check.passed for check in verify(bundle))
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert list(manifest["parts"]) == ["prior", "codes"]
    for name, part in manifest["parts"].items():
        assert part["weights"] == f"{name}.weights.h5" in manifest["files"]
        assert part["provenance"]["dataset"].startswith("digits") and part["license"]
    assert "Training of `codes`" in (bundle / "README.md").read_text()
    assert list(manifest["calls"]) == ["generate", "reconstruct", "encode", "decode"]


@pytest.mark.parametrize("course", [{}, COURSE])
def test_the_same_seed_gives_the_same_images_everywhere(bundle, model, generator, course):
    expected = generator.generate(20, LABELS, seed=7, **course)
    assert share_that_is_equal(model.generate(20, LABELS, seed=7, **course), expected) >= 0.95
    batches = list(model.generate_batches(20, LABELS, seed=7, **course))
    assert share_that_is_equal(np.concatenate(batches), expected) >= 0.95
    signatures = saved_model.load(bundle / "saved_model")

    def network(codes, labels):
        return signatures["prior"]({"codes": codes, "labels": labels})["logits"]

    def decode(codes):
        return signatures["decode"]({"codes": codes})["image"]

    drawing: Drawing = model._drawing(**course)
    drawing = Drawing(network, decode, 4, 12, 10, drawing.course)
    (image,) = drawing.images(20, LABELS, seed=7)
    assert share_that_is_equal(to_uint8(image), expected) >= 0.95


def test_codes_are_those_of_keras(model, generator):
    images = to_uint8(tiny_codes.images(300))
    codes = model.encode(images)
    assert np.mean(codes == generator.codes.encode_all(images)) >= 0.999
    assert codes.dtype == np.int32 and codes.shape == (300, 4)
    made = model.decode(codes)
    np.testing.assert_array_equal(model.reconstruct(images), made)
    assert share_that_is_equal(made, generator.codes.reconstruct(images)) >= 0.99
    assert share_that_is_equal(model.decode(codes.astype(float)[0]), made[:1]) == 1


def test_labels_seed_and_temperature_count(model):
    images = model.generate(20, LABELS, seed=7)
    assert np.any(images != model.generate(20, LABELS, seed=8))
    assert np.any(images != model.generate(20, LABELS, seed=7, temperature=0))
    assert share_that_is_equal(model.generate(5, LABELS[:5], seed=7), images[:5]) >= 0.8
    fresh = model.generate(3, labels=1)
    assert share_that_is_equal(model.generate(3, labels=1, seed=model.last_seed), fresh) == 1


def test_an_evaluation_of_the_bundle_is_that_of_the_run(bundle, prior_run):
    ran = {each.name: each for each in evaluate(prior_run)}
    served = {each.name: each for each in evaluate(bundle, overrides={"evaluate.steps": 3})}
    assert served["code_nats"].value == pytest.approx(ran["code_nats"].value, abs=1e-3)
    assert served["fcd"].value == pytest.approx(ran["fcd"].value, rel=0.2)


@pytest.mark.long
def test_the_tokenizer_is_a_bundle_of_its_own(codes_run, tmp_path):
    out = export.export(codes_run, tmp_path / "codes", formats=["onnx"], variants=("fp32", "int8"))
    assert all(check.passed for check in verify(out))
    codes = serving.load(out, device="cpu", variant="fp32")
    assert list(codes.calls) == ["reconstruct", "encode", "decode"]
    found = {each.name: each.value for each in evaluate(out)}
    ran = {each.name: each.value for each in evaluate(codes_run)}
    assert found["psnr"] == pytest.approx(ran["psnr"], abs=0.05) and found["psnr"] > 10
    assert found["code_usage"] == pytest.approx(ran["code_usage"], abs=0.1)


def test_the_snippet_on_the_card_runs_without_this_project(bundle):
    snippet = (bundle / "README.md").read_text().split("```python\n")[2].split("```")[0]
    code = f"{snippet}\nimport sys\nassert 'tensorflow' not in sys.modules\nprint(pixels.shape)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=bundle, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(16, 8, 8, 1)", done.stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.generate(2), "this model is conditional"),
        (lambda model: model.generate(2, labels=10), "labels is 10; expected a whole number"),
        (lambda model: model.generate(2, labels=1, steps=0), "steps is 0; expected"),
        (lambda model: model.generate(2, labels=1, steps=5), "steps is 5; expected"),
        (lambda model: model.generate(2, labels=1, guidance=1e6), "guidance is 1000000.0"),
        (lambda model: model.generate(2, labels=1, temperature=-1), "temperature is -1"),
        (lambda model: model.generate(2, labels=1, prompt="three"), "knows no words"),
        (lambda model: model.generate(0, labels=1), "expected"),
        (lambda model: model.generate_batches(2, 1, steps=0), "steps is 0"),
        (lambda model: model.encode(np.zeros((1, 9, 8, 1))), "expected"),
        (lambda model: model.decode(np.zeros((1, 3))), r"expected whole numbers of shape \(N, 4"),
        (lambda model: model.decode([[0, 1, 2, 12]]), "12 is no code; expected whole numbers"),
        (lambda model: model.decode([[0, 1, 2, 0.5]]), "0.5 is no code"),
        (lambda model: model.decode(np.zeros((0, 4))), "there are no codes"),
    ],
)
def test_bad_input_is_one_clear_line(model, call, message):
    with pytest.raises(UsageError, match=message) as caught:
        call(model)
    assert "\n" not in str(caught.value)


@pytest.mark.long
def test_a_prior_of_the_next_code_too(codes_run, tmp_path):
    recipe = tiny_prior.recipe(codes_run, model__filling="next")
    run = zoo.train(recipe, tmp_path / "run").workdir
    out = export.export(run, tmp_path / "bundle", formats=["onnx"], variants=("fp32", "int8"))
    assert all(check.passed for check in verify(out))
    model = serving.load(out, device="cpu", variant="fp32")
    keras = Generator(zoo.from_workdir(run), zoo.from_workdir(run / "parts" / "codes"))
    expected = keras.generate(20, LABELS, seed=7)
    assert share_that_is_equal(model.generate(20, LABELS, seed=7), expected) >= 0.95
    with pytest.raises(UsageError, match="one code after another; leave steps out"):
        model.generate(2, labels=1, steps=2)
    assert "steps" not in model.calls["generate"].parameters
    ran, served = ({each.name: each for each in evaluate(place)} for place in (run, out))
    assert served["code_nats"].value == pytest.approx(ran["code_nats"].value, abs=1e-3)
    assert "those before it" in served["code_nats"].definition
    test_the_snippet_on_the_card_runs_without_this_project(out)


@pytest.fixture(scope="module")
def words_bundle(tmp_path_factory):
    """A prior of captions; exported once, read only."""
    place = tmp_path_factory.mktemp("words")
    with pytest.MonkeyPatch.context() as patch:
        tiny_prior.few_scenes(patch)
        shape = {"model__image_shape": [64, 64, 3], "model__channels": [4, 4, 4, 8]}
        data = {"data__name": "scenes", "data__validation": 30, "data__limit": 100}
        recipe = tiny_codes.recipe(**shape, **data, train__epochs=1)
        zoo.train(recipe, place / "codes")
        recipe = tiny_prior.recipe(place / "codes", **tiny_prior.WORDS)
        zoo.train(recipe, place / "run")
        yield export.export(place / "run", place / "bundle", formats=["onnx"])


@pytest.mark.long
def test_a_prompt_says_what_is_drawn(words_bundle):
    assert all(check.passed for check in verify(words_bundle))
    model = serving.load(words_bundle, device="cpu")
    images = model.generate(2, prompt="two red threes above a blue seven", seed=7, guidance=3)
    assert images.shape == (2, 64, 64, 3)
    prompts = ["Two RED threes above a blue seven"] * 2
    np.testing.assert_array_equal(model.generate(2, prompt=prompts, seed=7, guidance=3), images)
    assert model.generate(1, seed=7).shape == (1, 64, 64, 3)
    data = (words_bundle / "tokenizer.json").read_bytes()
    theirs = tokenizers.Tokenizer.from_str(data.decode()).encode("A large RED one").ids
    assert CaptionWords(data).encode(["A large RED one"], 4)[0].tolist() == theirs


@pytest.mark.long
def test_a_prompt_is_drawn_by_the_shell_and_over_http(words_bundle, tmp_path):
    prompt, out = "two red threes above a blue seven", tmp_path / "x.npy"
    words = ["generate", str(words_bundle), "-n", "2", "--prompt", prompt, "--seed", "7"]
    done = CliRunner().invoke(cli.app, [*words, "--out", str(out)])
    assert done.exit_code == 0, done.output
    expected = serving.load(words_bundle, device="cpu").generate(2, prompt=prompt, seed=7)
    np.testing.assert_array_equal(np.load(out), expected)
    with running([words_bundle]) as served, httpx.Client(base_url=served.url) as client:
        asked = {"model": "tiny-prior", "prompt": prompt, "n": 2, "seed": 7}
        drawn = client.post("/v1/images/generations", json=asked).json()["data"]
        pictures = [Image.open(io.BytesIO(base64.b64decode(each["b64_json"]))) for each in drawn]
        assert share_that_is_equal(np.stack(pictures), expected) == 1
        called = {"prompt": prompt, "n": 2, "seed": 7}
        answer = client.post("/v1/calls/tiny-prior/generate", json=called)
        assert answer.status_code == 200 and len(answer.json()["image"]) == 2
        refused = client.post("/v1/images/generations", json=asked | {"prompt": "two giraffes"})
        assert refused.status_code == 400
        assert "'giraffes' is no word" in refused.json()["error"]["message"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "the prompt is empty; say in words what to draw"),
        ("two red giraffes", "'giraffes' is no word that this model knows"),
        ("a [PAD] three", r"'\[pad\]' is no word that this model knows"),
        ("a " * 1000, "the prompt has 1000 words; expected at most 12"),
        (["a red three"] * 3, "there are 3 prompts for 2 images"),
        (7, "prompt is 7; expected a string"),
    ],
)
def test_a_prompt_that_is_none_is_refused_in_one_line(words_bundle, prompt, message):
    model = serving.load(words_bundle, device="cpu")
    with pytest.raises(UsageError, match=message) as caught:
        model.generate(2, prompt=prompt)
    assert "\n" not in str(caught.value)
