"""The command line: what it prints, how it exits, and how little it loads."""

import subprocess
import sys

import pytest

from export import cli
from serving.bundle.manifest import read_manifest

HEAVY = ("tensorflow", "keras", "onnx", "tf2onnx", "onnxruntime", "tensorflow_datasets")


def genzoo(capsys, monkeypatch, *arguments):
    """Run the command in this process; return its exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["genzoo", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code, *capsys.readouterr()


def in_new_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.long
def test_export_then_evaluate_and_compare_the_bundle(workdir, tmp_path, capsys, monkeypatch):
    out = tmp_path / "bundle"
    code, text, errors = genzoo(
        capsys, monkeypatch, "export", workdir, "--out", out, "--formats", "onnx", "--name", "mine"
    )
    assert code == 0 and f"{out} is proved" in text
    assert [line.split(":")[0] for line in errors.splitlines()] == ["fp32", "fp32"]
    assert read_manifest(out).name == "mine"
    code, text, _ = genzoo(
        capsys, monkeypatch, "evaluate", out, "--quick", "--set", "evaluate.limit=5"
    )
    lines = text.splitlines()
    assert code == 0 and len(lines) == 9
    assert lines[0].split()[0] == "mse" and lines[0].endswith("5 images, seed 0")
    assert not (out / "metrics.json").exists()
    code, text, _ = genzoo(capsys, monkeypatch, "compare", workdir, out)
    rows = {line[:20].strip(): line[20:].split() for line in text.splitlines()[1:]}
    assert code == 0 and list(rows) == ["Keras", "ONNX Runtime fp32"]
    assert float(rows["Keras"][0]) < 1e-6 and 0 < float(rows["ONNX Runtime fp32"][0]) < 1e-5


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["export", "nowhere", "--out", "b"], 2, "nowhere is not a work directory"),
        (["export", "WORKDIR", "--out", "b", "--variants", "int9"], 2, "did you mean 'int8'"),
        (["export", "WORKDIR", "--out", "WORKDIR"], 1, "is not a bundle; give another directory"),
        (["export", "WORKDIR", "--out", "b", "--name", "A b"], 2, "name 'A b' will not do"),
        (["compare", "nowhere", "b"], 2, "nowhere is not a work directory"),
        (["compare", "WORKDIR", "nowhere"], 2, "nowhere"),
        (["evaluate", "nowhere"], 2, "no model and no directory is called 'nowhere'"),
        (["evaluate", "WORKDIR", "--set", "evaluate.limit=no"], 2, "limit"),
        (["evaluate", "WORKDIR", "--set", "nonsense"], 2, "expected KEY=VALUE"),
    ],
)
def test_a_mistake_is_one_line(arguments, code, complaint, workdir, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = [str(workdir) if word == "WORKDIR" else word for word in arguments]
    found, _, errors = genzoo(capsys, monkeypatch, *arguments)
    assert found == code
    assert complaint in errors and errors.startswith("genzoo: ") and errors.count("\n") == 1


def test_every_command_is_there_with_an_example(capsys, monkeypatch):
    _, text, _ = genzoo(capsys, monkeypatch, "--help")
    for command in [
        "list",
        "generate",
        "pull",
        "verify",
        "card",
        "bench",
        "train",
        "evaluate",
        "export",
        "compare",
        "publish",
    ]:
        assert f"\n  {command} " in text
        _, help_text, _ = genzoo(capsys, monkeypatch, command, "--help")
        assert f"Example: genzoo {command}" in help_text


def test_starting_loads_nothing_heavy():
    code = (
        "import sys, export, export.cli\n"
        "export.cli.joined()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert in_new_process(code).stdout.strip() == "[]"


def test_a_missing_extra_is_named():
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = None\n"
        "sys.argv = ['genzoo', 'export', 'run', '--out', 'bundle']\n"
        "from export.cli import main\n"
        "main()\n"
    )
    done = in_new_process(code)
    assert done.returncode == 1
    assert done.stderr == "genzoo: this needs tensorflow: pip install 'genzoo[train]'\n"


def test_a_missing_module_of_an_extra_is_named_by_its_package(capsys, monkeypatch):
    def run(application):
        raise ModuleNotFoundError("No module named 'tf2onnx.convert'", name="tf2onnx.convert")

    monkeypatch.setattr(cli.serving.commands.app, "run", run)
    code, _, errors = genzoo(capsys, monkeypatch)
    assert (code, errors) == (1, "genzoo: this needs tf2onnx: pip install 'genzoo[export]'\n")
