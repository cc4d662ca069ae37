"""Drawing towards a class by an exported judge: the same in Keras, SavedModel and ONNX Runtime."""

import shutil

import numpy as np
import pytest

import export
import serving
import zoo
from export.families import gan, vae_graphs
from export.families.guidance.graph import guide
from export.graph import converter
from export.proof import parity, saved_model
from export.proof.linter import lint
from serving.errors import UsageError
from serving.families.guidance.ascent import moved
from serving.families.guidance.asking import asked
from serving.noise import normal
from serving.verify import verify
from tests.zoo.gan import tiny_gan
from zoo.guidance.guided import Guided
from zoo.judge import Classifier, ClassifierConfig
from zoo.vae import VAE, VAEConfig

pytestmark = pytest.mark.long

SHAPE = (8, 8, 1)


def judge_of(shape):
    return Classifier(
        ClassifierConfig(image_shape=shape, classes=3, channels=(4, 6), features=8), seed=3
    )


def vae(activation, classes=0, likelihood="bernoulli"):
    return VAE(
        VAEConfig(
            image_shape=SHAPE, architecture="convolutional", hidden=(6,), channels=(4, 6),
            activation=activation, latent_dim=5, classes=classes, likelihood=likelihood,
        )
    )  # fmt: skip


DRAWN = {
    "dense": lambda: gan.graphs(tiny_gan.model(tiny_gan.config("dense")))[0],
    "dcgan": lambda: gan.graphs(tiny_gan.model(tiny_gan.config("dcgan", "projection")))[0],
    "residual": lambda: gan.graphs(tiny_gan.model(tiny_gan.config("residual", "auxiliary")))[0],
    "elu": lambda: vae_graphs.graphs(vae("elu"))[0],
    "gelu": lambda: vae_graphs.graphs(vae("gelu"))[0],
    "leaky_relu": lambda: vae_graphs.graphs(vae("leaky_relu"))[0],
    "silu": lambda: vae_graphs.graphs(vae("silu", classes=3))[0],
    "softplus": lambda: vae_graphs.graphs(vae("softplus"))[0],
    "tanh": lambda: vae_graphs.graphs(vae("tanh", likelihood="discretized_logistic"))[0],
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_network_has_a_slope_in_allowed_operators(name):
    drawing = DRAWN[name]()
    shape = next(port.axes[1:] for port in drawing.outputs if port.name == "image")
    spec = guide(drawing, judge_of(tuple(shape)))
    graph = converter.convert(spec)
    lint(graph, spec)
    assert parity.prove(parity.runner(graph), spec) < 1e-4


def test_the_slope_is_that_of_the_probability():
    """Against differences of the log-probability itself, in a direction each."""
    spec = guide(DRAWN["tanh"](), judge_of(SHAPE))
    inputs = spec.sample(16, 0)
    direction, small = normal(16, 5, seed=5), 1e-3
    ahead, behind = (
        spec.run(inputs | {"z": inputs["z"] + sign * small * direction})["log_probability"]
        for sign in (1, -1)
    )
    along = np.sum(spec.run(inputs)["slope"] * direction, axis=1)
    errors = np.abs(along - (ahead - behind) / (2 * small))
    assert np.quantile(errors, 0.75) < 1e-3 < np.quantile(np.abs(along), 0.75)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A quick judge of small digits, which need no download."""
    path = tmp_path_factory.mktemp("judges") / "digits"
    changes = {"data.name": "digits", "model.image_shape": [8, 8, 1], "model.channels": [8, 12],
               "model.features": 16, "model.shift": 0.5, "train.epochs": 6}  # fmt: skip
    zoo.train("judge-mnist", path, overrides=changes, quick=True)
    return path


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "digits"
    changes = {"model.image_shape": [8, 8, 1], "data.resize": False, "model.latent_dim": 6,
               "model.channels": [6, 8], "model.hidden": [16], "train.epochs": 4}  # fmt: skip
    zoo.train("vae-digits", path, overrides=changes, quick=True)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, judge, tmp_path_factory):
    """Exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "guided"
    return export.export(workdir, out, variants=["fp32", "int8"], judge=judge)


@pytest.fixture(scope="module")
def model(bundle):
    return serving.load(bundle, device="cpu", variant="fp32")


def test_the_bundle_is_whole_and_says_who_judges(bundle, judge, model):
    assert all(check.passed for check in verify(bundle))
    parts = model.manifest.parts
    assert list(parts) == ["model", "judge"]
    assert parts["judge"].provenance.recipe["name"] == "judge-mnist"
    assert model.processing.guide.classes == 10
    assert isinstance(zoo.from_preset(bundle, part="judge"), Classifier)
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "## Training of `judge`" in card and "--towards" not in card


def test_the_same_seed_gives_the_same_steered_images_everywhere(bundle, judge, workdir, model):
    guided = Guided(zoo.from_workdir(workdir), zoo.from_workdir(judge))
    asked_for = {"towards": np.arange(20) % 10, "strength": 2.0}
    expected = guided.generate(20, seed=7, steps=12, **asked_for).astype(int)
    found = model.generate(20, seed=7, guidance_steps=12, **asked_for)
    # A row that met an edge of the judge's slope may have gone on otherwise.
    differences = np.abs(found - expected).reshape(20, -1).max(axis=1)
    assert np.sort(differences)[:-2].max() <= 1 and np.any(found != model.generate(20, seed=7))

    signatures = saved_model.load(bundle / "saved_model")
    wanted = asked(asked_for["towards"], None, 2.0, 12, 20, 10).wanted

    def look(z):
        said = signatures["guide"]({"z": z, "wanted": wanted})
        return said["log_probability"], said["slope"]

    z = moved(normal(20, 6, seed=7), look, 2.0, 12)
    image = np.rint(signatures["decode"]({"z": z})["image"] * 255)
    differences = np.abs(image - expected).reshape(20, -1).max(axis=1)
    assert np.sort(differences)[:-2].max() <= 1


def test_the_judge_is_surer_of_what_is_asked_for_and_less_sure_of_what_is_not(judge, model):
    classifier = zoo.from_workdir(judge)

    def likely(class_, **way):
        images = model.generate(60, seed=3, strength=3, guidance_steps=20, **way)
        said = np.asarray(classifier.probabilities(images.astype(np.float32) / 255))
        return np.log(said[:, class_]).mean()

    for class_ in (0, 7):
        assert likely(class_, towards=class_) > likely(class_) > likely(class_, away=class_)


def test_without_strength_or_steps_it_is_what_it_was_bit_for_bit(model):
    plain = model.generate(5, seed=7)
    for nothing in ({"strength": 0}, {"guidance_steps": 0}):
        assert np.array_equal(model.generate(5, seed=7, towards=3, **nothing), plain)
    batches = model.generate_batches(5, seed=7, batch_size=2, towards=3, guidance_steps=4)
    whole = model.generate(5, seed=7, towards=3, guidance_steps=4).astype(int)
    assert np.abs(np.concatenate(list(batches)) - whole).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"towards": 10}, "towards is 10; expected a whole number from 0 to 9"),
        ({"away": -1}, "away is -1; expected a whole number from 0 to 9"),
        ({"towards": "three"}, "towards is 'three'; expected a whole number"),
        ({"towards": 1.5}, "towards is 1.5; expected a whole number"),
        ({"towards": 3, "strength": 1e6}, "strength is 1000000.0; expected 0 to 10"),
        ({"towards": 3, "strength": float("nan")}, "strength is nan; expected"),
        ({"towards": 3, "strength": -1}, "strength is -1; expected"),
        ({"towards": 3, "guidance_steps": 1000}, "guidance_steps is 1000; expected"),
        ({"towards": 3, "away": 4}, "towards and away are both given; choose one"),
        ({"towards": [1, 2, 3]}, "there are 3 classes for 2 images"),
    ],
)
def test_bad_input_is_one_clear_line(model, arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        model.generate(2, seed=0, **arguments)
    assert "\n" not in str(caught.value)


def test_the_strongest_steps_still_draw_images(model):
    images = model.generate(4, seed=0, towards=3, strength=10, guidance_steps=100)
    assert images.shape == (4, 8, 8, 1)


def test_a_model_without_a_guide_says_how_to_get_one(workdir, tmp_path):
    plain = serving.load(export.export(workdir, tmp_path / "plain", formats=["onnx"]))
    assert "towards" not in plain.calls["generate"].parameters
    with pytest.raises(UsageError, match="has no guide; export it with --judge"):
        plain.generate(2, towards=3)


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ("pixels", "judge 'pixels' tells no classes apart"),
        ("mnist", "the judge takes images of 28x28x1, and the model draws 8x8x1"),
        ("mnst", "there is no judge 'mnst'; did you mean 'mnist'"),
    ],
)
def test_a_judge_that_does_not_fit_is_refused_and_nothing_is_written(
    workdir, tmp_path, judge, message
):
    with pytest.raises(UsageError, match=message):
        export.export(workdir, tmp_path / "out", judge=judge)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_exported_again_it_keeps_its_judge_and_its_bytes(bundle, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(bundle, kept)
    again = export.export(kept, tmp_path / "again", formats=["onnx"])
    assert (again / "guide.onnx").read_bytes() == (bundle / "guide.onnx").read_bytes()
