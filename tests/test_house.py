"""The house rules: who imports whom, and what importing costs."""

import ast
import os
import subprocess
import sys

import pytest

from serving import registry
from tests import house
from tests.house import ROOT, WINGS

HEAVY = ("tensorflow", "keras", "onnx", "tf2onnx", "tensorflow_datasets", "onnxruntime")
FORBIDDEN = "ORT_DISABLE_TELEMETRY"
NEVER_SERVED = {"tensorflow", "keras", "onnx", "tf2onnx", "tensorflow_datasets"}


def test_nothing_is_against_the_law():
    """No arrow goes up or round, no folder is crowded, no file long: `python -m tests.house`."""
    assert house.faults(house.arrows()) == []


def test_families_are_named_in_the_registry_and_by_themselves():
    names = {family for family in registry.families() if registry.family(family).runtime}
    rooms = [str(registry.family(name).recipe).rpartition(".")[0] for name in names]
    known = {"serving/registry.py", *(f"{room.replace('.', '/')}/config.py" for room in rooms)}
    known |= {f"export/families/{name}.py" for name in (*names, "gpt")}
    known |= {f"export/families/{name}/exporter.py" for name in names}
    known.add("zoo/gan/augmentation.py")  # where a translation is of pixels
    for path in (path for wing in WINGS for path in (ROOT / wing).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        words = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)
                 and isinstance(each.value, str)}  # fmt: skip
        assert not words & names or path.relative_to(ROOT).as_posix() in known, path


def test_nobody_but_content_asks_what_samples_are():
    """What differs between kinds of content is a method of theirs, and no `isinstance`."""
    for path in (path for wing in WINGS for path in (ROOT / wing).rglob("*.py")):
        if path.is_relative_to(ROOT / "serving" / "content"):
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "isinstance":
                asked = ast.unparse(call).lower()
                assert "processing" not in asked and "samples" not in asked, path


def test_serving_needs_no_tensorflow():
    for path, module in house.imports("serving"):
        assert module.split(".")[0] not in NEVER_SERVED, path


@pytest.mark.parametrize(
    ("library", "home"),
    [("tf2onnx", "export/graph/converter.py"), ("onnxruntime", "serving/runtime/session.py")],
)
def test_a_library_has_one_home(library, home):
    package = home.split("/")[0]
    users = {path.relative_to(ROOT).as_posix() for path, module in house.imports(package)
             if module.split(".")[0] == library}  # fmt: skip
    assert users == {home}


def test_onnxruntime_is_forbidden_its_telemetry_before_it_is_imported():
    """By the package of whoever imports it, at the top of a file or inside a function."""
    users = {path for part in (*WINGS, "tests") for path, module in house.imports(part)
             if module.split(".")[0] == "onnxruntime"}  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != FORBIDDEN}
    for package in {".".join(path.parent.relative_to(ROOT).parts) for path in users}:
        code = f"import os, {package}; print(os.environ['{FORBIDDEN}'])"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment
        )
        assert done.stdout == "1\n", f"{package}: {done.stderr}"


@pytest.mark.parametrize("package", ["zoo", "serving", "export", "export.cli"])
def test_importing_a_package_loads_nothing_heavy(package):
    code = f"import sys, {package}; print([m for m in {HEAVY} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]", shown.stderr


def test_functions_are_short():
    for package in WINGS:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    body = node.body[1:] if ast.get_docstring(node) else node.body
                    length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                    assert length <= 40, f"{path}: {node.name} has {length} lines"
