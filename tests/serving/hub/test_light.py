"""An installation that has a part of a model: used in place as far as it goes, completed beyond."""

import hashlib
import json
import shutil

import pytest

import serving
from serving import hub
from serving.errors import GenzooError
from serving.hub import cache
from tests.serving import tiny_bundle
from tests.serving.own_catalogue import use_catalogue
from zoo import presets

WEIGHTS = "model.weights.h5"

pytestmark = pytest.mark.usefixtures("own_cache")

FP32, INT8 = ["encoder.onnx", "decoder.onnx"], ["encoder.int8.onnx", "decoder.int8.onnx"]
MAKE = (
    "decoder.int8.onnx of tiny is not here; make it with: genzoo export tiny --variants int8 "
    "--out DIR, or set GENZOO_MIRROR to a place that has it"
)


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A folder that has everything of the model `tiny`, which is installed without any variant
    but fp32 and without its weights."""
    installed = tmp_path / "installed" / "models"
    bundle = tiny_bundle.write_bundle(installed / "tiny", variants=("fp32", "fp16", "int8"))
    (bundle / WEIGHTS).write_bytes(b"weights")
    tiny_bundle.reseal(bundle)
    use_catalogue(monkeypatch, installed)
    there = tmp_path / "elsewhere"
    shutil.copytree(installed, there)
    for path in bundle.iterdir():
        if "int8" in path.name or "fp16" in path.name or path.name == WEIGHTS:
            path.unlink()
    return there


@pytest.fixture
def installed(whole, tmp_path):
    """The installation's folder of `tiny`."""
    return tmp_path / "installed" / "models" / "tiny"


@pytest.fixture
def in_cache(whole):
    """Where `tiny` is in the cache, or would be."""
    return cache.folder("tiny", hub.find("tiny").entry)


