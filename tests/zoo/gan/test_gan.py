"""Properties that every GAN has."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from serving import noise
from serving.errors import UsageError
from serving.families.walks import spherical
from tests.zoo.gan import tiny_gan
from zoo.gan import GAN, GANConfig
from zoo.gan.normalization import SpectralNormalization
from zoo.training.optimizers import Adam

LOSSES = (
    {"loss": "non_saturating", "r1": 1.0, "label_smoothing": 0.1},
    {"loss": "hinge", "spectral_normalization": True, "discriminator_steps": 2},
    {"loss": "least_squares", "augment": ("brightness", "contrast", "translation", "cutout")},
    {"loss": "wasserstein", "gradient_penalty": 10.0},
)
# The discriminator of `infogan` takes no penalty.
FREE = {"loss": "hinge", "augment": ("affine", "strokes"), "discriminator_steps": 2}
# Every pair of architecture and conditioning, and every loss with every architecture.
TRIPLES = [
    (architecture, condition, (3 * row + column) % 4)
    for row, architecture in enumerate(tiny_gan.SIZES)
    for column, condition in enumerate(tiny_gan.CONDITIONS)
]
TRIPLES += [("dense", "projection", 3), ("dcgan", "projection", 2), ("residual", "projection", 1)]
TRIPLES = [(*pair, FREE if "infogan" in pair else LOSSES[loss]) for *pair, loss in TRIPLES]
CASES = [
    pytest.param(*pair, training, id=f"{' '.join(pair)} {training['loss']}")
    for *pair, training in TRIPLES
]


@pytest.mark.parametrize(("architecture", "condition", "training"), CASES)
def test_shapes_determinism_and_a_step_that_teaches_both(architecture, condition, training):
    config = tiny_gan.config(architecture, condition, **training)
    model = tiny_gan.compiled(config)
    labels = [0, 2, 1] if config.classes else None
    images = model.generate(3, labels=labels, seed=7)
    assert images.dtype == np.uint8 and images.shape == (3, *config.image_shape)
    np.testing.assert_array_equal(images, model.generate(3, labels=labels, seed=7))
    assert np.any(images != model.generate(3, labels=labels, seed=8))

    before = [variable.numpy() for variable in model.trainable_variables]
    shown = model.train_step(tiny_gan.batch(config, 4))
    assert all(np.isfinite(float(value)) for value in shown.values()), shown
    for variable, old in zip(model.trainable_variables, before, strict=True):
        new = variable.numpy()
        # An offset of all logits cancels between real and generated images.
        assert np.any(new != old) or variable.path.endswith("realness/bias"), variable.path
        assert np.all(np.isfinite(new)), variable.path
    assert int(model.optimizer.iterations) == 1
    assert int(model.discriminator_optimizer.iterations) == config.discriminator_steps


@pytest.fixture(scope="module")
def conditional():
    return tiny_gan.model(tiny_gan.config("dcgan", "projection"))


@pytest.fixture(scope="module")
def plain():
    return tiny_gan.model(tiny_gan.config("dense"))


def test_images_are_in_the_unit_interval_and_of_their_own_latent_alone(conditional):
    z, labels = noise.normal(4, 5, seed=0), np.array([0, 1, 2, 0])
    images = np.asarray(conditional({"z": z, "labels": labels}))
    assert images.min() >= 0 and images.max() <= 1
    alone = np.asarray(conditional({"z": z[1:2], "labels": labels[1:2]}))
    np.testing.assert_allclose(images[1:2], alone, atol=1e-6)
    with_batch = np.asarray(conditional({"z": z, "labels": labels}, training=True))
    assert np.abs(with_batch - images).max() > 1e-3


def test_a_seed_is_the_noise_of_the_zoo(plain):
    z = noise.normal(3, 5, seed=4)
    expected = np.rint(np.asarray(plain(z)) * 255)
    np.testing.assert_allclose(plain.generate(3, seed=4), expected, atol=1)


def test_truncation_scales_the_latents(plain):
    np.testing.assert_allclose(plain.latents(3, 1, 0.5), 0.5 * noise.normal(3, 5, seed=1))
    still = plain.generate(3, seed=1, truncation=0.0)
    np.testing.assert_array_equal(still, np.repeat(still[:1], 3, axis=0))


def test_labels_change_what_is_drawn(conditional):
    zero, one = (conditional.generate(4, labels=[label] * 4, seed=1) for label in (0, 1))
    assert np.any(zero != one)


def test_a_walk_between_latents_ends_at_both(conditional):
    z = conditional.latents(4, seed=3)
    path = conditional.interpolate(z[:2], z[2:], steps=5, labels=[0, 2])
    assert path.shape == (2, 5, 8, 12, 3)
    ends = conditional.generate(4, labels=[0, 2, 0, 2], seed=3)
    np.testing.assert_allclose(path[:, 0].astype(int), ends[:2], atol=1)
    np.testing.assert_allclose(path[:, -1].astype(int), ends[2:], atol=1)


def test_a_walk_between_classes_keeps_its_latents(conditional):
    path = conditional.interpolate_classes(0, 2, steps=3, count=4, seed=3)
    assert path.shape == (4, 3, 8, 12, 3)
    for column, label in ((0, 0), (2, 2)):
        ends = conditional.generate(4, labels=[label] * 4, seed=3)
        np.testing.assert_allclose(path[:, column].astype(int), ends, atol=1)


def test_an_arc_keeps_its_length_and_a_straight_one_is_straight():
    start, end = np.float32([[3, 0], [1, 0], [2, 2]]), np.float32([[0, 3], [-1, 0], [2, 2]])
    path = spherical(start, end, 5)
    np.testing.assert_allclose(np.linalg.norm(path[0], axis=-1), 3, rtol=1e-5)
    np.testing.assert_allclose(path[1, :, 0], [1, 0.5, 0, -0.5, -1], atol=1e-5)
    np.testing.assert_allclose(path[2], 2)


def test_memory_is_bounded_and_no_batch_changes_an_image(plain, monkeypatch):
    whole = plain.generate(7, seed=2)
    monkeypatch.setattr("zoo.gan.sampling.GENERATED_ROWS", 3)
    np.testing.assert_allclose(plain.generate(7, seed=2).astype(int), whole, atol=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.generate(0, labels=[]), "count is 0"),
        (lambda m: m.generate(2), "needs labels"),
        (lambda m: m.generate(2, labels=[0]), "expected 2 whole numbers from 0 to 2"),
        (lambda m: m.generate(2, labels=[0, 3]), "expected 2 whole numbers from 0 to 2"),
        (lambda m: m.generate(2, labels=[0, 1], seed=-1), "seed"),
        (lambda m: m.generate(2, labels=[0, 1], truncation=1.5), "truncation is 1.5"),
        (lambda m: m.interpolate_classes(0, 5), "whole numbers from 0 to 2"),
    ],
)
def test_bad_requests_are_named(conditional, call, message):
    with pytest.raises(UsageError, match=message) as caught:
        call(conditional)
    assert "\n" not in str(caught.value)


def test_a_model_without_classes_takes_no_labels(plain):
    with pytest.raises(UsageError, match="takes no labels"):
        plain.generate(2, labels=[0, 1])
    with pytest.raises(UsageError, match="takes no labels"):
        plain.interpolate_classes(0, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latent_dims": 3}, "did you mean 'latent_dim'"),
        ({"image_shape": [28, 28, 2]}, "2 channels"),
        ({"image_shape": [30, 30, 1]}, "cannot be halved 2 times"),
        ({"architecture": "dense", "hidden": []}, "hidden is empty"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "no targets to smooth"),
        ({"loss": "wasserstein"}, "needs a bounded slope"),
        ({"gradient_penalty": 10.0, "r1": 1.0}, "choose one"),
        ({"augment": ["cutout", "cutout"]}, "each policy once"),
        ({"augment": ["saturation"]}, "grey images have none"),
        ({"augment": ["cutouts"]}, "augment"),
        ({"agreement": 1.0}, "two views of an image"),
        ({"architecture": "infogan", "r1": 1.0}, "normalised by the batch"),
        ({"architecture": "infogan", "hidden": []}, "hidden is empty"),
        ({"loss": "vanilla"}, "'non_saturating'"),
        ({"architecture": "residual", "discriminator_channels": [8]}, "no discriminator_channels"),
        ({"auxiliary_weight": 0.5}, "goes with classes and conditioning 'auxiliary'"),
    ],
)
def test_a_bad_configuration_is_named(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        GANConfig.parse(values, "model")
    assert "\n" not in str(caught.value)


def test_a_discriminator_may_have_more_convolutions_than_the_generator():
    deeper = GAN(GANConfig(channels=(4, 8), discriminator_channels=(4, 8, 12, 16), latent_dim=2))
    assert deeper.generate(2, seed=0).shape == (2, 28, 28, 1)
    assert deeper.discriminator.realness.kernel.shape == (2 * 2 * 16, 1)  # 28, 14, 7, 4, 2


def test_the_classifier_weighs_as_much_as_it_is_told():
    """The generator's loss is the adversarial one plus the weight times the cross-entropy."""
    found = []
    for weight in (0.0, 0.5, 1.0):
        keras.utils.set_random_seed(0)
        model = GAN(
            GANConfig(
                channels=(4, 8),
                latent_dim=2,
                classes=3,
                conditioning="auxiliary",
                auxiliary_weight=weight,
            )
        )
        image, labels = np.zeros((2, 28, 28, 1), "float32"), np.array([0, 2])
        z = np.zeros((2, model.config.latent_dim), "float32")
        found.append(float(model._generator_loss(image, z, model._condition(labels))))
    assert found[2] - found[0] > 0.1
    assert found[1] == pytest.approx((found[0] + found[2]) / 2, rel=1e-5)


