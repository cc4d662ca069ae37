"""What models can be asked for from a shell: each call a command, with that model's options."""

import math
import re
import shlex

import numpy as np
import pytest
from PIL import Image

import serving
from serving import registry
from serving.catalogue import MODELS, models
from serving.commands.calls import _model_word
from serving.content import pictures
from serving.loader import runtime_of
from serving.photographs.photograph import Photograph
from tests.serving import tiny_bundle, tiny_text_bundle
from tests.serving.music import tunes
from tests.serving.tiny_bundle import LATENT, SHAPE

ALWAYS = {
    "--filter",
    "--out",
    "--mark",
    "--c2pa-certificate",
    "--c2pa-key",
    "--device",
    "--variant",
    "--threads",
    "--help",
}
KINDS = ("vae", "cvae", "gan", "cgan", "gpt")
IMAGES = np.random.RandomState(0).randint(0, 255, (3, *SHAPE), np.uint8)
LATENTS = np.random.RandomState(0).standard_normal((3, LATENT)).astype(np.float32)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A bundle of every kind by name; read only."""
    folder = tmp_path_factory.mktemp("bundles")
    found = {"gpt": tiny_text_bundle.write_bundle(folder / "gpt")}
    for name in KINDS[:-1]:
        family, conditional = name.removeprefix("c"), name.startswith("c")
        found[name] = tiny_bundle.write_bundle(folder / name, conditional, family=family)
    return found


@pytest.fixture(scope="module")
def loaded(bundles):
    return {name: serving.load(bundle, device="cpu") for name, bundle in bundles.items()}


@pytest.fixture
def files(tmp_path):
    """What is asked about, in the folder of the commands."""
    pictures.save(pictures.grid(IMAGES, 2), tmp_path / "digits.png")
    for index, image in enumerate(IMAGES):
        pictures.save(image, tmp_path / f"{index}.png")
    np.save(tmp_path / "latents.npy", LATENTS)
    (tmp_path / "text.txt").write_text("abc 中é" * 9, encoding="utf-8")
    return tmp_path


def options(text):
    return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE))


# --- help ---


@pytest.mark.parametrize("name", KINDS)
def test_help_shows_the_options_of_that_model_alone(genzoo, bundles, loaded, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for call in loaded[name].calls.values():
        command = call.name.replace("_", "-")
        code, out, err = genzoo(command, bundles[name], "--help")
        assert (code, err) == (0, "")
        takes = [each for each in call.parameters.values() if each.kind != "mapping"]
        given = {each.option_names[-1] for each in takes if each.options or not each.content}
        assert options(out) == given | ALWAYS
        assert f"Example: {call.shell('NAME')}\n" in out
        assert ("INPUT" in out) == any(each.content and not each.options for each in takes)


def test_help_says_ranges_and_defaults(genzoo, bundles, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = " ".join(genzoo("generate", bundles["cvae"], "--help")[1].split())
    assert "-n, --count <int> How many, from 1; 64 if not given." in out
    assert "--label <int> Class of all, or one for each, 0 to 2." in out
    assert "--truncation <float> Scale of the noise; less varied below 1, 0 to 1; 1.0" in out
    out = " ".join(genzoo("traverse", bundles["vae"], "--help")[1].split())
    assert "What it is set to; -3 -2 -1 0 1 2 3 if not given; may be repeated." in out
    out = " ".join(genzoo("generate", bundles["gpt"], "--help")[1].split())
    assert "above 0 up to 1" in out and "slide or refuse; slide if not given" in out


def test_help_lists_every_call(genzoo):
    out = genzoo("--help")[1]
    for word in ("generate", "reconstruct", "interpolate-classes", "search", "score", "list"):
        assert re.search(rf"^  {word} ", out, re.MULTILINE), word
    assert "Draw new images / Write on from a prompt" in genzoo("generate", "--help")[1]


# --- calls ---


def test_reconstruct(genzoo, bundles, loaded, files):
    said = genzoo("reconstruct", bundles["vae"], "digits.png", "--out", "again.png")
    assert said == (0, "again.png: 3 images from tiny (fp32 on cpu)\n", "")
    wanted = pictures.sheet(loaded["vae"].reconstruct(IMAGES))
    np.testing.assert_array_equal(np.asarray(Image.open(files / "again.png")), wanted[..., 0])


def test_encode_and_decode(genzoo, bundles, loaded, files):
    assert genzoo("encode", bundles["cvae"], "0.png", "1.png", "2.png", "--label", 1)[0] == 0
    wanted = loaded["cvae"].encode(IMAGES, 1)
    with np.load(files / "tiny.npz") as arrays:
        assert arrays.files == ["mean", "log_variance"]
        np.testing.assert_allclose(arrays["mean"], wanted.mean, atol=1e-6)
    said = genzoo("decode", bundles["cvae"], "tiny.npz", "--label", 1, "--out", "a.npy")
    assert said == (0, "a.npy: 3 images from tiny (fp32 on cpu)\n", "")
    again = loaded["cvae"].decode(wanted.mean, 1)
    assert np.abs(np.load(files / "a.npy").astype(int) - again).max() <= 1


def test_interpolate_and_traverse(genzoo, bundles, loaded, files):
    vae, gan = loaded["vae"], loaded["gan"]
    asked = ["0.png", "1.png", "--steps", 4, "--out", "walk.npy"]
    assert genzoo("interpolate", bundles["vae"], *asked)[0] == 0
    walk = vae.interpolate(IMAGES[:1], IMAGES[1:2], steps=4)
    np.testing.assert_array_equal(np.load(files / "walk.npy"), walk)
    asked = ["latents.npy", "latents.npy", "--out", "arc.npy"]
    assert genzoo("interpolate", bundles["gan"], *asked)[0] == 0
    arc = gan.interpolate(LATENTS, LATENTS)
    np.testing.assert_array_equal(np.load(files / "arc.npy"), arc)
    said = genzoo("interpolate", bundles["gan"], "--seed", 7, "--out", "x.png")[1]
    assert said == "x.png: 1 image from tiny (fp32 on cpu, seed 7)\n"
    asked = ["digits.png", "--dimension", 1, "--values", -1, "--values", 2.5, "--out", "t.npy"]
    assert genzoo("traverse", bundles["vae"], *asked)[0] == 0
    np.testing.assert_array_equal(np.load(files / "t.npy"), vae.traverse(IMAGES, 1, [-1, 2.5]))


def test_interpolate_classes(genzoo, bundles, loaded, files):
    asked = ["--start", 0, "--end", 2, "--steps", 3, "-n", 2, "--seed", 7, "--out", "c.npy"]
    assert genzoo("interpolate-classes", bundles["cgan"], *asked)[0] == 0
    wanted = loaded["cgan"].interpolate_classes(0, 2, steps=3, n=2, seed=7)
    np.testing.assert_array_equal(np.load(files / "c.npy"), wanted)
    refusal = "tiny cannot interpolate-classes: this model is unconditional"
    assert refusal in genzoo("interpolate-classes", bundles["gan"], *asked)[2]


def test_text_that_follows_what_a_file_says(genzoo, bundles, loaded, files):
    pytest.importorskip("llguidance", reason="llguidance is not installed")
    asked = ["generate", bundles["gpt"], "--prompt", "a", "--seed", 7]
    (files / "rule.lark").write_text('start: "abc" LETTER\nLETTER: /[a-h]/', encoding="utf-8")
    wanted = loaded["gpt"].generate("a", grammar='start: "abc" /[a-h]/', seed=7)
    code, out, _ = genzoo(*asked, "--grammar", "rule.lark")
    assert (code, out) == (0, f"a{wanted}\n")
    assert genzoo(*asked, "--regex", "abc[a-h]")[1] == f"a{wanted}\n"
    (files / "schema.json").write_text('{"type": "object"}', encoding="utf-8")
    code, out, err = genzoo(*asked, "--json-schema", "schema.json")
    assert (code, out) == (2, "") and "what json_schema begins with has characters" in err
    assert (
        "none.json cannot be read: No such file" in genzoo(*asked, "--json-schema", "none.json")[2]
    )
    both = genzoo(*asked, "--regex", "a", "--grammar", "rule.lark")
    assert both[0] == 2 and "regex and grammar are given; a text follows one of them" in both[2]


def test_search_and_score(genzoo, bundles, loaded, files):
    asked = ["--prompt", "abc", "--beams", 3, "--max-new-tokens", 8]
    code, out, err = genzoo("search", bundles["gpt"], *asked)
    found = loaded["gpt"].search("abc", beams=3, max_new_tokens=8)
    assert (code, err) == (0, "3 texts from toy (fp32 on cpu)\n")
    assert out.split("\n\n---\n") == [*(each.text for each in found[:-1]), found[-1].text + "\n"]
    code, out, err = genzoo("score", bundles["gpt"], "text.txt", "--stride", 4)
    wanted = loaded["gpt"].score((files / "text.txt").read_text(encoding="utf-8"), stride=4)
    numbers = dict(line.split() for line in out.splitlines())
    assert numbers.keys() == wanted.summary().keys()
    assert float(numbers["nats_per_character"]) == pytest.approx(wanted.nats_per_character, 1e-4)
    assert err == "6 numbers from toy (fp32 on cpu)\n"
    assert genzoo("score", bundles["gpt"], "text.txt", "--out", "s.json")[0] == 0


@pytest.mark.parametrize("prompt", ["", "abc"])
def test_a_text_that_ends_at_a_string(genzoo, bundles, loaded, prompt):
    stop = ["--stop", "a", "--stop", "é"]
    asked = ["--prompt", prompt, "--max-new-tokens", 30, "--seed", 3]
    out = genzoo("generate", bundles["gpt"], *asked, *stop)[1]
    assert out == f"{prompt}{loaded['gpt'].generate(prompt, 30, seed=3, stop=['a', 'é'])}\n"


def test_the_model_may_come_after_options(genzoo, bundles, files):
    first = genzoo("generate", bundles["vae"], "-n", 2, "--seed", 7, "--out", "a.png")
    for words in (
        ["-n", 2, "--seed", 7, bundles["vae"], "--out", "a.png"],
        ["-n2", "--seed=7", "--out", "a.png", bundles["vae"]],
    ):
        assert genzoo("generate", *words) == first


# --- refusals ---


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["generate"], "no model is named; genzoo generate NAME_OR_DIR"),
        (["reconstruct", "--out", "x.png"], "no model is named; genzoo reconstruct"),
        (["reconstruct", "{gan}", "0.png"], "tiny cannot reconstruct: it can generate, decode"),
        (["score", "{vae}", "text.txt"], "tiny cannot score: it can generate, decode, encode"),
        (["generate", "{vae}", "--label", 1], "takes no labels; leave them out"),
        (["generate", "{vae}", "--prompt", "a"], "--prompt does not apply to tiny"),
        (["generate", "{gpt}", "--truncation", 1], "--truncation does not apply to toy"),
        (["interpolate", "{vae}", "0.png", "1.png", "--seed", 1], "--seed does not apply to tiny"),
        (["generate", "{vae}", "0.png"], "generate takes no files; leave 0.png out"),
        (["reconstruct", "{vae}"], "reconstruct needs images"),
        (["reconstruct", "{vae}", "none.png"], "none.png cannot be read as a picture"),
        (["reconstruct", "{vae}", "latents.npy"], "latents.npy holds float32 (3, 2); expected"),
        (["reconstruct", "{vae}", "0.png", "--out", "x.txt"], "cannot write 'x.txt'"),
        (["encode", "{vae}", "0.png", "--out", "x.png"], "expected a name in .npz or .npy"),
        (["interpolate", "{vae}", "0.png"], "interpolate takes 2 files: start, end"),
        (["traverse", "{vae}", "0.png"], "traverse needs dimension"),
        (["traverse", "{vae}", "0.png", "--dimension", 2], "from 0 to 1"),
        (["decode", "{vae}", "0.png"], "0.png cannot be read as an array"),
        (["decode", "{cgan}", "latents.npy", "--label", 3], "labels is 3; expected"),
        (["decode", "{cgan}", "latents.npy"], "this model is conditional; give labels"),
        (["search", "{gpt}"], "search needs prompt: what to write on from"),
        (["score", "{gpt}"], "score needs text: of any length"),
        (["score", "{gpt}", "latents.npy"], "latents.npy is not UTF-8"),
        (["score", "{gpt}", "text.txt", "text.txt"], "the text is list; expected a string"),
        (["generate", "{gpt}", "--overflow", "burst"], "expected one of slide, refuse"),
    ],
)
def test_what_cannot_be_done_is_one_line(genzoo, bundles, files, words, line):
    before = {path.name for path in files.iterdir()}
    code, out, err = genzoo(*(str(word).format(**bundles) for word in words))
    assert (code, out) == (2, "") and line in err
    assert err.startswith("genzoo: ") and err.count("\n") == 1
    assert {path.name for path in files.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["reconstrct", "{vae}", "0.png"], "no command 'reconstrct'; did you mean 'reconstruct'?"),
        (["paint", "{vae}"], "there is no command 'paint'; `genzoo --help` lists all"),
        (["generate", "{vae}", "--sede", 3], "--seed"),
        (["generate", "{gpt}", "--max-tokens", 3], "--max-new-tokens"),
    ],
)
def test_what_is_misspelt_is_hinted_at(genzoo, bundles, words, hint):
    code, _, err = genzoo(*(str(word).format(**bundles) for word in words))
    assert code == 2 and hint in err and "Traceback" not in err


def test_an_option_without_a_value_may_come_before_the_model():
    assert _model_word(["--loud", "tiny", "x.png"], ["--loud"]) == "tiny"
    assert _model_word(["--temperature", "-1", "tiny"]) == "tiny"
    assert _model_word(["--", "tiny"]) == "tiny"
    assert _model_word(["--out", "x.png"]) is _model_word(["--help"]) is None


# --- the models that ship ---


def _numbers(processing):
    """Two rows of codes, or of latents."""
    if "grid" in processing:
        return np.zeros((2, math.prod(processing["grid"])), np.int32)
    return np.zeros((2, processing.get("latent_dim", 1)), np.float32)


def usage():
    for name in models():
        manifest = serving.bundle.manifest.read_manifest(MODELS / name)
        for call in runtime_of(manifest).declared(manifest).values():
            yield pytest.param(name, call, id=f"{call.name}-{name}")


@pytest.mark.parametrize(("name", "call"), list(usage()))
def test_every_call_of_every_model_runs_by_its_own_usage_line(genzoo, name, call, tmp_path):
    """With files for the words in capitals, and of text few tokens."""
    manifest = serving.bundle.manifest.read_manifest(MODELS / name)
    words = shlex.split(call.shell(name))[1:]
    for each in call.parameters.values():
        if each.content and not each.options and each.required and each.example is None:
            value = {
                "text": "The ",
                "array": _numbers(manifest.processing),
                "image": np.zeros((2, *manifest.processing.get("image_shape", ())), np.uint8),
                "piece": tunes.piece(bars=1),
                "photograph": Photograph.of(np.full((9, 12, 3), 80, np.uint8)),
            }[each.content]
            suffixes = {"text": ".txt", "piece": ".mid", "photograph": ".png"}
            suffix = suffixes.get(each.content, ".npy")
            file = tmp_path / f"{each.name}{suffix}"
            count = 1 if each.content == "photograph" else 2
            registry.content(each.content).writer(str(file), count, manifest.processing)(value)
            words[words.index(each.name.upper())] = str(file)
    few = ["--max-new-tokens", 4] if "max_new_tokens" in call.parameters else []
    if "bars" in call.parameters:
        few = ["--bars", 1]
    if "voices" in call.parameters:
        few = ["--voices", "bass"]
    code, out, err = genzoo(*words, *few, "--device", "cpu")
    assert code == 0 and "Traceback" not in err
    assert name in out + err
