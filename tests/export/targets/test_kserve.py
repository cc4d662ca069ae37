"""An InferenceService: every field is one that KServe documents, and its command serves."""

import json
import shlex
from pathlib import Path

import pytest

from export.cli import joined
from export.errors import ExportError
from export.targets.bundled import Bundled
from export.targets.kserve import PORT, write_kserve
from serving.commands.app import run
from serving.errors import UsageError
from serving.loader import load
from tests.serving import tiny_bundle
from tests.serving.tiny_bundle import reseal

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")
jsonschema = pytest.importorskip("jsonschema")
# Of KServe's own CustomResourceDefinition (serving.kserve.io/v1beta1, Apache-2.0): every field that
# there is beside those that are used, so that a wrong name is an error.
SCHEMA = json.loads((Path(__file__).parent / "inferenceservice.json").read_text())


def service(folder):
    return yaml.safe_load((folder / "inferenceservice.yaml").read_text())


def test_its_fields_are_those_of_kserve(painter, tmp_path):
    image = write_kserve(Bundled(str(painter)), tmp_path / "service", "registry.example/zoo/p:1")
    document = service(tmp_path / "service")
    jsonschema.validate(document, SCHEMA)
    [container] = document["spec"]["predictor"]["containers"]
    assert container["name"] == "kserve-container" and container["image"] == image
    assert container["ports"][0]["containerPort"] == PORT
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == PORT
    with pytest.raises(jsonschema.ValidationError):
        container["imagePullSecret"] = "wrong"
        jsonschema.validate(document, SCHEMA)


def test_the_paths_are_those_of_the_server():
    from serving.server.health import ROUTES

    template = Path("export/targets/templates/inferenceservice.yaml").read_text()
    known = {path for _, path, *_ in ROUTES}
    used = {line.split()[-1] for line in template.splitlines() if "path:" in line}
    assert used == known


def test_the_image_serves_the_bundle(painter, tmp_path):
    """Without Docker: its command is one of ours with its options, and its files load."""
    folder = tmp_path / "service"
    write_kserve(Bundled(str(painter)), folder)
    lines = (folder / "Dockerfile").read_text().splitlines()
    command = json.loads(lines[-1].removeprefix("ENTRYPOINT "))
    assert command[:3] == ["genzoo", "serve", "/models/painter"] and str(PORT) in command
    assert f"COPY bundle {command[2]}" in lines
    with pytest.raises(SystemExit) as help_shown:
        run(joined(), [*command[1:], "--help"])
    assert help_shown.value.code == 0
    assert load(folder / "bundle", device="cpu").generate(1, labels=1, seed=1).shape[0] == 1


@pytest.mark.parametrize(
    ("name", "service_name"), [("3d-model-", "model-3d-model"), ("tiny", "tiny")]
)
def test_names_are_those_of_hosts(tmp_path, name, service_name):
    own = reseal(tiny_bundle.write_bundle(tmp_path / "own"), name=name)
    image = write_kserve(Bundled(str(own)), tmp_path / "service")
    document = service(tmp_path / "service")
    jsonschema.validate(document, SCHEMA)
    assert document["metadata"]["name"] == service_name
    assert image.startswith(f"genzoo-{service_name}:")
    assert len(document["metadata"]["annotations"]["model-hash"]) == 64


def test_other_folders_and_images_are_refused(painter, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="not an InferenceService"):
        write_kserve(Bundled(str(painter)), tmp_path)
    with pytest.raises(UsageError, match="no name of an image"):
        write_kserve(Bundled(str(painter)), tmp_path / "service", 'x" y')
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command(genzoo, painter, tmp_path):
    out = tmp_path / "out put"
    code, said, _ = genzoo(
        "export", painter, "--target", "kserve", "--out", out, "--image", "a/b:1"
    )
    assert code == 0
    assert shlex.split(said.partition("; ")[2]) == ["docker", "build", "-t", "a/b:1", str(out)]
    code, _, said = genzoo("export", painter, "--target", "kserve", "--out", out, "--image", "A B")
    assert code == 2 and "no name of an image" in said
