"""Metrics of generated images against answers that are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from serving.errors import UsageError
from zoo.evaluation import modes, neighbours
from zoo.evaluation.distances import frechet_distance, kernel_distance
from zoo.judge import samples
from zoo.judge.samples import Judged, consult, measure_samples


def gaussian(count, size=4, seed=0, mean=0.0, scale=1.0):
    drawn = np.random.RandomState(seed).normal(mean, scale, (count, size))
    return drawn.astype("float32")


# --- distances ---


def test_the_frechet_distance_of_two_gaussians_is_the_formula():
    first = gaussian(4000) @ np.random.RandomState(1).normal(size=(4, 4))
    second = 1.5 + gaussian(3000, seed=2) @ np.random.RandomState(3).normal(size=(4, 4))
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2)
    expected += np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


@given(st.integers(2, 40), st.integers(1, 60), st.floats(0.1, 10), st.floats(-5, 5))
@settings(deadline=None, max_examples=25)
def test_the_frechet_distance_of_what_is_scaled_and_moved(count, size, scale, shift):
    """S2 = scale^2 S1: the square root of the product is known, for singular covariances too."""
    features = gaussian(count, size).astype("float64")
    spread = np.var(features, axis=0, ddof=1).sum()
    moved = scale * (features - features.mean(0)) + features.mean(0) + shift
    expected = size * shift**2 + (scale - 1) ** 2 * spread
    assert frechet_distance(features, moved) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-5 * (1 + spread))


def test_the_frechet_distance_is_symmetric_and_sees_a_collapse():
    first, second = gaussian(300), gaussian(300, seed=1, scale=0.1)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))
    assert frechet_distance(first, np.zeros_like(first)) > 3.5


def test_the_kernel_distance_has_no_bias():
    values = [
        kernel_distance(gaussian(30, seed=i), gaussian(30, seed=1000 + i))[0] for i in range(400)
    ]
    error = np.std(values) / 20
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)


def test_the_kernel_distance_is_the_sum_of_its_pairs():
    first, second = gaussian(5, 3).astype("f8"), gaussian(4, 3, seed=1).astype("f8")

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    expected = np.mean(
        [kernel(x, y) for i, x in enumerate(first) for j, y in enumerate(first) if i != j]
    )
    expected += np.mean(
        [kernel(x, y) for i, x in enumerate(second) for j, y in enumerate(second) if i != j]
    )
    expected -= 2 * np.mean([kernel(x, y) for x in first for y in second])
    assert kernel_distance(first, second) == (pytest.approx(expected), 0.0)


def test_the_kernel_distance_is_a_mean_over_blocks():
    value, error = kernel_distance(gaussian(2500), gaussian(2100, seed=1, mean=0.3))
    assert value > 3 * error > 0


# --- neighbours ---


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS", 7)


def test_neighbour_measures_are_their_definitions(small_blocks):
    real, generated = gaussian(40, 3), gaussian(30, 3, seed=1, mean=0.5)
    for k in (1, 3, 5):
        radii = np.sort(cdist(real, real), axis=1)[:, k]
        inside = cdist(generated, real) <= radii
        assert neighbours.precision(generated, real, k) == pytest.approx(inside.any(1).mean())
        assert neighbours.density(generated, real, k) == pytest.approx(inside.sum() / (k * 30))
        assert neighbours.coverage(generated, real, k) == pytest.approx(inside.any(0).mean())


@given(st.integers(2, 30), st.integers(0, 99), st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=20)
def test_a_set_covers_itself(count, seed, scale):
    features = gaussian(count, 3, seed, scale=scale)
    assert neighbours.coverage(features, features) == 1
    assert neighbours.precision(features, features) == 1


def test_a_collapsed_generator_is_precise_and_covers_little():
    real = gaussian(300)
    collapsed = np.repeat(real[:1], 300, axis=0)
    assert neighbours.precision(collapsed, real) == 1
    assert neighbours.precision(real, collapsed) == pytest.approx(1 / 300)
    assert neighbours.coverage(collapsed, real) < 0.1
    assert neighbours.diversity(collapsed) == 0


def test_density_of_one_distribution_is_about_one():
    assert neighbours.density(gaussian(800), gaussian(800, seed=1)) == pytest.approx(1, abs=0.1)


def test_diversity_is_the_mean_squared_distance():
    features = gaussian(25)
    squared = cdist(features, features, "sqeuclidean").sum() / (25 * 24)
    assert neighbours.diversity(features) == pytest.approx(np.sqrt(squared))


# --- modes ---


@given(st.integers(1, 50), st.integers(2, 8), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_the_inception_score_is_between_one_and_the_classes(count, classes, seed):
    probabilities = np.random.RandomState(seed).dirichlet(np.full(classes, 0.1), count)
    assert 1 - 1e-6 <= modes.inception_score(probabilities) <= classes + 1e-6
    assert modes.inception_score(np.full((count, classes), 1 / classes)) == pytest.approx(1)


def test_relative_shares():
    generated, real = np.eye(3)[[0, 0, 0, 1]], np.eye(3)[[0, 0, 1, 1]]
    np.testing.assert_allclose(modes.relative_shares(generated, real), [1.5, 0.5, 0])
    np.testing.assert_allclose(modes.relative_shares(real, generated), [2 / 3, 2, 0])


# --- all together ---


class MeanJudge:
    """Takes the brightest of three columns for the class, and the pixels for features."""

    name, sha256 = "mean", "0" * 64
    image_shape, classes, class_names = (3, 3, 1), 3, ()

    def features(self, images):
        assert images.dtype == np.float32 and images.max() <= 1
        return images.reshape(len(images), -1)

    def probabilities(self, images):
        bright = np.exp(20 * images.mean(axis=(1, 3)))
        return bright / bright.sum(axis=1, keepdims=True)


def striped(count, seed, classes=3):
    """Noise with one bright column, the label."""
    random = np.random.RandomState(seed)
    labels = np.sort(random.randint(0, classes, count))
    images = random.randint(0, 100, (count, 3, 3, 1))
    images[np.arange(count), :, labels] += 150
    return images.astype(np.uint8), labels


def measured(*images, seed=0):
    judge = MeanJudge()
    judged = (consult(judge, *each) for each in images)
    return {metric.name: metric for metric in measure_samples(judge, *judged, seed=seed)}


def test_perfect_samples_are_as_good_as_real_ones():
    metrics = measured(striped(900, seed=1), striped(600, seed=2), striped(700, seed=3))
    assert list(metrics) == [
        "fcd", "kid", "inception_score", "precision", "recall", "density", "coverage",
        "least_class_share", "largest_class_share", "classes_covered", "label_agreement",
    ]  # fmt: skip
    for metric in metrics.values():
        assert metric.definition and metric.judge == "mean" and metric.judge_sha256 == "0" * 64
        assert metric.samples == (900 if metric.name == "label_agreement" else 600)
    assert metrics["fcd"].value < 4 * metrics["fcd"].floor
    for name in ("coverage", "precision", "recall", "density", "inception_score"):
        assert metrics[name].value == pytest.approx(metrics[name].floor, rel=0.25), name
    assert abs(metrics["kid"].value) < 1e-2
    assert metrics["label_agreement"].value == metrics["label_agreement"].floor == 1
    assert metrics["classes_covered"].value == 3
    assert sum(metrics["classes_covered"].shares) == pytest.approx(1)
    assert 0.8 < metrics["least_class_share"].value <= 1 <= metrics["largest_class_share"].value


def test_what_is_missing_is_seen():
    images, labels = striped(600, seed=1, classes=2)
    metrics = measured((images, (labels + 1) % 2), striped(600, seed=2), striped(600, seed=3))
    assert metrics["fcd"].value > 20 * metrics["fcd"].floor
    assert metrics["coverage"].value < 0.8 * metrics["coverage"].floor
    assert metrics["least_class_share"].value == 0
    assert metrics["classes_covered"].value == 2
    assert metrics["label_agreement"].value == 0


def test_numbers_repeat_with_their_seed():
    data = striped(40, seed=1), striped(30, seed=2), striped(30, seed=3)
    first, second, other = (measured(*data, seed=seed)["fcd"].value for seed in (0, 0, 1))
    assert first == second != other


def test_unlabelled_samples_have_no_agreement_and_too_few_images_are_refused():
    (generated, _), *real = (striped(30 + seed, seed=seed) for seed in (1, 2, 3))
    assert "label_agreement" not in measured((generated,), *real)
    with pytest.raises(UsageError, match=r"29 generated and 32 and 33 real .* at least 30 of each"):
        measured((generated[:29],), *real)


def test_classes_are_counted_where_there_are_some_images_of_each(monkeypatch):
    monkeypatch.setattr(samples, "LEAST_PER_CLASS", 12)
    by_class = {"inception_score", "least_class_share", "largest_class_share", "classes_covered"}
    few, enough = (measured(*[striped(count, seed) for seed in (1, 2, 3)]) for count in (35, 36))
    assert enough.keys() - few.keys() == by_class and few.keys() <= enough.keys()


def test_a_covariance_takes_two():
    with pytest.raises(UsageError, match="1 and 5 features; a covariance takes 2 of each"):
        frechet_distance(gaussian(1), gaussian(5))


def test_rows_of_what_was_judged_stay_together():
    judged = Judged(gaussian(4), np.eye(4), np.arange(4))
    some = judged[np.array([2, 0])]
    assert len(some) == 2 and list(some.labels) == [2, 0]
    np.testing.assert_array_equal(some.probabilities, np.eye(4)[[2, 0]])