def test_the_classic_sizes():
    model = GAN(GANConfig())
    shapes = [tuple(v.shape) for v in model.generator.trainable_variables if len(v.shape) > 1]
    assert shapes == [(100, 7 * 7 * 128), (4, 4, 64, 128), (4, 4, 1, 64)]
    assert model.discriminator.trunk.features == 7 * 7 * 128


def test_the_run_goes_on_exactly_from_its_variables():
    config = tiny_gan.config(
        "dcgan", "projection", spectral_normalization=True, r1=1.0, augment=("translation",)
    )

    def fresh():
        made = tiny_gan.model(config)
        made.compile(Adam(1e-2, use_ema=True), Adam(1e-2))
        return made

    def state(model):
        return [
            *model.variables,
            *model.optimizer.variables,
            *model.discriminator_optimizer.variables,
        ]

    data = tiny_gan.batch(config, 4)
    whole, resumed = fresh(), fresh()
    whole.train_step(data)
    for target, source in zip(state(resumed), state(whole), strict=True):
        target.assign(source)
    whole.train_step(data)
    resumed.train_step(data)
    for ours, theirs in zip(state(resumed), state(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=theirs.path)


def test_a_model_is_rebuilt_from_its_config_and_weights(conditional, tmp_path):
    conditional.save_weights(tmp_path / "model.weights.h5")
    rebuilt = GAN(**conditional.get_config())
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    labels = [0, 1, 2]
    np.testing.assert_array_equal(
        rebuilt.generate(3, labels=labels), conditional.generate(3, labels=labels)
    )


def test_recalibrated_statistics_are_those_of_the_generator():
    model = tiny_gan.model(tiny_gan.config("dense"))
    model.recalibrate(batches=3, batch_size=50, seed=1)
    z = noise.normal(150, 5, seed=1)
    first = model.generator.widen[0](z)
    statistics = model.generator.normalize[0].normalize
    np.testing.assert_allclose(statistics.moving_mean, np.mean(first, axis=0), atol=1e-5)
    assert statistics.momentum == 0.99


def test_spectral_normalisation_divides_by_the_largest_singular_value_and_keeps_the_kernel():
    layer = SpectralNormalization(keras.layers.Conv2D(4, 2, use_bias=False))
    x = np.random.RandomState(0).normal(size=(3, 5, 5, 2)).astype("float32")
    layer(x)
    kernel = layer.layer.kernel.numpy()
    for _ in range(60):
        layer(x, training=True)
    np.testing.assert_array_equal(layer.layer.kernel, kernel)
    largest = np.linalg.svd(kernel.reshape(-1, 4), compute_uv=False)[0]
    np.testing.assert_allclose(layer(x), np.asarray(layer.layer(x)) / largest, rtol=1e-4)
    np.testing.assert_array_equal(layer(x), layer(x))

    def output(value):
        layer.layer.kernel.assign(value)
        return float(keras.ops.sum(layer(x)))

    with tf.GradientTape() as tape:
        total = keras.ops.sum(layer(x))
    slope = tape.gradient(total, layer.layer.kernel.value).numpy()
    step = 1e-2 * np.random.RandomState(1).normal(size=kernel.shape).astype("float32")
    change = output(kernel + step) - output(kernel - step)
    assert change == pytest.approx(2 * np.sum(slope * step), rel=0.02)


def test_the_discriminator_judges_each_image_alone():
    config = tiny_gan.config("dcgan", "projection", spectral_normalization=True)
    model = tiny_gan.model(config)
    data = tiny_gan.batch(config, 3)
    condition = np.eye(3, dtype="float32")[data["labels"]]
    together = model.discriminator(data["image"], condition)["logits"]
    alone = model.discriminator(data["image"][:1], condition[:1])["logits"]
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4)
