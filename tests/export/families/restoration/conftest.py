"""One run of a tiny network, and its bundle, for all tests of the folder."""

import pytest

import export
import serving
import zoo
from export.evaluation import evaluate
from tests.zoo.restoration.tiny_restoration import folder, recipe

VARIANTS = ("fp32", "fp16", "int8")


@pytest.fixture(scope="package")
def workdir(tmp_path_factory):
    """A finished run; read only."""
    place = folder(tmp_path_factory.mktemp("data") / "photographs")
    path = tmp_path_factory.mktemp("runs") / "restorer"
    zoo.train(recipe(place, train__epochs=1), path)
    return path


@pytest.fixture(scope="package")
def bundle(workdir, tmp_path_factory):
    """Every variant and a SavedModel, exported once; read only."""
    evaluate(workdir)
    out = tmp_path_factory.mktemp("bundles") / "restorer"
    return export.export(workdir, out, variants=VARIANTS)


@pytest.fixture(scope="package")
def served(bundle):
    return serving.load(bundle, device="cpu")
