"""Evaluators on small models whose metrics are known, and on every kind of VAE of the zoo."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import correlate1d

import zoo
from serving.errors import UsageError
from zoo.metric import EvaluationError, Metric, write_metrics
from zoo.vae.evaluation import EvaluateConfig, KerasLatentModel, evaluate
from zoo.vae.evaluation.latents import active_units
from zoo.vae.evaluation.reconstruction import ssim

NAMES = [
    "mse",
    "psnr",
    "ssim",
    "active_units",
    "nll",
    "bits_per_dim",
    "elbo",
    "reconstruction",
    "kl",
]


def binary(count, shape=(2, 2, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, *shape)).astype(np.float32)


def grey(count, shape=(28, 28, 1), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape))
    return (pixels / 255).astype(np.float32)


def labels_for(classes, count):
    return np.arange(count, dtype=np.int32) % classes if classes else None


# --- pictures ---


def reference_ssim(first, second):
    """Wang et al. 2004, eq. 13, with the window inside the image."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def blur(image):
        return correlate1d(correlate1d(image, window, axis=0), window, axis=1)[5:-5, 5:-5]

    a, b = np.float64(first), np.float64(second)
    mean_a, mean_b = blur(a), blur(b)
    variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean()


@pytest.mark.parametrize("shape", [(28, 28, 1), (16, 11, 3)])
def test_ssim_is_the_published_formula(shape):
    first = grey(5, shape)
    second = np.clip(first + 0.2 * grey(5, shape, seed=1) - 0.1, 0, 1).astype(np.float32)
    expected = [reference_ssim(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(ssim(first, second, batch_size=2), expected, atol=1e-4)
    np.testing.assert_allclose(ssim(first, first, batch_size=5), 1, atol=1e-6)


class CopyModel:
    """A model whose latent is the image itself; what it decodes is `error` off."""

    image_shape = (12, 12, 1)
    latent_dim = 144
    likelihood = "discretized_logistic"
    classes = 0

    def __init__(self, error: float):
        self.error = error

    def encode(self, images, labels):
        mean = images.reshape(-1, 144)
        return mean, np.zeros_like(mean)

    def decode_parameters(self, z, labels):
        mean = 2 * (z.reshape(-1, 12, 12, 1) + self.error) - 1
        return np.concatenate([mean, np.full_like(mean, -3.0)], axis=-1)


@pytest.mark.parametrize(("error", "decibels"), [(0.1, 20.0), (0.01, 40.0), (0.0, 100.0)])
def test_pixel_metrics_of_a_known_error(error, decibels):
    images = 0.9 * grey(7, (12, 12, 1))
    config = EvaluateConfig(importance_samples=1, batch_size=3)
    values = {
        metric.name: metric.value for metric in evaluate(CopyModel(error), images, None, config)
    }
    assert values["mse"] == pytest.approx(error**2, abs=1e-6)
    assert values["psnr"] == pytest.approx(decibels, abs=0.01)
    assert values["ssim"] <= 1 + 1e-6
    assert values["bits_per_dim"] == pytest.approx(values["nll"] / (144 * math.log(2)))


# --- latents ---


class UnitsModel:
    """Posterior means of which two of five units move; the third only follows the label's prior."""

    image_shape = (2, 2, 1)
    latent_dim = 5
    likelihood = "bernoulli"

    def __init__(self, classes):
        self.classes = classes

    def encode(self, images, labels):
        mean = np.zeros((len(images), 5), np.float32)
        mean[:, 0] = images[:, 0, 0, 0]
        mean[:, 3] = 0.25 * images[:, 1, 0, 0]  # variance near 0.016
        mean[:, 4] = 0.1 * images[:, 1, 1, 0]  # variance near 0.0025
        if labels is not None:
            mean[:, 2] = labels
        return mean, np.zeros_like(mean)

    def prior(self, labels):
        mean = np.zeros((len(labels), 5), np.float32)
        mean[:, 2] = labels
        return mean, np.zeros_like(mean)


@pytest.mark.parametrize("classes", [0, 3])
def test_active_units_are_those_that_move_with_the_image(classes):
    images = binary(500)
    (metric,) = active_units(
        UnitsModel(classes), images, labels_for(classes, 500), EvaluateConfig(batch_size=64)
    )
    assert metric.value == 2


# --- everything, on the models of the zoo ---

CONFIGS = {
    "dense": zoo.VAEConfig(latent_dim=3, hidden=(8,)),
    "conditional": zoo.VAEConfig(latent_dim=3, hidden=(8,), classes=4),
    "colour": zoo.VAEConfig(
        image_shape=(16, 16, 3),
        architecture="convolutional",
        channels=(4, 8),
        hidden=(8,),
        latent_dim=3,
        likelihood="discretized_logistic",
        activation="silu",
    ),
}


class PlainModel:
    """A Keras model called without compilation, as another runtime would be."""

    def __init__(self, model):
        for name in ("image_shape", "latent_dim", "likelihood", "classes"):
            setattr(self, name, getattr(model.config, name))
        self.model = model

    def encode(self, images, labels):
        return tuple(np.asarray(value) for value in self.model.encode(images, labels))

    def decode_parameters(self, z, labels):
        return np.asarray(self.model.decode_parameters(z, labels))

    def prior(self, labels):
        return tuple(np.asarray(value) for value in self.model.prior(labels))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_metric_says_what_it_is_and_figures_are_drawn(name, tmp_path):
    config = CONFIGS[name]
    model = zoo.VAE(config)
    images, labels = grey(30, config.image_shape), labels_for(config.classes, 30)
    options = EvaluateConfig(importance_samples=20, limit=26, batch_size=50, seed=5)
    metrics = evaluate(KerasLatentModel(model), images, labels, options, tmp_path)

    assert [metric.name for metric in metrics] == NAMES
    assert all(
        metric.definition and metric.samples == 26 and metric.seed == 5 for metric in metrics
    )
    values = {metric.name: metric.value for metric in metrics}
    assert values["elbo"] == pytest.approx(-values["reconstruction"] - values["kl"])
    assert -values["nll"] >= values["elbo"] - 0.5
    in_parts = options.model_copy(update={"batch_size": 7})
    again = evaluate(PlainModel(model), images, labels, in_parts)
    np.testing.assert_allclose(
        [m.value for m in again], list(values.values()), rtol=1e-4, atol=1e-5
    )

    height, width, _ = config.image_shape
    for figure, rows in (("reconstructions.png", 4), ("traversal.png", config.latent_dim)):
        with Image.open(tmp_path / figure) as picture:
            assert picture.size == (11 * (width + 2) - 2, rows * (height + 2) - 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "reconstructions.png",
        "traversal.png",
    ]


def test_ssim_is_left_out_where_its_window_does_not_fit():
    model = KerasLatentModel(
        zoo.VAE(zoo.VAEConfig(image_shape=(8, 8, 1), latent_dim=2, hidden=(4,)))
    )
    metrics = evaluate(model, grey(3, (8, 8, 1)), settings=EvaluateConfig(importance_samples=2))
    assert [metric.name for metric in metrics] == [name for name in NAMES if name != "ssim"]


def test_a_model_of_nothing_finite_is_named_as_such():
    model = CopyModel(error=math.nan)
    with pytest.raises(EvaluationError, match="mse is nan"):
        evaluate(model, grey(2, (12, 12, 1)))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (binary(3), None, "give one label for each of 3 images"),
        (binary(3), np.zeros(2, np.int64), "give one label for each of 3 images"),
        (binary(3), np.array([0, 1, 2]), "labels go from 0 to 2; the model takes 0 to 1"),
        (binary(0), np.zeros(0, np.int64), "N of at least 1"),
        (binary(3, (3, 2, 1)), np.zeros(3, np.int64), "takes .N, 2, 2, 1."),
        (255 * binary(3), np.zeros(3, np.int64), "divide 8-bit pixels by 255"),
        (np.nan * binary(3), np.zeros(3, np.int64), r"float32 in \[0, 1\]"),
    ],
)
def test_unusable_input_is_refused(images, labels, message):
    with pytest.raises(UsageError, match=message):
        evaluate(UnitsModel(classes=2), images, labels)


@pytest.mark.parametrize(
    "values", [{"importance_sample": 5}, {"importance_samples": 0}, {"limit": 0}, {"seed": -1}]
)
def test_settings_are_checked(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        EvaluateConfig.parse(values)


def test_metrics_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "metrics.json"
    metric = Metric(
        name="nll", value=2.5, unit="nats/image", definition="...", samples=4, seed=0, extra=[1, 2]
    )
    write_metrics(path, [metric], subject="onnx:fp32", seconds=1.5)
    document = json.loads(path.read_text())
    assert document["subject"] == "onnx:fp32" and document["split"] == "test"
    assert document["metrics"] == [metric.model_dump()]
    assert document["metrics"][0]["extra"] == [1, 2]

    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_metrics(path, [metric], subject="keras", unwritable=object())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
