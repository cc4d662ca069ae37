"""From a play to a bundle with styles: one text in Keras, SavedModel, ONNX Runtime and HTTP."""

import json

import httpx
import pytest

import export
import serving
import zoo
from export.evaluation import evaluate
from export.families.gpt import graph_step
from export.families.gpt_graphs import graphs
from export.proof import saved_model
from serving.bundle.manifest import read_manifest
from serving.text.text import TextModel
from serving.verify import verify
from tests.serving.server.running import running
from tests.zoo.transformer import tiny_play
from zoo.data import tokenizers
from zoo.data.styles.codes import code
from zoo.transformer.writer import writer

pytestmark = pytest.mark.long

STYLES = [*tiny_play.STYLES, None]
VARIANTS = ["fp32", "static", "fused"]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A finished run, evaluated; read only."""
    path = tiny_play.trained(tmp_path_factory.mktemp("runs"))
    evaluate(path)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """A bundle of it; read only."""
    return export.export(workdir, tmp_path_factory.mktemp("bundles") / "play", variants=VARIANTS)


@pytest.fixture(scope="module")
def gpt(bundle):
    return serving.load(bundle, device="cpu", variant="fused")


def test_the_bundle_names_its_styles(bundle):
    manifest = read_manifest(bundle)
    assert manifest.processing["styles"] == {"BELL": 3, "CLOCK": 4}
    assert manifest.task == "text generation in 2 styles"
    assert all(check.passed for check in verify(bundle))
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert code("BELL") in card and '--style "BELL"' in card and "BELL, CLOCK" in card


def test_a_style_is_learned_and_what_is_written_agrees_with_it(workdir):
    measured = json.loads((workdir / "metrics.json").read_text())["metrics"]
    values = {each["name"]: each["value"] for each in measured}
    assert values["nats_per_character_without_style"] > 0
    assert values["style_agreement"] > values["style_agreement_chance"] == 0.5
    assert values["style_agreement_real"] == 1


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_text_everywhere(bundle, workdir, style):
    model = zoo.from_workdir(workdir)
    keras_model = writer(model, (bundle / "tokenizer.json").read_bytes())
    runner = saved_model.load(bundle / "saved_model")["serving_default"]
    step = graph_step(graphs(model)[0], {"model": runner})
    saved = TextModel(step, keras_model.tokenizer, model.config.context)
    prompts, options = ["\n", "tick", "ding"], {"seed": [7, 8, 9], "style": style}
    expected = keras_model.generate(prompts, 50, **options)  # the window slides
    assert saved.generate(prompts, 50, **options) == expected
    for variant in VARIANTS:
        served = serving.load(bundle, device="cpu", variant=variant)
        assert served.generate(prompts, 50, **options) == expected
        for prompt, seed, text in zip(prompts, options["seed"], expected, strict=True):
            assert "".join(served.stream(prompt, 50, seed=seed, style=style)) == text
        nats = [each.score("tick, tock", style=style).nats for each in (served, keras_model)]
        assert nats[0] == pytest.approx(nats[1], abs=1e-3)


def test_the_more_fitting_style_predicts_a_text_better(gpt):
    for style, other in (tiny_play.STYLES, tiny_play.STYLES[::-1]):
        said = tiny_play.SAID[style]
        assert gpt.score(said, style=style).nats < gpt.score(said, style=other).nats


def test_http_writes_styles_in_slots_side_by_side(bundle, gpt):
    with running([bundle]) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        model = served.server.repository.get(gpt.manifest.name).model
        prompts, styles = ["\n", "\n", "tick"], [*tiny_play.STYLES, None]
        asked = {"prompt": prompts, "style": styles, "max_new_tokens": 50, "seed": 5}
        name = gpt.manifest.name
        answer = client.post(f"/v1/calls/{name}/generate", json=asked).json()
        expected = model.generate(prompts, 50, style=styles, seed=5)
        assert answer["text"] == expected
        completion = {"model": name, "prompt": "tick", "max_tokens": 20, "seed": 5}
        found = client.post("/v1/completions", json=completion | {"style": "BELL"}).json()
        text = found["choices"][0]["text"]
        assert text == model.generate("tick", 20, style="BELL", seed=5)
        for wrong, where in (("bell", "/v1/completions"), ("bell", f"/v1/calls/{name}/generate")):
            body = completion if where == "/v1/completions" else {"prompt": "tick"}
            refused = client.post(where, json=body | {"style": wrong})
            assert refused.status_code == 400
            assert "style is 'bell'; expected one of BELL, CLOCK" in refused.text
        described = client.get("/openapi.json").text
        assert '"enum":["BELL","CLOCK"]' in described.replace(" ", "")


def test_what_was_exported_is_evaluated_as_the_run_was(bundle, workdir):
    found = {each.name: each.value for each in evaluate(bundle)}
    before = json.loads((workdir / "metrics.json").read_text())["metrics"]
    for each in before:
        assert found[each["name"]] == pytest.approx(each["value"], abs=2e-3)


def test_a_later_run_has_the_same_styles(bundle, workdir, tmp_path):
    made = zoo.Recipe.load("gpt-shakespeare-styles", tiny_play.changes(tmp_path))
    later = made.changed({"train.initial_weights": str(bundle), "train.epochs": 1})
    zoo.train(later, tmp_path / "later")
    before, after = (tokenizers.load(path).to_str() for path in (workdir, tmp_path / "later"))
    assert before == after
