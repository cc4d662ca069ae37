"""A flow from a run to a bundle and back."""

import subprocess
import sys

import numpy as np
import pytest

import export
import serving
import zoo
from export.evaluation import evaluate
from export.proof import saved_model
from serving import noise
from serving.errors import UsageError
from serving.verify import verify
from tests.javascript import assert_vectors
from tests.zoo.flow.tiny_flow import recipe

LABELS = np.arange(20) % 10


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return zoo.train(recipe(), tmp_path_factory.mktemp("runs") / "flow").workdir


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "flow"
    return export.export(workdir, out, variants=("fp32", "fp16", "int8"))


@pytest.fixture(scope="module")
def flow(bundle):
    return serving.load(bundle, device="cpu")


def test_the_bundle_is_whole(bundle):
    assert all(check.passed for check in verify(bundle))
    assert (bundle / "velocity.onnx").is_file() and (bundle / "samples.png").is_file()


@pytest.mark.parametrize("course", [{}, {"steps": 5, "guidance": 0.5, "solver": "euler"}])
def test_the_same_seed_gives_the_same_images_everywhere(bundle, workdir, flow, course):
    expected = zoo.from_workdir(workdir).generate(20, LABELS, seed=7, **course).astype(int)
    assert np.abs(flow.generate(20, LABELS, seed=7, **course) - expected).max() <= 1
    batches = flow.generate_batches(20, LABELS, seed=7, **course)
    assert np.abs(np.concatenate(list(batches)) - expected).max() <= 1
    if course:  # Euler's way by the SavedModel alone
        velocity = saved_model.load(bundle / "saved_model")["velocity"]
        image = noise.normal(20, 64, 7).reshape(20, 8, 8, 1)
        for step in range(5):
            inputs = {"image": image, "time": np.full(20, step / 5, np.float32)}
            own, anything = (
                velocity(inputs | {"labels": labels})["velocity"]
                for labels in (LABELS, np.full(20, 10))
            )
            image = image + (anything + 0.5 * (own - anything)) / 5
        pixels = np.rint(np.clip((image + 1) / 2, 0, 1) * 255)
        assert np.abs(pixels - expected).max() <= 1


def test_an_image_is_drawn_again_of_its_noise(flow, workdir):
    images = flow.generate(3, labels=[1, 2, 3], seed=5)
    z = flow.encode(images, labels=[1, 2, 3], steps=100)
    assert z.shape == (3, 64)
    keras = zoo.from_workdir(workdir).encode(images / 255, [1, 2, 3], steps=100)
    np.testing.assert_allclose(z, keras, atol=1e-3)
    walk = flow.interpolate(images[:1], images[1:2], steps=4, labels=[1])
    assert walk.shape == (1, 4, 8, 8, 1)
    assert flow.decode(z, labels=[1, 2, 3]).shape == images.shape


def test_an_image_is_the_same_alone_and_in_a_crowd(flow):
    crowd = flow.generate(70, labels=4, seed=3).astype(int)
    assert np.abs(flow.generate(5, labels=4, seed=3) - crowd[:5]).max() <= 1
    assert np.any(flow.generate(5, labels=5, seed=3) != crowd[:5])


def test_an_evaluation_draws_as_it_is_told(workdir):
    few = {metric.name: metric for metric in evaluate(workdir, overrides={"evaluate.steps": 1})}
    many = {metric.name: metric for metric in evaluate(workdir, overrides={"evaluate.steps": 4})}
    assert few["fcd"].value != many["fcd"].value


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
        (lambda flow: flow.generate(2), "this model is conditional"),
        (lambda flow: flow.generate(2, labels=10), "labels is 10; expected a whole number"),
        (lambda flow: flow.generate(2, labels=1, steps=0), "steps is 0; expected a whole number"),
        (lambda flow: flow.generate(2, labels=1, guidance=1e6), "guidance is 1000000.0; expected"),
        (lambda flow: flow.generate(2, labels=1, guidance=-1), "guidance is -1"),
        (lambda flow: flow.generate(2, labels=1, solver="rk4"), "expected one of euler, heun"),
        (lambda flow: flow.generate(0, labels=1), "expected"),
        (lambda flow: flow.generate_batches(2, 1, steps=0), "steps is 0"),
        (lambda flow: flow.encode(np.zeros((1, 9, 8, 1)), 1), "expected"),
        (lambda flow: flow.decode(np.zeros((1, 3)), 1), "expected numbers of shape"),
        (lambda flow: flow.interpolate(np.zeros((2, 8, 8, 1)), np.zeros((1, 8, 8, 1)), 2, 1),
         "2 start images but 1"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(flow, call, message):
    with pytest.raises(UsageError, match=message) as caught:
        call(flow)
    assert "\n" not in str(caught.value)


@pytest.mark.long
def test_every_graph_gives_its_test_vectors_in_javascript(bundle, node, browser, web, tmp_path):
    assert_vectors(bundle, node, browser, web, tmp_path)
