"""What a checkout keeps of a published model gives all that the index pins."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import serving
from export.release.derive import derive
from serving import catalogue
from serving.bundle.files import pin_of
from serving.bundle.manifest import read_manifest
from serving.bundle.vectors import read_vectors
from serving.errors import UsageError
from serving.runtime.loaded import checked_graphs, open_session
from zoo.data import sources

SMALL = ["vae-mnist-dense", "gpt-shakespeare-nano"]  # of a few seconds each
NEEDED = {"mnist", "tiny_shakespeare"}
needs_data = pytest.mark.skipif(
    not set(sources.offline_names()) >= NEEDED, reason=f"of {NEEDED} not all are on disk"
)
ROOT = Path(__file__).parents[3]
EXACT = {"fp32", "fused", "static"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The small models, made again; read only."""
    folder = tmp_path_factory.mktemp("made")
    assert [name for name, _ in derive(SMALL, folder)] == SMALL
    return folder


@pytest.mark.long
@needs_data
@pytest.mark.parametrize("name", SMALL)
def test_every_pinned_file_is_made_again(made, name):
    files = catalogue.models()[name].files
    assert {path.name for path in (made / name).iterdir()} == set(files)
    assert all(pin_of(made / name / file) == pin for file, pin in files.items())


@pytest.mark.long
@needs_data
def test_what_is_made_is_a_mirror(made, monkeypatch, tmp_path):
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path))
    monkeypatch.setenv("GENZOO_MIRROR", str(made))
    model = serving.load("vae-mnist-dense", variant="fp16", device="cpu")
    assert model.generate(2, seed=7).shape == (2, 28, 28, 1)


def test_a_name_that_is_none(tmp_path):
    with pytest.raises(UsageError, match="the catalogue has no model 'vae-mnits'; did you mean"):
        list(derive(["vae-mnits"], tmp_path))


@pytest.mark.parametrize("name", (catalogue.MODELS.is_dir() and sorted(catalogue.models())) or [])
def test_the_exact_graphs_that_are_kept_give_the_vectors_of_keras(name):
    """Those in float32 are within rounding, whatever was exported when."""
    directory = catalogue.MODELS / name
    manifest = read_manifest(directory)
    for variant in EXACT & manifest.variants.keys():
        if not all(
            (directory / file).exists() for file in manifest.variants[variant].graphs.values()
        ):
            continue
        window = manifest.processing.get("context")
        for role, data in checked_graphs(directory, manifest, variant, window).items():
            inputs, outputs = read_vectors(directory, manifest, role)
            found = open_session(manifest, variant, role, data, "cpu").run(list(outputs), inputs)
            for one, other in zip(found, outputs.values(), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-4)


def test_the_wheel_is_light(tmp_path):
    """An installation has the catalogue, and of large models only what is asked for."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no checkout")
    for file in listed.stdout.splitlines():  # building leaves folders beside
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).symlink_to(ROOT / file)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "-q"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size <= 30 * 10**6
