"""Graphs in two files: written, found to be as the manifest says, and run unopened."""

import shutil
from functools import partial

import numpy as np
import onnx
import pytest

import export
import serving
from export.bundling import variants
from export.graph.divided import write_graph
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError, Interface, Port
from serving.graphs.protobuf import WeightsFile
from serving.graphs.scan import check_graph
from serving.verify import verify
from tests.serving.runtime.test_memory import large_graph

WIDTH, LAYERS = 32, 3
INTERFACE = Interface(
    **{
        role: [Port(name=name, dtype="float32", axes=["batch", WIDTH], meaning="")]
        for role, name in (("inputs", "x"), ("outputs", "y"))
    }
)


@pytest.fixture
def divided(tmp_path):
    model = large_graph(WIDTH, LAYERS)
    before = model.SerializeToString()
    other = write_graph(model, tmp_path / "model.onnx", most=0)
    assert other == tmp_path / "model.onnx.data"
    assert model.SerializeToString() == before
    return onnx.load(tmp_path / "model.onnx", load_external_data=False), other.read_bytes()


def test_a_graph_is_divided_only_where_it_must_be(tmp_path):
    model = large_graph(WIDTH, LAYERS)
    model.metadata_props.add(key="behind", value="the graph")
    model.producer_name, model.graph.doc_string = "before it", "behind the constants"
    before = model.SerializeToString()
    assert write_graph(model, tmp_path / "model.onnx") is None
    assert (tmp_path / "model.onnx").read_bytes() == before


def test_onnx_itself_reads_it(divided, tmp_path):
    read = onnx.load(tmp_path / "model.onnx")
    whole = large_graph(WIDTH, LAYERS)
    for one, other in zip(read.graph.initializer, whole.graph.initializer, strict=True):
        assert one.raw_data == other.raw_data


def check(model, size, name="model.onnx.data"):
    weights = WeightsFile(name, size)
    return check_graph(model.SerializeToString(), "model.onnx", INTERFACE, 19, weights=weights)


def test_constants_are_found_where_they_lie(divided):
    model, data = divided
    found = check(model, len(data))
    whole = {each.name: each.raw_data for each in large_graph(WIDTH, LAYERS).graph.initializer}
    assert {each.name for each in found} == whole.keys()
    for each in found:
        assert data[each.start : each.start + len(whole[each.name])] == whole[each.name]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("location", "../model.onnx.data"),
        ("location", "/etc/passwd"),
        ("location", "other.data"),
        ("offset", "-64"),
        ("offset", "1"),
        ("offset", "0x40"),
        ("offset", "999936"),
        ("offset", str(2**62)),
        ("offset", ""),
        ("length", "4095"),
        ("length", "0"),
        ("length", str(2**40)),
        ("checksum", "0"),
    ],
)
def test_constants_that_would_lie_elsewhere(divided, key, value):
    model, data = divided
    entries = model.graph.initializer[1].external_data
    for entry in entries:
        if entry.key == key:
            entry.value = value
            break
    else:
        entries.add(key=key, value=value)
    with pytest.raises(BundleError, match="has not the data"):
        check(model, len(data))


def test_numbers_both_here_and_there(divided):
    model, data = divided
    model.graph.initializer[0].raw_data = bytes(WIDTH * WIDTH * 4)
    with pytest.raises(BundleError, match="has not the data"):
        check(model, len(data))


def test_no_other_file_is_named(divided):
    model, _ = divided
    with pytest.raises(BundleError, match="would be in another file"):
        check_graph(model.SerializeToString(), "model.onnx", INTERFACE, 19)


# --- a whole bundle ---


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """The bundle of a run, each graph of which is in two files; read only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "write_graph", partial(write_graph, most=0))
        return export.export(workdir, tmp_path_factory.mktemp("divided") / "it", formats=["onnx"])


@pytest.mark.long
def test_a_bundle_in_two_files_is_as_in_one(bundle, workdir, tmp_path):
    manifest = read_manifest(bundle)
    files = manifest.variants["fp32"].weights
    assert files and all(manifest.files[file].bytes > 0 for file in files.values())
    assert all(check.passed for check in verify(bundle))
    whole = export.export(workdir, tmp_path / "whole", formats=["onnx"])
    assert read_manifest(whole).variants["fp32"].weights is None
    images = [serving.load(each, device="cpu").generate(3, seed=1) for each in (bundle, whole)]
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, expected"),
        (lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]), "was altered"),
        (
            lambda path: (
                path.rename(path.with_suffix(".x")),
                path.symlink_to(path.with_suffix(".x")),
            ),
            "is a link",
        ),
    ],
)
def test_another_file_that_is_not_the_listed_one(bundle, tmp_path, spoil, complaint):
    own = shutil.copytree(bundle, tmp_path / "own")
    spoil(own / read_manifest(own).variants["fp32"].weights["decoder"])
    with pytest.raises(BundleError, match=complaint):
        serving.load(own, device="cpu")
