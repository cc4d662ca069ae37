"""The VAE at run time against NumPy, and every way to call it wrongly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import serving
from serving import noise
from serving.bundle.records import BundleError
from serving.errors import GenzooError, UsageError
from serving.families import inputs
from tests.serving import tiny_bundle

SHAPE, LATENT = tiny_bundle.SHAPE, tiny_bundle.LATENT
FEW = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def vae(tiny):
    return serving.load(tiny, device="cpu", threads=1)


@pytest.fixture(scope="module")
def cvae(conditional):
    return serving.load(conditional, device="cpu", threads=1)


def pixels(image):
    return np.rint(image * 255)


def assert_same_images(one, other):
    """Batches of different sizes may add up in another order, so a pixel may round otherwise."""
    assert one.shape == other.shape and one.dtype == other.dtype == np.uint8
    assert np.abs(one.astype(int) - other).max(initial=0) <= 1


def complaint(call, *args, **kwargs):
    with pytest.raises(UsageError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- generate ---


@FEW
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_generate_is_the_decoder_on_the_zoos_noise(vae, n, seed):
    images = vae.generate(n, seed=seed)
    z = noise.normal(n, LATENT, seed)
    wanted = tiny_bundle.expected("decoder", {"z": z})["image"]
    assert_same_images(images, pixels(wanted).astype(np.uint8))


@FEW
@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 2**32 - 1))
def test_a_larger_request_starts_with_the_smaller(vae, small, more, seed):
    assert_same_images(
        vae.generate(small + more, seed=seed)[:small], vae.generate(small, seed=seed)
    )


@FEW
@given(st.integers(1, 90), st.integers(1, 100))
def test_batch_size_changes_nothing(vae, n, batch_size):
    batches = list(vae.generate_batches(n, seed=5, batch_size=batch_size))
    assert all(len(batch) <= batch_size for batch in batches)
    assert_same_images(np.concatenate(batches), vae.generate(n, seed=5))


def test_conditional_samples_come_from_the_labels_prior(cvae):
    labels = np.arange(100) % tiny_bundle.CLASSES
    prior = tiny_bundle.expected("prior", {"labels": labels})
    z = prior["mean"] + np.exp(prior["log_variance"] / 2) * noise.normal(100, LATENT, 3)
    wanted = tiny_bundle.expected("decoder", {"z": z, "labels": labels})["image"]
    assert_same_images(cvae.generate(100, labels, seed=3), pixels(wanted).astype(np.uint8))


@pytest.mark.parametrize("label", [2, 2.0, np.int8(2), np.float32(2), np.array(2), [2.0] * 5])
def test_one_label_stands_for_all(cvae, label):
    wanted = cvae.generate(5, [2] * 5, seed=1)
    np.testing.assert_array_equal(cvae.generate(5, label, seed=1.0), wanted)


def test_a_fresh_seed_is_told(vae):
    images = vae.generate(3)
    np.testing.assert_array_equal(vae.generate(3, seed=vae.last_seed), images)
    seeds = {vae.last_seed for _ in range(4) if vae.generate(1) is not None}
    assert len(seeds) > 1


def test_huge_counts_stream(vae):
    batches = vae.generate_batches(10**12, seed=0)
    assert next(batches).shape == (64, *SHAPE)


@pytest.mark.parametrize("n", [0, -1, 1.5, "3", None, True])
def test_bad_counts(vae, n):
    assert "expected a whole number from 1" in complaint(vae.generate, n)
    assert "expected a whole number from 1" in complaint(vae.generate_batches, n)


def test_enormous_count(vae):
    assert "use generate_batches" in complaint(vae.generate, 10**30)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "7", True])
def test_bad_seeds(vae, seed):
    assert "seed is" in complaint(vae.generate, 2, seed=seed)


# --- labels ---


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "give labels, whole numbers from 0 to 2"),
        (3, "labels is 3; expected a whole number from 0 to 2"),
        (-1, "labels is -1; expected a whole number from 0 to 2"),
        ([0, 1, 9], "one of labels is 9; expected a whole number from 0 to 2"),
        ([0, 1], "2 labels for 3 images"),
        ([], "0 labels for 3 images"),
        ([0.0, 1.5, 2.0], "one of labels is 1.5; expected a whole number"),
        ([0, np.nan, 2], "one of labels is nan; expected a whole number"),
        ([True, False, True], "one of labels is True; expected a whole number"),
        ([0, None, 2], "labels are object"),
        ("abc", "labels is 'abc'; expected a whole number"),
        ([[0, 1, 2]], "one of labels is [0, 1, 2]; expected a whole number"),
        ([[0], [1, 2]], "not all of one shape"),
    ],
)
def test_bad_labels(cvae, labels, words):
    assert words in complaint(cvae.generate, 3, labels)
    assert words in complaint(cvae.decode, np.zeros((3, LATENT)), labels)
    assert words in complaint(cvae.encode, np.zeros((3, *SHAPE)), labels)


def test_unconditional_models_take_no_labels(vae):
    assert "takes no labels" in complaint(vae.generate, 3, [0, 1, 2])
    assert "takes no labels" in complaint(vae.prior, [0])


# --- encode, decode ---


@FEW
@given(st.data(), st.integers(1, 130))
def test_encode_takes_pixels_and_intensities(vae, data, n):
    images = data.draw(hnp.arrays(np.uint8, (n, *SHAPE)))
    mean, log_variance = vae.encode(images)
    unit = images.astype(np.float32) / 255
    wanted = tiny_bundle.expected("encoder", {"image": unit})
    np.testing.assert_allclose(mean, wanted["mean"], atol=1e-5)
    np.testing.assert_allclose(log_variance, wanted["log_variance"], atol=1e-5)
    for dtype in (np.float32, np.float64):
        np.testing.assert_allclose(vae.encode(unit.astype(dtype))[0], mean, atol=1e-6)


def test_grey_images_need_no_channel(vae):
    images = np.random.RandomState(0).randint(0, 256, (4, *SHAPE), np.uint8)
    mean = vae.encode(images)[0]
    assert mean.shape == (4, LATENT)
    np.testing.assert_array_equal(vae.encode(images[..., 0])[0], mean)  # here N is H
    np.testing.assert_allclose(vae.encode(images[0])[0], mean[:1], atol=1e-6)
    np.testing.assert_allclose(vae.encode(images[0, ..., 0])[0], mean[:1], atol=1e-6)
    np.testing.assert_array_equal(vae.encode(np.asfortranarray(images))[0], mean)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((2, 5, 4, 1)), "expected (N, 4, 4, 1)"),
        (np.zeros((2, 4, 4, 3)), "expected (N, 4, 4, 1)"),
        (np.zeros((2, 1, 4, 4)), "expected (N, 4, 4, 1)"),
        (np.zeros(16), "expected (N, 4, 4, 1)"),
        (np.zeros((0, 4, 4, 1)), "no images"),
        (np.float32(0.5), "expected (N, 4, 4, 1)"),
        (np.zeros((1, 4, 4, 1), np.int64), "images are int64"),
        (np.zeros((1, 4, 4, 1), bool), "images are bool"),
        (np.full((1, 4, 4, 1), 1.01), "must lie in [0, 1]"),
        (np.full((1, 4, 4, 1), -0.1), "must lie in [0, 1]"),
        (np.full((1, 4, 4, 1), np.nan), "must lie in [0, 1]"),
        ([np.zeros((4, 4)), np.zeros((4, 5))], "not all of one shape"),
        (["a"], "images are <U1"),
        (None, "images are object"),
    ],
)
def test_bad_images(vae, images, words):
    assert words in complaint(vae.encode, images)


@FEW
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 130), st.just(LATENT)),
        elements=st.floats(-9, 9, width=32),
    )
)
def test_decode(vae, z):
    wanted = tiny_bundle.expected("decoder", {"z": z})
    floats = vae.decode(z, dtype=np.float32)
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, wanted["image"], atol=1e-5)
    assert_same_images(vae.decode(z), pixels(wanted["image"]).astype(np.uint8))
    np.testing.assert_allclose(vae.decode_parameters(z), wanted["parameters"], atol=1e-4)


@pytest.mark.parametrize(
    ("z", "words"),
    [
        (np.zeros((3, LATENT + 1)), "expected numbers of shape (N, 2)"),
        (np.zeros(LATENT), "expected numbers of shape (N, 2)"),
        (np.zeros((0, LATENT)), "z is empty"),
        ([[0.0, np.nan]], "not finite"),
        ([[0.0, np.inf]], "not finite"),
        ([[0.0, 1e300]], "not finite"),
        ([["a", "b"]], "expected numbers"),
        ([[1j, 1j]], "expected numbers"),
        ([[0.0], [1.0, 2.0]], "not all of one shape"),
    ],
)
def test_bad_latents(vae, z, words):
    assert words in complaint(vae.decode, z)


def test_bad_dtype(vae):
    assert "expected uint8 or float32" in complaint(
        vae.decode, np.zeros((1, LATENT)), dtype="int32"
    )


def test_results_that_are_not_numbers_are_an_error(vae):
    with pytest.raises(GenzooError, match="not numbers"):
        vae._pixels(np.full((1, *SHAPE), np.nan, np.float32))


def test_arguments_are_not_changed(vae):
    images = np.full((2, *SHAPE), 0.5, np.float32)
    z = np.ones((2, LATENT), np.float32)
    vae.reconstruct(images)
    vae.decode(z)
    assert (images == 0.5).all() and (z == 1).all()


# --- what is built of them ---


def test_reconstruct(vae, cvae):
    images = np.random.RandomState(1).randint(0, 256, (70, *SHAPE), np.uint8)
    np.testing.assert_array_equal(vae.reconstruct(images), vae.decode(vae.encode(images)[0]))
    labels = np.arange(70) % tiny_bundle.CLASSES
    mean, _ = cvae.encode(images, labels)
    np.testing.assert_array_equal(cvae.reconstruct(images, labels), cvae.decode(mean, labels))


def test_interpolate_starts_and_ends_at_the_reconstructions(vae, cvae):
    images = np.random.RandomState(2).randint(0, 256, (6, *SHAPE), np.uint8)
    walks = vae.interpolate(images[:3], images[3:], steps=5)
    assert walks.shape == (3, 5, *SHAPE)
    assert_same_images(walks[:, 0], vae.reconstruct(images[:3]))
    assert_same_images(walks[:, -1], vae.reconstruct(images[3:]))
    assert vae.interpolate(images[0], images[1]).shape == (1, 8, *SHAPE)
    walks = cvae.interpolate(images[:3], images[3:], steps=2, labels=[0, 1, 2])
    assert_same_images(walks[:, 0], cvae.reconstruct(images[:3], [0, 1, 2]))
    assert "steps" in complaint(vae.interpolate, images[0], images[1], steps=1)
    assert "3 start images but 1 end" in complaint(vae.interpolate, images[:3], images[3])


def test_traverse_changes_one_dimension(vae):
    images = np.random.RandomState(3).randint(0, 256, (2, *SHAPE), np.uint8)
    walks = vae.traverse(images, 1, [-1.0, 0.0, 2.0])
    z = vae.encode(images)[0]
    z[:, 1] = 2.0
    assert walks.shape == (2, 3, *SHAPE)
    assert_same_images(walks[:, 2], vae.decode(z))
    assert "from 0 to 1" in complaint(vae.traverse, images, 2, [0.0])
    assert "one of values is nan" in complaint(vae.traverse, images, 0, [np.nan])
    np.testing.assert_array_equal(vae.traverse(images, 1.0, 2)[:, 0], walks[:, 2])


def test_prior(cvae):
    mean, log_variance = cvae.prior([0, 2])
    wanted = tiny_bundle.expected("prior", {"labels": np.array([0, 2])})
    np.testing.assert_array_equal(mean, wanted["mean"])
    np.testing.assert_array_equal(log_variance, wanted["log_variance"])
    assert cvae.prior(1)[0].shape == (1, LATENT)


def test_memory_does_not_grow_with_the_count(vae, monkeypatch):
    """No call of a graph, nor any conversion, sees more than a batch."""
    seen = []
    run = vae.sessions["encoder"].run
    monkeypatch.setattr(
        vae.sessions["encoder"],
        "run",
        lambda o, feeds: seen.append(len(feeds["image"])) or run(o, feeds),
    )
    vae.encode(np.zeros((200, *SHAPE), np.uint8))
    assert seen == [64, 64, 64, 8]


def test_limits_are_stated_in_images():
    inputs.require_room(2**31 // 16, SHAPE, "")
    with pytest.raises(UsageError, match=str(2**31 // 16)):
        inputs.require_room(2**31 // 16 + 1, SHAPE, "")


def test_bundle_error_is_a_genzoo_error():
    assert serving.BundleError is BundleError and issubclass(BundleError, GenzooError)
