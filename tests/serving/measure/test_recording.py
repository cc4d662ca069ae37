"""What variants cost is measured in processes of their own, written into the bundle, and shown."""

import json
import os
import re
import shutil

import numpy as np
import pytest

import serving
from serving.bundle.manifest import Manifest, read_manifest
from serving.bundle.records import MANIFEST_NAME, Cost
from serving.catalogue.build import build
from serving.errors import GenzooError, UsageError
from serving.measure import recording
from serving.measure.cost import cost_of
from serving.measure.recording import HEADING, record, with_costs
from serving.verify import verify
from tests.serving import tiny_bundle
from tests.serving.own_catalogue import use_catalogue

CARD = "---\nlicense: mit\n---\n\n# tiny\n\n## Evaluation\n\nGood.\n\n## Training\n\nLong.\n"
COST = Cost(load=0.5, memory=71_000_000, hardware="4 cores of a|b", date="2026-11-25")


def tree(folder):
    """Every file of a folder and its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def recorded(tiny, conditional, text, tmp_path_factory):
    """Bundles of two variants, with classes, and of text, all of them recorded; read only."""
    folders = {}
    for name, bundle in {"tiny": tiny, "conditional": conditional, "text": text}.items():
        folders[name] = shutil.copytree(bundle, tmp_path_factory.mktemp("recorded") / name)
        record(folders[name], seconds=0)
    return folders


@pytest.fixture
def place(tmp_path):
    """Not where the bundles lie."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def checkout(catalogued, monkeypatch, tmp_path):
    """The model `tiny` of a checkout's own catalogue; returns the bundle's directory."""
    models = tmp_path / "zoo" / "models"
    shutil.copytree(catalogued.parent, models)
    (tmp_path / "pyproject.toml").touch()
    use_catalogue(monkeypatch, models)
    monkeypatch.setattr(recording, "MODELS", models)
    monkeypatch.setattr(recording, "INDEX", tmp_path / "zoo" / "index.json")
    return models / "tiny"


@pytest.fixture
def unmeasured(monkeypatch):
    """Fail if anything is measured."""
    monkeypatch.setattr(recording, "cost_of", lambda *_: pytest.fail("it was measured"))


# --- measuring ---


@pytest.mark.parametrize("name", ["tiny", "conditional", "text"])
def test_every_variant_has_a_cost(recorded, name):
    manifest = read_manifest(recorded[name])
    assert manifest.variants
    for variant in manifest.variants.values():
        cost, speed = variant.cost, variant.cost.speed
        files = sum(manifest.files[file].bytes for file in variant.graphs.values())
        assert cost.load > 0 and speed.value > 0 and cost.memory > files
        assert (speed.batch, speed.threads, speed.device) == (1, 1, "cpu")
        assert speed.unit == ("tokens/s" if name == "text" else "images/s")
        assert "cores of" in cost.hardware and re.fullmatch(r"\d{4}-\d\d-\d\d", cost.date)


def test_memory_is_that_of_the_variant_alone(tiny):
    own = np.ones(2**29, np.uint8)
    assert cost_of(tiny, "fp32", 0).memory < own.nbytes


@pytest.mark.parametrize(
    ("variant", "words"), [("int2", "has no variant 'int2'"), ("fp32", "decoder.onnx")]
)
def test_a_variant_that_does_not_run_is_one_line(own, variant, words):
    (own / "decoder.onnx").write_bytes(b"no graph")
    with pytest.raises(GenzooError, match=f"{variant} of .* was not measured: .*{words}") as caught:
        cost_of(own, variant, 0)
    assert "\n" not in str(caught.value)


