"""A bundle with styles: what it declares, what the shell shows, and one line for each mistake."""

import json
import re

import numpy as np
import pytest

import serving
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.families.gpt import GPT
from serving.runtime.shared_memory import slots
from tests.serving import tiny_text_bundle
from tests.serving.text.complaint import complaint
from tests.serving.text.toy_language import STYLED, STYLES, language_model
from tests.serving.tiny_bundle import reseal
from tests.serving.tiny_text_bundle import CONTEXT
from zoo.data.styles.codes import codes_of


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    """A bundle of a model with styles; read only."""
    return tiny_text_bundle.write_styled_bundle(tmp_path_factory.mktemp("bundles") / "styled")


@pytest.fixture(scope="module")
def gpt(styled):
    return serving.load(styled, device="cpu")


@pytest.mark.parametrize("style", [None, *STYLES])
def test_a_style_writes_what_the_network_in_numpy_writes(gpt, style):
    options = {"style": style, "seed": 7, "temperature": 0.7}
    language = language_model(CONTEXT, of=STYLED)
    [expected] = language.complete("abc", 40, **options)
    assert gpt.generate("abc", 40, **options) == expected.text
    assert "".join(gpt.stream("abc", 40, **options)) == expected.text
    assert gpt.score("abc de", style=style).nats == pytest.approx(
        language.score("abc de", style=style).nats, abs=1e-4
    )


def test_many_texts_of_prompts_with_a_style_each(gpt):
    prompts, styles = ["abc", "", "h"], ["loud", None, "soft tone"]
    found = gpt.generate(prompts, 12, style=styles, seed=3, n=2)
    alone = [
        gpt.generate(prompt, 12, style=style, seed=seed)
        for prompt, style in zip(prompts, styles, strict=True)
        for seed in (3, 4)
    ]
    assert found == alone


def test_slots_write_with_the_code_kept_as_one_call_does(gpt):
    [order] = gpt.orders_of("generate", {"prompt": "abc" * 9, "style": "loud", "seed": 0})
    assert order.prompt[0] == codes_of(STYLED)["loud"] and len(order.prompt) > CONTEXT
    [whole] = gpt.complete("abc" * 9, 30, style="loud", temperature=0)
    places = slots(gpt.memory_of(), 2)
    [*_, logits], ids = places.begin(0, order.prompt), []
    while len(ids) < len(whole.ids):
        ids.append(int(np.argmax(logits)))
        logits = places.step([ids[-1]])[0]
    assert tuple(ids) == whole.ids


def test_a_rule_is_followed_in_a_style(gpt):
    pytest.importorskip("llguidance")
    text = gpt.generate("abc", 20, style="loud", regex="(abc|fgh){3}", seed=1)
    assert len(text) == 9 and set(text) <= set("abcfgh")


def test_styles_are_declared(gpt, styled, genzoo):
    record = gpt.calls["generate"].record()["parameters"]["style"]
    assert record["choices"] == list(STYLES) and record["each"]
    assert '--style "loud"' in gpt.calls["generate"].shell("styled")
    declared = GPT.declared(read_manifest(styled))
    assert {name for name, call in declared.items() if "style" in call.parameters} == {
        "generate",
        "search",
        "score",
    }
    _, shown, _ = genzoo("generate", str(styled), "--help")
    assert re.search(r"--style .*?: loud or\W+soft\W+tone", shown, re.DOTALL)


def test_the_shell_takes_a_style(gpt, styled, genzoo):
    options = ("--style", "soft tone", "--seed", "3", "--max-new-tokens", "9")
    _, written, _ = genzoo("generate", str(styled), "--prompt", "abc", *options)
    assert written == "abc" + gpt.generate("abc", 9, style="soft tone", seed=3) + "\n"
    code, _, wrong = genzoo("generate", str(styled), "--style", "shrill")
    assert code and "style is 'shrill'; expected one of loud, soft tone" in wrong


def test_what_is_wrong_with_a_style(gpt, text):
    assert complaint(gpt.generate, "a", style="LOUD") == (
        "style is 'LOUD'; expected one of loud, soft tone"
    )
    plain = serving.load(text, device="cpu")
    none = "this model has no styles; leave style out"
    assert complaint(plain.generate, "a", style="loud") == none
    assert complaint(plain.score, "abc", style="loud") == none
    assert "style" not in plain.calls["generate"].parameters


@pytest.mark.parametrize(
    ("styles", "message"),
    [
        ({}, "processing.styles: Dictionary should have at least 1 item"),
        ({"a\nb": 3}, "processing.styles"),
        ({"x" * 65: 3}, "processing.styles"),
        ({"x": 7}, "no special token 7, for style 'x'"),
        ({"x": 99}, "no special token 99, for style 'x'"),
    ],
)
def test_a_bundle_whose_styles_are_none(tmp_path, styles, message):
    folder = tiny_text_bundle.write_styled_bundle(tmp_path / "own")
    processing = json.loads((folder / "bundle.json").read_text())["processing"]
    reseal(folder, processing=processing | {"styles": styles})
    with pytest.raises(BundleError, match=message) as caught:
        serving.load(folder, device="cpu")
    assert "\n" not in str(caught.value)
