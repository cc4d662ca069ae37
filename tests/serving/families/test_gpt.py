"""A language model at run time: as its network in NumPy, and one line for each mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest

import serving
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.errors import UsageError
from serving.families.gpt_graph import check_graph
from serving.noise import SEED_LIMIT
from serving.verify import verify
from tests.serving import tiny_text_bundle
from tests.serving.text.toy_language import only_characters
from tests.serving.tiny_bundle import reseal
from tests.serving.tiny_text_bundle import CONTEXT, LANGUAGE, SIZE

PLAIN = {"logit_bias": only_characters(LANGUAGE.tokenizer)}
PROMPTS = ["abc", "h", "中é a", "abcdefgh abcdefgh abcdefgh"]


@pytest.fixture(scope="module")
def gpt(text):
    return serving.load(text, device="cpu")


@pytest.fixture
def own(tmp_path):
    """A bundle that the test may spoil."""
    return tiny_text_bundle.write_bundle(tmp_path / "own")


def test_what_is_loaded(gpt):
    assert isinstance(gpt, serving.GPT)
    assert (gpt.variant, gpt.device, gpt.context, gpt.vocabulary_size) == ("fp32", "cpu", 16, SIZE)
    assert gpt.manifest.name == "toy" and gpt.threads >= 1


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_seed_writes_what_the_network_in_numpy_writes(gpt, prompt):
    options = {"temperature": 0.7, "top_k": 9, "top_p": 0.95, "seed": 7, **PLAIN}
    expected = LANGUAGE.complete(prompt, 40, **options)[0]
    found = gpt.complete(prompt, 40, **options)[0]
    assert found.ids == expected.ids and len(found.ids) == 40  # the window slid
    assert found.text == gpt.generate(prompt, 40, **options)
    assert found.text == "".join(gpt.stream(prompt, 40, **options))
    np.testing.assert_allclose(found.log_probs, expected.log_probs, atol=1e-5)
    assert gpt.last_seed == 7


def test_prompts_of_different_lengths_write_in_a_batch_what_each_writes_alone(gpt):
    alone = [gpt.generate(prompt, 30, seed=3, **PLAIN) for prompt in PROMPTS]
    assert gpt.generate(PROMPTS, 30, seed=3, **PLAIN) == alone


def test_a_text_without_a_prompt_begins_with_a_new_line(gpt):
    beginning = gpt.tokenizer.beginning
    written = gpt.generate(beginning, 9, seed=3, **PLAIN)
    assert written == gpt.generate(max_new_tokens=9, seed=3, **PLAIN)
    assert written == "".join(gpt.stream("", 9, seed=3, **PLAIN))
    assert [written] == gpt.generate([""], 9, seed=3, **PLAIN)
    assert [written] == [each.text for each in gpt.complete("", 9, seed=3, **PLAIN)]


def test_several_texts_of_a_prompt_are_those_of_the_seeds_after_it(gpt):
    """More than are written at once, and around the last seed."""
    last = SEED_LIMIT - 1
    seeds = [last, *range(19)]
    alone = [gpt.generate("abc", 3, seed=seed, **PLAIN) for seed in seeds]
    assert gpt.generate("abc", 3, n=20, seed=last, **PLAIN) == alone and gpt.last_seed == last
    each = [gpt.generate(prompt, 3, seed=seed, **PLAIN) for prompt in PROMPTS[:2]
            for seed in (5, 6)]  # fmt: skip
    assert gpt.generate(PROMPTS[:2], 3, n=2, seed=5, **PLAIN) == each
    fresh = gpt.generate("abc", 3, n=2, **PLAIN)
    assert fresh == gpt.generate("abc", 3, n=2, seed=gpt.last_seed, **PLAIN)
    for alone in (gpt.stream, gpt.complete):
        with pytest.raises(UsageError, match="n is for generate alone"):
            alone("abc", 3, n=2)


def test_search_and_score(gpt):
    expected, found = (model.search("abc", beams=3, max_new_tokens=8) for model in (LANGUAGE, gpt))
    assert [completion.ids for completion in found] == [completion.ids for completion in expected]
    text = "abc 中é" * 20
    nats = LANGUAGE.score(text, stride=4).nats_per_character
    assert gpt.score(text, stride=4).nats_per_character == pytest.approx(nats, abs=1e-5)


def test_what_was_read_is_not_read_again(text):
    model = serving.load(text, device="cpu")
    step, read = model.step, []

    def counting(ids, *rest):
        read.append(ids.size)
        return step(ids, *rest)

    model.step = counting
    written = model.generate("abcdef", 4, seed=1, **PLAIN)
    read.clear()
    again = model.generate("abcdef" + written[:3] + "hh", 2, seed=2, **PLAIN)
    assert read == [5, 1]  # the prompt is not; what was drawn was read in another way
    model = serving.load(text, device="cpu")
    assert again == model.generate("abcdef" + written[:3] + "hh", 2, seed=2, **PLAIN)


@pytest.mark.parametrize(
    ("prompt", "options", "complaint"),
    [
        ([], {}, "number of prompts is 0"),
        ("a" * 15, {"max_new_tokens": 3, "overflow": "refuse"}, "do not fit a window of 16"),
        ("axy", {}, "does not know: 'x', 'y'"),
        (b"abc", {}, "expected a string"),
        ("a", {"temperature": -0.1}, "temperature is -0.1; expected 0 or more"),
        ("a", {"temperature": float("nan")}, "temperature is nan"),
        ("a", {"top_k": SIZE + 1}, f"expected a whole number from 1 to {SIZE}"),
        ("a", {"top_k": 0}, "top_k is 0"),
        ("a", {"top_p": 0}, "top_p is 0; expected more than 0"),
        ("a", {"top_p": 1.1}, "top_p is 1.1"),
        ("a", {"seed": -1}, "seed is -1"),
        ("a", {"max_new_tokens": 0}, "max_new_tokens is 0"),
        ("a", {"temprature": 1}, "unknown option 'temprature'; did you mean 'temperature'?"),
    ],
)
def test_a_mistake_is_one_line(gpt, prompt, options, complaint):
    for call in (gpt.generate, gpt.stream) if isinstance(prompt, str) else (gpt.generate,):
        with pytest.raises(UsageError) as caught:
            call(prompt, **options)
        assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_temperature_0_takes_the_likeliest(gpt):
    texts = {gpt.generate("abc", 12, temperature=0, seed=seed, **PLAIN) for seed in range(5)}
    assert len(texts) == 1


# --- bundles that do not hold together ---


def refusal(directory):
    with pytest.raises(BundleError) as caught:
        serving.load(directory, device="cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_bundle_is_verified(text):
    assert all(check.passed for check in verify(text))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: data[:-9], "bytes, expected"),
        (lambda data: data.replace(b'"h"', b'"H"'), "was altered"),
    ],
)
def test_a_tokenizer_that_was_altered(own, spoil, complaint):
    file = own / "tokenizer.json"
    file.write_bytes(spoil(file.read_bytes()))
    assert complaint in refusal(own)
    assert not all(check.passed for check in verify(own))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: data[:-9], "the tokenizer cannot be read"),
        (lambda data: data.replace(b"eos", b"end"), "no <|eos|>"),
        (
            lambda data: data.replace(b'      "h": ', b'      "i": %d, "h": ' % SIZE),
            "more tokens than the model",
        ),
        (lambda data: b"", "the tokenizer cannot be read"),
    ],
)
def test_a_tokenizer_that_was_listed_so(own, spoil, complaint):
    file = own / "tokenizer.json"
    file.write_bytes(spoil(file.read_bytes()))
    reseal(own)
    assert complaint in refusal(own)
    failed = [check.name for check in verify(own) if not check.passed]
    assert failed == ["assets"]


def test_a_tokenizer_that_is_missing(own):
    (own / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in refusal(own)
    reseal(own)
    assert "which its manifest does not list" in refusal(own)


@pytest.mark.parametrize(
    ("processing", "complaint"),
    [
        ({"vocabulary_size": SIZE + 1, "context": CONTEXT}, "tokens and the model"),
        ({"context": CONTEXT}, "processing.vocabulary_size: Field required"),
        ({"vocabulary_size": SIZE, "context": 0}, "processing.context: Input should be greater"),
        ({"image_shape": [4, 4, 1], "latent_dim": 2}, "is no model of family transformer"),
    ],
)
def test_a_manifest_with_other_processing_is_refused(own, processing, complaint):
    reseal(own, processing=processing)
    assert complaint in refusal(own)


@pytest.mark.parametrize("width", [[], [SIZE + 1]])
def test_a_graph_of_other_sizes_than_the_manifest_names(own, width):
    interface = json.loads((own / "bundle.json").read_text())["interface"]
    graph = interface["model"]
    graph["outputs"][0]["axes"][2:] = width
    manifest = read_manifest(reseal(own, interface=interface))
    with pytest.raises(BundleError, match="graph 'model' of toy is not of the sizes it names"):
        check_graph(manifest, serving.GPT.processing_of(manifest))
    reseal(own, interface={"other": graph})
    assert "the interface describes other" in refusal(own)


@pytest.mark.parametrize(
    ("form", "axes", "complaint"),
    [
        ("static", None, "fixes None, expected"),
        (
            "static",
            {"past_sequence_length": 8, "total_sequence_length": 8},
            "the manifest says int64 ['batch_size', 8]",
        ),
        ("portable", {"nothing": 8}, "fixes {'nothing': 8}, expected the cache to grow"),
        ("static", {"past_sequence_length": 0}, "greater than 0"),
    ],
)
def test_a_cache_of_another_size_than_the_window(own, form, axes, complaint):
    variants = json.loads((own / "bundle.json").read_text())["variants"]
    variants["fp32"] |= {"form": form, "axes": axes}
    reseal(own, variants=variants)
    assert complaint in refusal(own)


@pytest.mark.parametrize(
    ("assets", "complaint"),
    [
        ({}, "toy has no tokenizer"),
        ({"tokenizer": "../x"}, "'../x' is not a plain name"),
        ({"tokenizer": "model.onnx"}, "model.onnx of toy: the tokenizer cannot be read"),
        ({"tokenizer": "other.json"}, "other.json, which its manifest does not list"),
    ],
)
def test_a_manifest_with_another_tokenizer(own, assets, complaint):
    reseal(own, assets=assets)
    assert complaint in refusal(own)


def test_writing_needs_no_tensorflow(text):
    code = (
        "import sys, serving\n"
        f"serving.load({str(text)!r}, device='cpu').generate('abc', 4, seed=1)\n"
        "print([name for name in ('tensorflow', 'keras', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
