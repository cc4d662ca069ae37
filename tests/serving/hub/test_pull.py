"""`genzoo pull` and what follows it: from a mirror or a release tree to a model that runs."""

import hashlib
import json
import socket

import pytest

import serving
import serving.catalogue
import serving.hub
from serving.catalogue.build import build, to_json
from serving.errors import GenzooError, UsageError
from serving.hub import cache
from serving.hub.signature import sign
from tests.serving import tiny_bundle
from tests.serving.hub.faulty_server import serving_folder
from tests.serving.hub.test_signature import write_keys
from zoo import presets

WEIGHTS = "model.weights.h5"

FP32 = {"encoder.onnx", "decoder.onnx"}
ALWAYS = {"bundle.json", "README.md", "test_vectors.npz"}


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def place(tmp_path):
    """Not where the bundles lie."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def release(tmp_path):
    """A release tree with the model `tiny`, and the publisher's public key."""
    root = tmp_path / "release"
    bundle = tiny_bundle.write_bundle(root / "models" / "tiny", variants=("fp32", "int8"))
    (bundle / "samples.png").write_bytes(b"picture")
    (bundle / WEIGHTS).write_bytes(b"weights")
    tiny_bundle.reseal(bundle)
    (root / "index.json").write_text(to_json(build(root / "models")))
    private, public = write_keys(tmp_path / "keys")
    sign(root / "index.json", private, root / "index.json.sig")
    return root, public


@pytest.fixture
def server(release):
    with serving_folder(release[0]) as running:
        yield running


@pytest.fixture
def mirrored(release, server, monkeypatch, tmp_path):
    """The name `tiny` in the catalogue, and its files at a mirror alone."""
    index = build(release[0] / "models")
    monkeypatch.setattr(serving.catalogue, "INDEX", tmp_path / "index.json")
    monkeypatch.setattr(serving.catalogue, "index", lambda: index)
    monkeypatch.setenv("GENZOO_MIRROR", f"{server.url}/models")
    return cache.folder("tiny", index.models["tiny"])


@pytest.fixture
def no_network(monkeypatch):
    """Call this to take the network away."""

    def cut():
        monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("used the network"))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("asked for a name"))

    return cut


def names(directory):
    return {path.name for path in directory.iterdir()}


def test_pull_brings_what_a_variant_needs(genzoo, mirrored):
    said = genzoo("pull", "tiny", "--variant", "int8")
    assert said == (0, f"tiny is in the cache, and whole: {mirrored}\n", "")
    assert names(mirrored) == ALWAYS | {"encoder.int8.onnx", "decoder.int8.onnx"}
    genzoo("pull", "tiny")
    assert names(mirrored) >= FP32 | {WEIGHTS, "samples.png"}


def test_what_is_cached_needs_no_network(genzoo, mirrored, server, no_network):
    assert genzoo("pull", "tiny")[0] == 0
    server.stop()
    server.requests.clear()
    no_network()
    assert genzoo("pull", "tiny") == (0, f"tiny is in the cache, and whole: {mirrored}\n", "")
    assert serving.load("tiny", device="cpu").generate(1, seed=7).shape == (1, *tiny_bundle.SHAPE)
    assert genzoo("card", "tiny")[0] == genzoo("verify", "tiny")[0] == 0
    assert not server.requests


def test_load_brings_what_it_runs(mirrored, release):
    loaded = serving.load("tiny", device="cpu")
    assert names(mirrored) == ALWAYS | FP32
    there = serving.load(release[0] / "models" / "tiny", device="cpu")
    assert (loaded.generate(2, seed=7) == there.generate(2, seed=7)).all()


def test_card_brings_the_card(genzoo, mirrored):
    assert genzoo("card", "tiny")[1].startswith("# tiny")
    assert names(mirrored) == {"bundle.json", "README.md"}


def test_verify_looks_at_what_was_pulled(genzoo, mirrored):
    code, out, _ = genzoo("verify", "tiny")
    assert code == 1 and "FAILED pulled: no variant" in out
    genzoo("pull", "tiny", "--variant", "fp32")
    code, out, _ = genzoo("verify", "tiny")
    assert code == 0 and "ok     results fp32" in out and "results int8" not in out
    assert "ok     pulled: fp32, without decoder.int8.onnx" in out


def test_offline_without_the_files(genzoo, mirrored, server, monkeypatch):
    monkeypatch.setenv("GENZOO_OFFLINE", "1")
    code, _, err = genzoo("generate", "tiny")
    assert code == 1 and err.count("\n") == 1 and not server.requests
    assert "bundle.json of tiny is not here (GENZOO_OFFLINE is set); set GENZOO_MIRROR to" in err


def test_pull_replaces_what_was_altered(genzoo, mirrored):
    genzoo("pull", "tiny")
    size = (mirrored / "decoder.onnx").stat().st_size
    (mirrored / "decoder.onnx").write_bytes(b"x" * size)
    with pytest.raises(GenzooError, match="was altered"):
        serving.load("tiny", device="cpu")
    code, out, err = genzoo("cache", "verify")
    assert code == 1 and f"FAILED {mirrored / 'decoder.onnx'}" in out and "1 files" in err
    assert genzoo("pull", "tiny")[0] == 0
    assert genzoo("cache", "verify")[0] == 0


