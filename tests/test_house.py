"""The house rules: who imports whom, and what importing costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIGHT = {
    "catalogue",
    "errors",
    "files",
    "hardware",
    "hub",
    "language",
    "noise",
    "pictures",
    "walks",
}  # of zoo: no TensorFlow
HEAVY = ("tensorflow", "keras", "onnx", "tf2onnx", "tensorflow_datasets", "onnxruntime")


def imports(package: str) -> Iterator[tuple[Path, str]]:
    """Yield every module that the files of a package import, at the top or inside functions."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield path, f"{node.module}.{alias.name}"


def test_zoo_imports_nothing_of_ours():
    assert not [
        found for found in imports("zoo") if found[1].split(".")[0] in ("serving", "export")
    ]


def test_serving_imports_only_what_needs_no_tensorflow():
    for path, module in imports("serving"):
        top, _, rest = module.partition(".")
        assert top not in ("export", "tensorflow", "keras", "onnx"), path
        assert top != "zoo" or rest.split(".")[0] in LIGHT, f"{path} imports {module}"


def test_the_light_part_of_zoo_imports_only_itself():
    for name in LIGHT:
        place = ROOT / "zoo" / name
        package = f"zoo/{name}" if place.is_dir() else "zoo"
        for path, module in imports(package):
            if path.stem == name or place in path.parents:
                assert module.split(".")[0] not in HEAVY, path
                assert not module.startswith("zoo.") or module.split(".")[1] in LIGHT, path


@pytest.mark.parametrize(
    ("library", "home"), [("tf2onnx", "export/converter.py"), ("onnxruntime", "serving/session.py")]
)
def test_a_library_has_one_home(library, home):
    package = home.split("/")[0]
    users = {path.relative_to(ROOT).as_posix() for path, module in imports(package)
             if module.split(".")[0] == library}  # fmt: skip
    assert users == {home}


@pytest.mark.parametrize("package", ["zoo", "serving", "export", "export.cli"])
def test_importing_a_package_loads_nothing_heavy(package):
    code = f"import sys, {package}; print([m for m in {HEAVY} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]", shown.stderr


def test_files_and_functions_are_short():
    for package in ("zoo", "serving", "export"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert len(text.splitlines()) <= 350, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    body = node.body[1:] if ast.get_docstring(node) else node.body
                    length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                    assert length <= 40, f"{path}: {node.name} has {length} lines"
