"""The same seed writes the same text in every variant, whatever was asked before, in any way."""

import pytest

import serving
from serving.bundle.manifest import read_manifest
from serving.catalogue import MODELS
from tests.serving.text.promise import assert_kept

FOLDER = MODELS / "gpt-python-topics"
VARIANTS = [
    name
    for name, variant in read_manifest(FOLDER).variants.items()
    if all((FOLDER / file).exists() for file in variant.graphs.values())
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_writes_the_same_text(variant):
    model = serving.load(FOLDER, device="cpu", variant=variant)
    assert model.repeatable == (variant != "fp16")
    if model.repeatable:
        assert_kept(model)


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_what_computes_in_float32_guesses(variant):
    model = serving.load(FOLDER, device="cpu", variant=variant)
    options = {"max_new_tokens": 20, "temperature": 0}
    prompt = "1, 2, 3, 1, 2, 3, 1, 2, "
    text = model.generate(prompt, **options)
    assert model.generate(prompt, prompt_lookup_num_tokens=4, **options) == text
    assert (model.last_lookup.guessed > 0) == (variant in ("fp32", "static", "fused"))
    assert model.last_lookup.tokens == 20


@pytest.mark.parametrize("threads", [1, 2])
def test_a_graph_that_is_not_of_the_zoo(text, threads):
    assert_kept(serving.load(text, device="cpu", threads=threads), cases=40)
