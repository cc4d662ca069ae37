"""The recipes in colour, on few small photographs and with tiny networks: from data to bundles."""

import numpy as np
import pytest
from PIL import Image

import export
import serving
import zoo
from export.evaluation import evaluate
from serving.errors import GenzooError, UsageError
from serving.verify import verify
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.judge.imagenet.judge import content
from zoo.judge.loading import judge_directory, load_judge

try:
    content()
    MISSING = False
except GenzooError:
    MISSING = True

pytestmark = pytest.mark.long  # each trains, exports and measures

TINY = {
    "gan-cifar10": {"model.channels": [3, 4], "model.classes": 2, "model.latent_dim": 5,
                    "model.discriminator_steps": 1},
    "vae-cifar10": {"model.channels": [3, 4, 4], "model.blocks": 1, "model.hidden": [8],
                    "model.latent_dim": 5, "evaluate.importance_samples": 4},
    "gan-openmoji": {"model.channels": [3, 4, 4, 4], "model.latent_dim": 5},
    "judge-cifar10": {"model.channels": [4, 4], "model.classes": 2, "model.features": 6},
}  # fmt: skip
DRAWING = ["gan-cifar10", "vae-cifar10", "gan-openmoji"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of two kinds of pictures, warm and cold."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.RandomState(0)
    for part, count in (("train", 48), ("test", 15)):
        for kind, tint in (("cold", (40, 90, 200)), ("warm", (220, 120, 30))):
            place = folder / part / kind
            place.mkdir(parents=True)
            for index in range(count):
                pixels = np.clip(np.array(tint) + random.normal(0, 30, (32, 32, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{index}.png")
    return folder


def recipe(name, photographs):
    changes = TINY[name] | {"data.name": str(photographs), "data.validation": 30,
                            "data.resize": True, "train.precision": "float32"}  # fmt: skip
    if name in ("gan-cifar10", "gan-openmoji"):
        changes |= {"evaluate.samples": 30, "evaluate.validation_samples": 30}
    return zoo.Recipe.load(name, changes, quick=True)


@pytest.fixture(scope="module", params=DRAWING)
def run(request, photographs, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / request.param
    return zoo.train(recipe(request.param, photographs), place)


def test_it_trains_and_leaves_a_bundle_that_draws_in_colour(run, tmp_path):
    assert run.finished and np.isfinite(run.best_validation_loss)
    bundle = export.export(run.workdir, tmp_path / "bundle", formats=["onnx"])
    assert all(check.passed for check in verify(bundle))
    served = serving.load(bundle, device="cpu")
    labels = [0, 1, 1, 0] if served.classes else None
    images = served.generate(4, labels=labels, seed=7)
    assert images.shape[-1] == 3 and images.dtype == np.uint8
    expected = zoo.from_workdir(run.workdir).generate(4, labels=labels, seed=7).astype(int)
    assert np.abs(images - expected).max() <= 1


def test_it_is_measured_by_a_judge_with_its_floor_and_a_vae_in_bits(run):
    name = "pixels" if MISSING else "mobilenet"
    settings = {"evaluate.judge": name, "evaluate.samples": 30}
    metrics = {metric.name: metric for metric in evaluate(run.workdir, overrides=settings)}
    fcd = metrics["fcd"]
    assert (fcd.judge, fcd.judge_sha256, fcd.samples) == (name, load_judge(name).sha256, 30)
    assert fcd.value > 0 and fcd.floor > 0
    assert ("bits_per_dim" in metrics) == (run.workdir.name == "vae-cifar10")


def test_resuming_is_bit_equal_to_never_stopping(run, photographs, tmp_path, monkeypatch):
    stop_and_resume(recipe(run.workdir.name, photographs), tmp_path / "run", monkeypatch, step=3)
    assert_same_run(run.workdir, tmp_path / "run")


def test_a_judge_of_colours_is_made_by_its_recipe(photographs, tmp_path):
    run = zoo.train(recipe("judge-cifar10", photographs), tmp_path / "judge")
    assert judge_directory(run.workdir) == run.workdir
    with pytest.raises(UsageError, match="expected a classifier"):
        other = zoo.train(
            recipe("vae-cifar10", photographs).changed({"train.epochs": 1}), tmp_path / "other"
        )
        judge_directory(other.workdir)