def test_cache_list_and_prune(genzoo, mirrored, release):
    assert genzoo("cache", "list")[1] == f"nothing is in {cache.home()}\n"
    genzoo("pull", "tiny", "--variant", "fp32")
    assert f"fp32  {mirrored}" in genzoo("cache", "list")[1]
    assert genzoo("cache", "prune") == (0, "0.0 MB freed\n", "")  # it is the current one
    code, _, err = genzoo("cache", "prune", "tinny")
    assert code == 2 and "did you mean 'tiny'" in err and mirrored.exists()
    assert genzoo("cache", "prune", "tiny")[1].startswith(f"deleted {mirrored}\n")
    assert not mirrored.exists() and not cache.copies()


def test_cache_prune_takes_what_no_name_stands_for(genzoo, mirrored, release):
    genzoo("pull", "tiny", "--variant", "fp32")
    tiny_bundle.reseal(release[0] / "models" / "tiny", summary="Another version.")
    (release[0] / "index.json").write_text(to_json(build(release[0] / "models")))
    assert genzoo("pull", "tiny", "--index", release[0])[0] == 0
    assert len(cache.copies()) == 2
    genzoo("cache", "prune")
    assert [copy.directory for copy in cache.copies()] == [mirrored]
    genzoo("cache", "prune", "--all")
    assert not cache.copies()


def test_a_tree_on_this_machine(genzoo, release):
    root, public = release
    for place in (root, f"file://{root}"):
        for key in ([], ["--key", public]):
            code, out, err = genzoo("pull", "tiny", "--index", place, *key)
            assert code == 0 and out.startswith(f"tiny of {place} is whole: "), err
    directory = out.split(": ", 1)[1].strip()
    assert serving.load(directory, device="cpu").generate(1).shape == (1, *tiny_bundle.SHAPE)
    assert genzoo("verify", directory)[0] == 0


def test_a_tree_far_away_needs_somebody_to_vouch(genzoo, release, server):
    root, public = release
    code, _, err = genzoo("pull", "tiny", "--index", server.url)
    assert code == 2 and "--key" in err and "--index-sha256" in err and not server.requests
    assert genzoo("pull", "tiny", "--index", server.url, "--key", public)[0] == 0
    digest = hashlib.sha256((root / "index.json").read_bytes()).hexdigest()
    assert genzoo("pull", "tiny", "--index", server.url, "--index-sha256", digest)[0] == 0
    code, _, err = genzoo("pull", "tiny", "--index", server.url, "--index-sha256", "0" * 64)
    assert code == 1 and "another sha256" in err


def test_an_index_that_was_not_signed_is_not_parsed(genzoo, release, server, monkeypatch):
    root, public = release
    (root / "index.json").write_bytes((root / "index.json").read_bytes() + b" ")
    monkeypatch.setattr("serving.hub.tree._parsed", lambda *_: pytest.fail("was parsed"))
    for place in (root, server.url):
        code, _, err = genzoo("pull", "tiny", "--index", place, "--key", public)
        assert code == 1 and err.count("\n") == 1 and "is not what the owner of" in err
    (root / "index.json.sig").unlink()
    code, _, err = genzoo("pull", "tiny", "--index", server.url, "--key", public)
    assert code == 1 and "index.json.sig" in err and "404" in err


def test_files_of_a_signed_tree_are_still_checked(genzoo, release):
    root, public = release
    path = root / "models" / "tiny" / "decoder.onnx"
    path.write_bytes(b"x" * path.stat().st_size)
    code, _, err = genzoo("pull", "tiny", "--index", root, "--key", public)
    assert code == 1 and "other bytes than those that are pinned" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pull", "tiny", "--variant", "int2"], "no variant 'int2'; it has fp32, int8"),
        (["pull", "tiny", "--key", "x.pem"], "--key does not apply"),
        (["pull", "tinny", "--index", "{root}"], "the index has no model 'tinny'; did you mean"),
        (["pull", "tiny", "--index", "{root}", "--variant", "f"], "there is no variant 'f'"),
        (["pull", "tiny", "--index", "ftp://x"], "the mirror 'ftp://x' cannot be used"),
        (["pull", "tiny", "--index", "{root}", "--key", "x.pem"], "x.pem is not a public key"),
        (["list", "--family", "gans"], "did you mean 'gan'?"),
        (["list", "--device", "gpu"], "'gpu' is none of cpu, cuda, web"),
    ],
)
def test_usage_errors(genzoo, mirrored, release, arguments, words):
    code, out, err = genzoo(*(word.format(root=release[0]) for word in arguments))
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1


def test_no_tree_there(genzoo, tmp_path):
    code, _, err = genzoo("pull", "tiny", "--index", tmp_path)
    assert code == 1 and "No such file" in err and "expected the root of a release tree" in err


def test_list_filters(genzoo, mirrored, release):
    def listed(*options):
        return list(json.loads(genzoo("list", "--json", *options)[1]))

    assert listed() == listed("--family", "vae") == listed("--task", "Image") == ["tiny"]
    assert listed("--task", "music") == listed("--size", "0.000001") == []
    assert listed("--size", "1", "--device", "web") == ["tiny"]
    assert genzoo("list", "--task", "music")[1].startswith("no model is of that kind")
    assert "fp32, int8" in genzoo("list", "--device", "cpu")[1]
    assert "int8" not in genzoo("list", "--device", "cuda")[1]


def test_keras_weights_are_brought(mirrored):
    """And no graph."""
    assert presets.asset_of("tiny", WEIGHTS) == b"weights"
    assert names(mirrored) == {"bundle.json", WEIGHTS}


def test_an_unknown_variant_of_an_entry(release):
    entry = build(release[0] / "models").models["tiny"]
    with pytest.raises(UsageError, match="did you mean 'int8'"):
        entry.needed("int9")