def test_the_current_folder_is_not_imported_from(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numpy.py").write_text("raise SystemExit('a stranger')")
    assert cost_of(own, "fp32", 0).memory


# --- writing ---


@pytest.mark.parametrize("name", ["tiny", "conditional", "text"])
def test_a_recorded_bundle_is_whole(recorded, name, request):
    before, after = tree(request.getfixturevalue(name)), tree(recorded[name])
    assert all(check.passed for check in verify(recorded[name]))
    serving.load(recorded[name], device="cpu")
    changed = {file for file in before | after if before.get(file) != after.get(file)}
    assert changed == {MANIFEST_NAME, "README.md"}


def test_recording_again_replaces_what_was_recorded(own):
    record(own, seconds=0)
    first = tree(own)
    record(own, seconds=0)
    assert tree(own).keys() == first.keys()
    assert (own / "README.md").read_text().count(HEADING) == 1
    assert all(check.passed for check in verify(own))


def test_a_bundle_without_a_card(own):
    (own / "README.md").unlink()
    tiny_bundle.reseal(own)
    assert record(own, seconds=0).variants["fp32"].cost
    assert not (own / "README.md").exists() and all(check.passed for check in verify(own))


def test_a_card_of_any_bytes(own):
    (own / "README.md").write_bytes(b"# \xff\r\n")
    tiny_bundle.reseal(own)
    record(own, seconds=0)
    assert (own / "README.md").read_bytes().startswith(b"# \xff")
    assert all(check.passed for check in verify(own))


def test_a_bundle_that_is_replaced_meanwhile_keeps_no_costs_of_the_other(own, monkeypatch):
    def replaced(*_):
        tiny_bundle.reseal(own, summary="Another.")
        return COST

    monkeypatch.setattr(recording, "cost_of", replaced)
    with pytest.raises(GenzooError, match="was replaced while it was measured"):
        record(own)
    assert read_manifest(own).variants["fp32"].cost is None


def test_what_is_not_whole_is_not_recorded(own, unmeasured):
    (own / "decoder.onnx").write_bytes(b"no graph")
    before = tree(own)
    with pytest.raises(GenzooError, match=r"is not whole: file decoder\.onnx"):
        record(own)
    assert tree(own) == before


def test_a_full_disk_leaves_the_bundle_as_it_was(own, monkeypatch):
    before = tree(own)

    def full(path, data):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(own), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        record(own, seconds=0)
    assert tree(own) == before


def test_a_model_of_the_checkout_is_recorded_in_the_index_too(checkout, genzoo):
    assert genzoo("bench", "tiny", "--record", "--seconds", 0)[0] == 0
    written = json.loads(recording.INDEX.read_text())["models"]["tiny"]
    entry = build(checkout.parent).models["tiny"]
    assert written == entry.model_dump() and entry.costs["fp32"].memory
    assert {path.name for path in recording.INDEX.parent.iterdir()} == {"models", "index.json"}


# --- refusing ---


def refused(genzoo, directory, *arguments):
    """Return the line by which `--record` is refused, and check that nothing was written."""
    before = tree(directory)
    code, out, err = genzoo("bench", *(arguments or [directory]), "--record")
    assert (code, out) == (2, "") and err.startswith("genzoo: ") and err.count("\n") == 1
    assert tree(directory) == before
    return err


def test_a_bundle_that_cannot_be_written(genzoo, own, unmeasured, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert f"{own} cannot be written; export it" in refused(genzoo, own)


def test_a_download(genzoo, own_cache, unmeasured, tmp_path):
    bundle = tiny_bundle.write_bundle(tmp_path / "home" / "models" / "tiny" / "pins")
    assert "is a download, whose files are pinned" in refused(genzoo, bundle)


def test_a_model_of_an_installed_package(genzoo, checkout, unmeasured, tmp_path):
    (tmp_path / "pyproject.toml").unlink()
    for words in ("tiny", checkout):
        assert "is part of an installed package" in refused(genzoo, checkout, words)


def test_a_part_of_a_release(genzoo, unmeasured, tmp_path):
    bundle = tiny_bundle.write_bundle(tmp_path / "release" / "models" / "tiny")
    for name in ("SHA256SUMS", "index.json"):
        (tmp_path / "release" / name).touch()
    assert "is part of a release" in refused(genzoo, bundle)


@pytest.mark.parametrize(
    "option", [("--batch", 2), ("--threads", 2), ("--device", "cpu"), ("--variant", "fp32")]
)
def test_options_that_record_decides(genzoo, own, unmeasured, option):
    line = refused(genzoo, own, own, *option)
    assert f"one CPU thread, and {option[0]} does not apply; leave it out" in line


def test_no_graphs(own, unmeasured):
    tiny_bundle.reseal(own, variants={})
    with pytest.raises(UsageError, match="has no ONNX graphs"):
        record(own)


# --- showing ---


def test_the_command_and_the_card_show_costs(genzoo, own):
    code, out, err = genzoo("bench", own, "--record", "--seconds", 0)
    assert (code, err) == (0, "") and "images/s" in out and " MB" in out
    cost = read_manifest(own).variants["fp32"].cost
    assert out.endswith(f"batch 1, 1 CPU thread, {cost.hardware}, {cost.date}\n")
    card = genzoo("card", own)[1]
    for words in (HEADING, "images/s | ", f"{cost.memory / 1e6:,.0f} MB", cost.date):
        assert words in card
    shown = json.loads(genzoo("bench", own, "--record", "--seconds", 0, "--json")[1])
    assert shown["fp32"]["memory"] > 0


def test_the_list_shows_costs(genzoo, recorded, catalogued, monkeypatch):
    known = serving.catalogue.models()
    assert "memory" not in genzoo("list")[1]
    shutil.copytree(recorded["conditional"], catalogued.parent / "conditional")
    tiny_bundle.reseal(catalogued.parent / "conditional", name="conditional")
    known |= build(catalogued.parent).models
    heading, unknown, row, note = genzoo("list")[1].splitlines()
    cost = known["conditional"].costs["fp32"]
    assert "speed" in heading and "memory" in heading and note.endswith(cost.date)
    assert f"{cost.memory / 1e6:,.0f} MB" in row and "images/s" in row
    assert "images/s" not in unknown and unknown.count("MB") == 1
    assert json.loads(genzoo("list", "--json")[1])["conditional"]["costs"]["fp32"]["load"] > 0
    monkeypatch.setitem(known, "other", known["conditional"].model_copy(
        update={"costs": {"fp32": COST}}))  # fmt: skip
    notes = genzoo("list")[1].splitlines()[-2:]
    assert notes[0].startswith("speed and memory of conditional: ")
    assert notes[1] == "speed and memory of other: 4 cores of a|b, 2026-11-25"


def test_a_card_says_it_in_its_place_and_once():
    first = with_costs(CARD, {"fp32": COST})
    headings = [line for line in first.splitlines() if line.startswith("## ")]
    assert headings == [HEADING, "## Evaluation", "## Training"]
    assert "| fp32 |  | 71 MB | 0.50 s |" in first and r"a\|b, 2026-11-25" in first
    assert with_costs(first, {"fp32": COST}) == first
    other = with_costs(first, {"int8": COST})
    assert other == first.replace("fp32", "int8")
    assert with_costs(with_costs("# tiny\n", {"fp32": COST}), {"int8": COST}).count(HEADING) == 1


def test_a_manifest_without_costs_is_read_and_written(tiny):
    manifest = read_manifest(tiny)
    assert manifest.variants["fp32"].cost is None and manifest.provenance.git_commit is None
    assert Manifest.model_validate_json(manifest.to_json()) == manifest
    assert '"cost"' not in manifest.to_json()
