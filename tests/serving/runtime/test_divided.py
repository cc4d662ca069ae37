"""Large constants are read where they lie: the same numbers, in less memory, and never others."""

import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from serving.bundle.files import left_where_it_lies, pin_of
from serving.bundle.records import BundleError, Interface
from serving.graphs.protobuf import read_model
from serving.graphs.scan import check_graph
from serving.runtime import divided as module
from serving.runtime import loaded
from serving.runtime.divided import Divided, Tables, divided
from serving.runtime.session import Session
from tests.serving.graphs.graphs import DOMAIN, graph, node, port

ROWS, BLOCKS, SIZE = 4096, 8, 32
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")


def tied():
    """Rows of a matrix of 8 bits that are looked up, and the product with the same matrix."""
    random = np.random.default_rng(0)
    constants = {
        "values": random.integers(0, 256, (ROWS, BLOCKS, SIZE)).astype(np.uint8),
        "halves": random.uniform(0.5, 1, (ROWS, BLOCKS)).astype(np.float16),
        "deep": np.array([ROWS, BLOCKS, 1]),
        "shape": np.array([0, 0, BLOCKS * SIZE]),
    }
    kind = {"bits": 8, "block_size": SIZE}
    axes = {"gather_axis": 0, "quantize_axis": 2}
    nodes = [
        node("Cast", "halves", "scales", to=1),
        node("Reshape", "scales deep", "deep_scales"),
        node("GatherBlockQuantized", "values ids deep_scales", "found", DOMAIN, **kind | axes),
        node("Reshape", "found shape", "x"),
        node("MatMulNBits", "x values scales", "y", DOMAIN, K=BLOCKS * SIZE, N=ROWS, **kind),
    ]
    ids = port("ids", "batch", "sequence", dtype="int64")
    return graph(nodes, constants, [ids], [port("y", "batch", "sequence", ROWS)])


@pytest.fixture
def lying(tmp_path):
    """The bytes of a graph, its interface, and the graph read from its own file."""
    model, interface = tied()
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    pins = {path.name: pin_of(path)}

    def read():
        with left_where_it_lies(tmp_path, pins, path.name) as (file, compare, check):
            compare()
            content = module.mmap.mmap(file.fileno(), 0, access=module.mmap.ACCESS_READ)
        return divided(read_model(content), path, content, check)

    return path, interface, read


def run(data, interface: Interface):
    ids = {"ids": np.array([[0, 5, ROWS - 1]])}
    (y,) = Session(data, "model.onnx", "cpu", 1, interface=interface).run(["y"], ids)
    return y


def test_the_same_numbers_as_from_the_file_as_a_whole(lying):
    path, interface, read = lying
    data = read()
    assert {*data.tables.arrays} == {"values", "scales", "deep_scales"}
    assert len(data.graph) < 4096 and data.size == path.stat().st_size
    np.testing.assert_array_equal(run(data, interface), run(path.read_bytes(), interface))


def test_what_was_let_go_is_read_again(lying):
    _, interface, read = lying
    session = Session(read(), "model.onnx", "cpu", 1, interface=interface)
    ids = {"ids": np.array([[7, 1]])}
    (before,) = session.run(["y"], ids)
    session.let_go()
    np.testing.assert_array_equal(session.run(["y"], ids)[0], before)
    y = np.empty_like(before)
    bound = session.bind(ids, {"y": y}, replay=True)
    for _ in range(65):  # of which one lets go
        bound.run()
    np.testing.assert_array_equal(y, before)


@pytest.mark.parametrize(
    "alter",
    [
        lambda path: path.write_bytes(path.read_bytes()),
        lambda path: os.truncate(path, 100_000),
        lambda path: path.with_name("other").replace(path),
    ],
    ids=["written", "cut", "replaced"],
)
def test_a_file_that_is_altered_while_it_is_read(lying, alter):
    path, interface, read = lying
    path.with_name("other").write_bytes(path.read_bytes())
    data = read()
    alter(path)
    with pytest.raises(BundleError, match=r"was altered while|refuses model\.onnx"):
        Session(data, "model.onnx", "cpu", 1, interface=interface)


@pytest.mark.parametrize("spoiled", [b"", b"more"])
def test_a_file_that_is_not_the_listed_one(tmp_path, spoiled):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"1234567")
    pins = {path.name: pin_of(path)}
    path.write_bytes(path.read_bytes()[:6] + spoiled)
    with (
        pytest.raises(BundleError, match="bytes, expected"),
        left_where_it_lies(tmp_path, pins, path.name) as (_, compare, _),
    ):
        compare()


def test_tables_lie_in_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ON_DISK", tmp_path)
    arrays = {"a": np.arange(5, dtype=np.uint8), "b": np.arange(6.0).reshape(2, 3)}
    tables = Tables(arrays)
    assert not [*tmp_path.iterdir()]
    with tables.read_through():
        for name, array in arrays.items():
            np.testing.assert_array_equal(tables.arrays[name], array)
    with pytest.raises(ValueError, match="read-only"):
        tables.arrays["a"][0] = 1


@LINUX
def test_a_large_table_takes_no_memory_but_for_its_rows():
    code = """if True:
        import numpy as np
        from pathlib import Path
        from serving.runtime.divided import Tables

        def resident():
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

        table = np.ones((8192, 1024), np.float32)
        tables = Tables({"words": table})
        del table
        before = resident()
        assert tables.arrays["words"].sum() == 2**23
        all_of_it = resident() - before
        tables.let_go()
        rows = tables.arrays["words"][[5, 4000]].sum()
        print(all_of_it, resident() - before)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    all_of_it, rows = map(int, done.stdout.split())
    assert all_of_it > 30_000 and rows < 9_000, done.stderr


def test_what_is_not_as_listed_and_where_there_is_no_room(lying, monkeypatch):
    path, interface, _ = lying
    manifest = SimpleNamespace(files={path.name: pin_of(path)})
    scan = partial(check_graph, name=path.name, interface=interface, opset=18)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loaded, "LARGE", 2**20)
    found = loaded._checked(path.parent, manifest, path.name, None, scan, lying=True)
    assert isinstance(found, Divided)
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])  # which is no graph any more, but that counts
    with pytest.raises(BundleError, match="was altered: its sha256"):
        loaded._checked(path.parent, manifest, path.name, None, scan, lying=True)
    path.write_bytes(data)
    monkeypatch.setattr(module, "Tables", full)
    found = loaded._checked(path.parent, manifest, path.name, None, scan, lying=True)
    assert not isinstance(found, Divided)
    np.testing.assert_array_equal(run(found, interface), run(path.read_bytes(), interface))
