"""A GAN from a run to a bundle and back."""

import subprocess
import sys

import numpy as np
import pytest

import export
import serving
import zoo
from export.proof import saved_model
from serving import noise
from serving.errors import UsageError
from serving.verify import verify
from tests.zoo.gan.test_gan_training import recipe

LABELS = np.arange(20) % 10


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    run = zoo.train(recipe(train={"epochs": 1}), tmp_path_factory.mktemp("runs") / "gan")
    return run.workdir


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Exported once; read only."""
    return export.export(workdir, tmp_path_factory.mktemp("bundles") / "gan")


def test_the_bundle_is_whole(bundle):
    assert all(check.passed for check in verify(bundle))
    assert (bundle / "generator.onnx").is_file() and (bundle / "samples.png").is_file()


def test_the_same_seed_gives_the_same_images_everywhere(bundle, workdir):
    expected = zoo.from_workdir(workdir).generate(20, labels=LABELS, seed=7).astype(int)
    served = serving.load(bundle, device="cpu").generate(20, labels=LABELS, seed=7)
    assert np.abs(served - expected).max() <= 1
    inputs = {"z": noise.normal(20, 3, 7), "labels": LABELS}
    image = saved_model.load(bundle / "saved_model")["generate"](inputs)["image"]
    assert np.abs(np.rint(image * 255) - expected).max() <= 1


def test_interpolation_and_truncation_are_those_of_keras(bundle, workdir):
    model, served = zoo.from_workdir(workdir), serving.load(bundle, device="cpu")
    start, end = model.latents(2, seed=1), model.latents(2, seed=2)
    for steps in (2, 5):
        expected = model.interpolate(start, end, steps, labels=[3, 4]).astype(int)
        found = served.interpolate(start, end, steps, labels=[3, 4])
        assert found.shape == (2, steps, 8, 8, 1) and np.abs(found - expected).max() <= 1
    expected = model.generate(4, [1, 2, 3, 4], seed=5, truncation=0.5).astype(int)
    assert np.abs(served.generate(4, [1, 2, 3, 4], 5, truncation=0.5) - expected).max() <= 1
    assert np.ptp(served.generate(4, 1, 5, truncation=0), axis=0).max() == 0


def test_a_path_between_classes_is_that_of_keras_and_ends_in_them(bundle, workdir):
    model, served = zoo.from_workdir(workdir), serving.load(bundle, device="cpu")
    found = served.interpolate_classes(2, 7, steps=5, n=3, seed=4).astype(int)
    expected = model.interpolate_classes(2, 7, steps=5, count=3, seed=4)
    assert found.shape == (3, 5, 8, 8, 1) and np.abs(found - expected).max() <= 1
    for place, label in ((0, 2), (-1, 7)):
        assert np.abs(found[:, place] - served.generate(3, label, seed=4)).max() <= 1
    assert np.any(found[:, 2] != found[:, 0]) and np.any(found[:, 2] != found[:, -1])


def test_a_label_changes_the_image(bundle):
    served = serving.load(bundle, device="cpu")
    assert np.any(served.generate(8, 1, seed=0) != served.generate(8, 2, seed=0))


def test_the_snippet_on_the_card_runs_without_this_project(bundle):
    snippet = (bundle / "README.md").read_text().split("```python\n")[2].split("```")[0]
    code = f"{snippet}\nimport sys\nassert 'tensorflow' not in sys.modules\nprint(pixels.shape)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=bundle, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(16, 8, 8, 1)", done.stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda gan: gan.generate(2), "this model is conditional"),
        (lambda gan: gan.generate(2, labels=10), "labels is 10; expected a whole number from 0"),
        (lambda gan: gan.generate(2, labels=1, truncation=1.5), "truncation is 1.5; expected"),
        (lambda gan: gan.generate(2, labels=1, truncation=float("nan")), "truncation is nan"),
        (lambda gan: gan.generate(2, labels=1, truncation="x"), "truncation is 'x'; expected"),
        (lambda gan: gan.generate(0, labels=1), "expected"),
        (lambda gan: gan.decode(np.full((1, 3), np.nan), 1), "not finite"),
        (lambda gan: gan.interpolate(np.zeros((2, 3)), np.ones((1, 3))), "2 start latents but 1"),
        (lambda gan: gan.interpolate(np.zeros((1, 3)), np.ones((1, 3)), 1), "steps is 1"),
        (lambda gan: gan.interpolate_classes(0, 1, steps=1), "steps is 1"),
        (
            lambda gan: gan.interpolate_classes(0, 10),
            "end is 10; expected a whole number from 0 to 9",
        ),
        (lambda gan: gan.interpolate_classes(0, 1.5), "end is 1.5; expected a whole number"),
        (lambda gan: gan.interpolate_classes(0, 1, n=0), "expected"),
    ],
)
def test_bad_input_is_one_clear_line(bundle, call, message):
    with pytest.raises(UsageError, match=message) as caught:
        call(serving.load(bundle, device="cpu"))
    assert "\n" not in str(caught.value)
