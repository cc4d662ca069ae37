"""The snippets draw, without this package, what this package draws."""

import ast
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import serving
from serving.catalogue import models
from serving.hub import find
from tests.javascript import SNIPPETS, in_browser, in_node, passed, run, unpacked

PUBLISHED = [*models()]
DRAWN = ["cgan-mnist", "cvae-mnist", "vae-mnist-dense"]  # labels, a prior for each, neither
SEED, LABEL, SIDE = 7, 3, 4
HEADER = "onnxruntime_cxx_api.h"
HEADERS = [
    os.environ.get("ONNXRUNTIME_INCLUDE", ""),
    "/usr/include/onnxruntime",
    "/usr/include/onnxruntime/core/session",
    "/usr/local/include/onnxruntime",
    "/usr/local/include",
]


@pytest.fixture(scope="session")
def draw(tmp_path_factory):
    """The snippet in C++, compiled and linked with the library of the Python package."""
    if not shutil.which("g++"):
        pytest.skip("there is no g++ on this machine")
    headers = next((path for path in HEADERS if path and Path(path, HEADER).is_file()), None)
    libraries = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.1*"))
    if headers is None:
        pytest.skip(f"{HEADER} is not on this machine; ONNXRUNTIME_INCLUDE says where it is")
    if not libraries:
        pytest.skip("the Python package of ONNX Runtime holds no libonnxruntime.so here")
    folder = tmp_path_factory.mktemp("cpp")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(libraries[-1])
    options = ["-std=c++17", "-O1", "-Wall", "-Werror", "-isystem", headers, "-L", folder]
    options += ["-lonnxruntime", f"-Wl,-rpath,{folder}", "-o", folder / "draw"]
    run("g++", SNIPPETS / "draw.cpp", *options)
    return folder / "draw"


def assert_drawn(path, name):
    """The picture is the one that this package draws, up to rounding."""
    model = serving.load(name, device="cpu")
    images = model.generate(SIDE**2, labels=LABEL if model.classes else None, seed=SEED)
    _, height, width, _ = images.shape
    sheet = images.reshape(SIDE, SIDE, height, width).swapaxes(1, 2)
    expected = sheet.reshape(SIDE * height, SIDE * width).astype(int)
    with Image.open(path) as picture:
        found = np.asarray(picture).astype(int)
    assert found.shape == expected.shape and np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("name", DRAWN)
def test_python(name, tmp_path):
    out = tmp_path / "digits.png"
    options = ["--seed", SEED, "--label", LABEL]
    run(sys.executable, SNIPPETS / "draw.py", find(name).directory, out, *options)
    assert_drawn(out, name)


@pytest.mark.parametrize("name", DRAWN)
def test_javascript(name, node, tmp_path):
    out = tmp_path / "digits.pgm"
    node("draw.mjs", find(name).directory, out, SEED, LABEL)
    assert_drawn(out, name)


@pytest.mark.parametrize("name", DRAWN)
def test_cpp(name, draw, tmp_path):
    out = tmp_path / "digits.pgm"
    run(draw, find(name).directory, out, SEED, LABEL)
    assert_drawn(out, name)


def kept(name):
    """The (variant, file) of a published model whose files lie here."""
    bundle, entry = find(name).directory, models()[name]
    return {
        (variant, graph)
        for variant, files in entry.variants.items()
        for graph in files
        if graph.endswith(".onnx") and (bundle / graph).exists()
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_graph_gives_its_test_vectors_in_node(name, node, tmp_path):
    assert passed(in_node(node, find(name).directory, tmp_path)) == kept(name)


@pytest.mark.long
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_graph_gives_its_test_vectors_in_a_browser(name, browser, web, tmp_path):
    assert passed(in_browser(browser, web, find(name).directory, tmp_path)) == kept(name)


def test_wrong_results_fail_in_javascript(node, tmp_path):
    bundle = find("cgan-mnist").directory
    path = unpacked(bundle, tmp_path) / "generator.outputs.image.bin"
    path.write_bytes(np.full(path.stat().st_size // 4, np.nan, "<f4").tobytes())
    with pytest.raises(AssertionError, match="FAILED fp32"):
        node("check.mjs", bundle, tmp_path)


def test_the_snippets_in_python_need_little():
    for path in SNIPPETS.glob("*.py"):
        imported = set()
        for found in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(found, ast.Import):
                imported |= {alias.name for alias in found.names}
            elif isinstance(found, ast.ImportFrom):
                imported.add(found.module)
        assert imported - sys.stdlib_module_names <= {"numpy", "onnxruntime", "PIL"}
