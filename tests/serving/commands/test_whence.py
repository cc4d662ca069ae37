"""`genzoo whence`: what made a file, and the same again."""

import json

import numpy as np
import pytest
from PIL import Image

from serving.content import pictures
from serving.provenance import marks
from serving.provenance.origin import Origin
from tests.serving import tiny_bundle
from tests.serving.tiny_bundle import LATENT, SHAPE


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "painter"
    return tiny_bundle.write_bundle(folder, conditional=True, name="painter", family="gan")


def origin_of(path):
    return marks.origin_of(path.read_bytes())


def test_a_picture_says_what_made_it_and_is_made_again(genzoo, gan, place):
    code, _, err = genzoo("generate", gan, "-n", "4", "--label", "1", "--out", "a.png")
    assert code == 0, err
    origin = origin_of(place / "a.png")
    assert (origin.model, origin.call) == ("painter", "generate")
    assert origin.parameters == {"n": 4, "labels": 1} and isinstance(origin.seed, int)
    code, out, err = genzoo("whence", "a.png", "--again", "b.png", "--model", gan)
    assert code == 0 and "b.png: the same, byte for byte" in out, err
    assert (place / "a.png").read_bytes() == (place / "b.png").read_bytes()
    code, out, _ = genzoo("whence", "a.png", "--json")
    assert Origin.model_validate(json.loads(out)) == origin


def test_a_file_without_marks_has_the_same_pixels(genzoo, gan, place):
    for name, more in (("a.png", []), ("b.png", ["--no-mark"])):
        assert genzoo("generate", gan, "-n", "4", "--label", "1", "--seed", "7",
                      "--out", name, *more)[0] == 0  # fmt: skip
    marked, plain = (Image.open(place / name) for name in ("a.png", "b.png"))
    assert marked.tobytes() == plain.tobytes() and "genzoo" not in plain.info
    code, _, err = genzoo("whence", "b.png")
    assert code == 1 and "does not say what made it" in err


def test_each_file_of_a_folder_is_made_again(genzoo, gan, place):
    assert genzoo("generate", gan, "-n", "3", "--label", "2", "--out", "folder")[0] == 0
    assert len({*(place / "folder").iterdir()}) == 3
    for index in (0, 2):
        file = f"folder/{index:05d}.png"
        assert origin_of(place / file).index == [index]
        code, out, err = genzoo("whence", file, "--again", "one.png", "--model", gan)
        assert code == 0 and "byte for byte" in out, err


def test_what_was_given_is_told_or_only_its_hash(genzoo, tiny, place):
    np.save(place / "z.npy", np.float32([[0.5] * LATENT]))
    pictures.save(np.full(SHAPE, 100, np.uint8), place / "given.png")
    pictures.save(np.full(SHAPE, 101, np.uint8), place / "other.png")
    assert genzoo("decode", tiny, "z.npy", "--out", "decoded.png")[0] == 0
    code, out, err = genzoo("whence", "decoded.png", "--again", "b.png", "--model", tiny)
    assert code == 0 and "byte for byte" in out, err
    assert genzoo("reconstruct", tiny, "given.png", "--out", "r.png")[0] == 0
    assert origin_of(place / "r.png").parameters["images"].keys() == {"sha256"}
    again = ["--again", "b.png", "--model", tiny]
    code, out, err = genzoo("whence", "r.png", "given.png", *again)
    assert code == 0 and "byte for byte" in out, err
    for inputs, words in (([], "name it"), (["other.png"], "is not the images"),
                          (["given.png", "other.png"], "nothing of other.png")):  # fmt: skip
        code, _, err = genzoo("whence", "r.png", *inputs, *again)
        assert code == 2 and words in err


def test_what_was_altered_is_not_the_same(genzoo, tiny, place):
    assert genzoo("generate", tiny, "-n", "4", "--out", "a.png")[0] == 0
    origin = origin_of(place / "a.png")
    pixels = np.array(Image.open(place / "a.png"))
    pictures.save(pixels[..., None], place / "b.png")
    (place / "b.png").write_bytes(marks.marked((place / "b.png").read_bytes() + b"x", origin))
    code, out, _ = genzoo("whence", "b.png", "--again", "c.png", "--model", tiny)
    assert code == 0 and "the same images" in out
    pixels[0, 0] ^= 1
    pictures.save(pixels[..., None], place / "b.png")
    (place / "b.png").write_bytes(marks.marked((place / "b.png").read_bytes(), origin))
    code, _, err = genzoo("whence", "b.png", "--again", "c.png", "--model", tiny)
    assert code == 1 and "not the same" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "../../etc"}, "none of the catalogue"),
        ({"model_hash": "0" * 64}, "with hash"),
        ({"call": "close"}, "cannot close"),
        ({"parameters": {"n": 10**12}}, "n"),
        ({"parameters": {"odd": 1}}, "odd"),
        ({"parameters": {"n": {"sha256": "0"}}}, "too long"),
        ({"index": [9]}, "number 9"),
        ({"variant": "none"}, "none"),
    ],
)
def test_a_mark_of_somebody_else_is_refused_in_one_line(genzoo, tiny, place, change, words):
    assert genzoo("generate", tiny, "-n", "2", "--out", "a.png")[0] == 0
    origin = origin_of(place / "a.png").model_copy(update=change)
    (place / "a.png").write_bytes(marks.marked((place / "a.png").read_bytes(), origin))
    model = [] if "model" in change else ["--model", tiny]
    code, _, err = genzoo("whence", "a.png", "--again", "b.png", *model)
    assert code in (1, 2) and words in err and err.count("\n") == 1
    assert not (place / "b.png").exists()


def test_what_a_file_says_does_nothing_to_a_terminal(genzoo, tiny, place):
    assert genzoo("generate", tiny, "--out", "a.png")[0] == 0
    origin = origin_of(place / "a.png").model_copy(update={"model": "\x1b]0;owned\x07\n"})
    (place / "a.png").write_bytes(marks.marked((place / "a.png").read_bytes(), origin))
    code, out, _ = genzoo("whence", "a.png")
    assert code == 0 and "owned" in out and out.replace("\n", "").isprintable()
    code, _, err = genzoo("whence", "a.png", "--again", "b.png")
    assert code and "owned" in err and err.replace("\n", "").isprintable()


def test_options_that_belong_together(genzoo, tiny):
    for options in (
        ["--c2pa-key", "k"],
        ["--no-mark", "--c2pa-key", "k", "--c2pa-certificate", "c"],
    ):
        code, _, err = genzoo("generate", tiny, "--out", "a.png", *options)
        assert code == 2 and "--c2pa-certificate" in err
    code, _, err = genzoo("whence", "a.png", "--model", "x")
    assert code == 2 and "--again" in err