@pytest.fixture
def place(tmp_path):
    """Where commands are run: not where the bundles lie."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def names(directory):
    return {path.name for path in directory.iterdir()}


def test_what_is_installed_is_used_in_place(installed, genzoo, tmp_path):
    assert hub.complete(hub.find("tiny"), ["bundle.json", *FP32]) == hub.find("tiny")
    loaded = serving.load("tiny", device="cpu")
    assert loaded.variant == "fp32" and loaded.generate(1, seed=7).shape == (1, *tiny_bundle.SHAPE)
    said = genzoo("pull", "tiny", "--variant", "fp32")
    assert said == (0, f"tiny is part of this installation, and whole: {installed}\n", "")
    assert genzoo("card", "tiny")[1].startswith("# tiny")
    assert not (tmp_path / "home").exists()


def test_the_whole_set_comes_together_in_the_cache(whole, installed, in_cache, monkeypatch):
    monkeypatch.setenv("GENZOO_MIRROR", str(whole))
    needed = hub.find("tiny").entry.needed("int8")
    source = hub.complete(hub.find("tiny"), needed)
    assert source.directory == in_cache and names(in_cache) == {*needed}
    assert names(in_cache) == {"bundle.json", "README.md", "test_vectors.npz", *INT8}
    assert hub.find("tiny").directory == installed  # which keeps what it has
    there = serving.load(whole / "tiny", device="cpu", variant="int8")
    here = serving.load("tiny", device="cpu", variant="int8")
    assert (here.generate(2, seed=7) == there.generate(2, seed=7)).all()


def test_the_keras_weights_come_too(whole, in_cache, monkeypatch):
    monkeypatch.setenv("GENZOO_MIRROR", str(whole))
    assert presets.asset_of("tiny", WEIGHTS) == b"weights"
    assert names(in_cache) == {WEIGHTS}


def test_what_is_installed_is_copied_from_there(whole, installed, in_cache, monkeypatch):
    """The mirror need not have it."""
    monkeypatch.setenv("GENZOO_MIRROR", str(whole))
    for name in ("README.md", "test_vectors.npz", *FP32):
        (whole / "tiny" / name).unlink()
    hub.complete(hub.find("tiny"), hub.find("tiny").entry.needed())
    assert (in_cache / "decoder.onnx").read_bytes() == (installed / "decoder.onnx").read_bytes()


def test_an_altered_file_of_the_installation_is_not_copied(whole, installed, in_cache, monkeypatch):
    path = installed / "README.md"
    path.write_bytes(b"x" * path.stat().st_size)
    wanted = ["README.md", WEIGHTS]
    (whole / "tiny" / "README.md").rename(whole / "README.md")
    monkeypatch.setenv("GENZOO_MIRROR", str(whole))
    with pytest.raises(GenzooError, match="its file has other bytes than those that are pinned"):
        hub.complete(hub.find("tiny"), wanted)
    (whole / "README.md").rename(whole / "tiny" / "README.md")
    hub.complete(hub.find("tiny"), wanted)
    assert (in_cache / "README.md").read_bytes() == (whole / "tiny" / "README.md").read_bytes()


def test_what_is_nowhere_is_told_how_to_make(installed, genzoo, tmp_path):
    for arguments in (["generate", "tiny", "--variant", "int8"], ["pull", "tiny"]):
        code, out, err = genzoo(*arguments)
        expected = MAKE if "int8" in arguments else MAKE.replace("int8", "fp16")
        assert (code, out, err) == (1, "", f"genzoo: {expected}\n")
    assert not cache.copies()
    with pytest.raises(GenzooError) as caught:
        presets.asset_of("tiny", WEIGHTS)
    assert str(caught.value) == (
        f"{WEIGHTS} of tiny is not here; set GENZOO_MIRROR to a place that has it"
    )


def test_it_is_told_offline_too_and_of_the_mirrors_that_were_asked(
    installed, genzoo, tmp_path, monkeypatch
):
    monkeypatch.setenv("GENZOO_OFFLINE", "1")
    monkeypatch.setenv("GENZOO_MIRROR", f"https://mirror.invalid {tmp_path}")
    _, _, err = genzoo("pull", "tiny", "--variant", "int8")
    why = f"GENZOO_OFFLINE is set; {tmp_path}: it has no such file"
    assert err == f"genzoo: {MAKE.replace('is not here', f'is not here ({why})')}\n"


def test_another_device_is_tried_when_a_variant_is_nowhere(installed, monkeypatch):
    """Nobody asked for the variant that suits CUDA."""
    monkeypatch.setattr("serving.loader.cuda_expected", lambda: True)
    with pytest.warns(RuntimeWarning, match=r"running on the CPU: decoder\.fp16"):
        assert serving.load("tiny").variant == "fp32"
    with pytest.raises(GenzooError, match=r"int8\.onnx of tiny is not here"):
        serving.load("tiny", variant="int8")


def test_verify_says_what_is_here(whole, installed, genzoo, monkeypatch):
    code, out, _ = genzoo("verify", "tiny")
    without = ", ".join(sorted([*INT8, "decoder.fp16.onnx", "encoder.fp16.onnx", WEIGHTS]))
    assert code == 0 and f"ok     pulled: fp32, without {without}\n" in out
    assert "ok     results fp32" in out and "results int8" not in out
    monkeypatch.setenv("GENZOO_MIRROR", str(whole))
    assert genzoo("pull", "tiny", "--variant", "int8")[0] == 0
    code, out, _ = genzoo("verify", "tiny")
    assert code == 0 and "ok     pulled: fp32, int8, without decoder.fp16.onnx" in out
    assert "ok     results fp32" in out and "ok     results int8" in out
    assert genzoo("pull", "tiny")[0] == 0
    code, out, _ = genzoo("verify", "tiny")
    assert code == 0 and "pulled" not in out and "ok     results fp16" in out


def test_a_file_that_a_user_lacks_is_still_wrong(installed, genzoo):
    code, out, _ = genzoo("verify", installed)
    assert code == 1 and "FAILED file decoder.int8.onnx" in out


def test_list_shows_the_catalogue_whatever_is_here(installed, genzoo):
    listed = json.loads(genzoo("list", "--json")[1])
    assert list(listed["tiny"]["variants"]) == ["fp32", "fp16", "int8"]


def test_pull_of_all_from_a_mirror(whole, in_cache, genzoo, monkeypatch):
    monkeypatch.setenv("GENZOO_MIRROR", str(whole))
    said = genzoo("pull", "tiny")
    assert said == (0, f"tiny is in the cache, and whole: {in_cache}\n", "")
    for path in (whole / "tiny").iterdir():
        assert hashlib.sha256((in_cache / path.name).read_bytes()).hexdigest() == (
            hashlib.sha256(path.read_bytes()).hexdigest()
        )
