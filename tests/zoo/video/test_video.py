"""Models of video: what they learn from, how they are measured, how they are trained."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import zoo
from serving.errors import UsageError
from serving.families.video.following import Following
from serving.families.video.numbers import codes_of, numbers_of
from tests.zoo.codes import tiny_codes
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from tests.zoo.video import tiny_video
from zoo.codes.quantizers import FiniteScalars
from zoo.data.moving.config import FRAMES, GIVEN, MovingConfig
from zoo.data.moving.moving import MovingDigits
from zoo.training import devices
from zoo.training.optimizers import SGD
from zoo.video import VideoConfig, evaluate
from zoo.video.data import drawn, measured
from zoo.video.evaluate import VideoEvaluateConfig
from zoo.video.scores import WINDOW, absolute_error, similarity, squared_error

CONFIG = VideoConfig(codes="x", **tiny_video.SIZES)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 1000))
def test_codes_are_numbers_and_numbers_codes(levels, count, seed):
    codes = np.random.RandomState(seed).randint(levels**count, size=(2, 3, 5)).astype(np.int32)
    numbers = numbers_of(codes, count, levels)
    assert numbers.shape == (2, 3, 5 * count) and 0 <= numbers.min() <= numbers.max() < levels
    np.testing.assert_array_equal(codes_of(numbers, count, levels), codes)


def test_numbers_are_those_that_the_quantizer_rounds_to():
    levels, count = 8, 3
    table = FiniteScalars((levels,) * count).table().numpy()  # -1 to 3/4, in steps of a quarter
    numbers = numbers_of(np.arange(levels**count)[:, None], count, levels)
    np.testing.assert_allclose(table, numbers / 4 - 1)


def test_each_frame_is_learned_after_those_before_it_and_some_of_these_are_disturbed():
    numbers = np.arange(3 * FRAMES).reshape(3, FRAMES, 1) % 64 * np.ones((1, 1, 32), np.int64)
    config = CONFIG.model_copy(update={"levels": 64, "disturbed": 0.0})
    seed = tf.constant([0, 5], tf.int64)
    seen, following = drawn(tf.constant(numbers, tf.uint8), config, seed)
    steps = np.concatenate([seen, following[:, None]], axis=1)[..., 0]
    assert seen.shape == (3, 4, 32)
    for row, own in zip(steps, numbers[..., 0], strict=True):
        assert row.tolist() in [own[at : at + 5].tolist() for at in range(FRAMES - 4)]
    disturbed = config.model_copy(update={"disturbed": 0.5})
    found, same = drawn(tf.constant(numbers, tf.uint8), disturbed, seed)
    np.testing.assert_array_equal(same, following)
    assert 0 < np.mean(found != seen) < 0.5
    np.testing.assert_array_equal(drawn(tf.constant(numbers, tf.uint8), disturbed, seed)[0], found)
    other = drawn(tf.constant(numbers, tf.uint8), disturbed, seed + 1)[0]
    assert np.any(other != found)


def test_every_time_that_is_predicted_is_measured():
    numbers = np.tile(np.arange(FRAMES)[:, None], (30, 1, 32)).reshape(30, FRAMES, 32)
    seen, following = measured(numbers, CONFIG)
    assert {*following[:, 0].tolist()} == {*range(GIVEN, FRAMES)}
    np.testing.assert_array_equal(seen[..., 0] + [4, 3, 2, 1], np.tile(following[:, :1], 4))


def plain_similarity(one, two):
    """As it is defined, a window at a time."""
    found = []
    for top in range(one.shape[0] - WINDOW + 1):
        for left in range(one.shape[1] - WINDOW + 1):
            x, y = (each[top : top + WINDOW, left : left + WINDOW].ravel() for each in (one, two))
            (vx, cov), (_, vy) = np.cov(x, y)
            c1, c2 = 0.02**2, 0.06**2
            found.append(
                (2 * x.mean() * y.mean() + c1) * (2 * cov + c2)
                / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (vx + vy + c2))
            )  # fmt: skip
    return np.mean(found)


def test_scores_are_those_that_they_are_defined_as():
    random = np.random.RandomState(0)
    one, two = random.random_sample((2, 2, 3, 9, 11, 1))
    np.testing.assert_allclose(squared_error(one, two)[1, 2], np.sum((one - two)[1, 2] ** 2))
    np.testing.assert_allclose(absolute_error(one, two)[1, 2], np.abs((one - two)[1, 2]).sum())
    found = similarity(one, two)
    expected = plain_similarity(one[1, 2, :, :, 0], two[1, 2, :, :, 0])
    assert found.shape == (2, 3) and found[1, 2] == pytest.approx(expected, abs=1e-9)
    half = similarity(one, (one + two) / 2)
    assert (found < half).all() and (half < 1).all()


class Nearest:
    """A judge of the digits of a data set: whichever it has is like what it sees."""

    name, sha256, image_shape, classes, class_names = "nearest", "0" * 64, (8, 8, 1), 10, ()

    def __init__(self, data):
        self.images, self.labels = data._pool("test")

    def probabilities(self, images):
        apart = images.reshape(-1, 1, 64) - self.images.reshape(1, -1, 64) / np.float32(255)
        return np.eye(10)[self.labels[np.square(apart).sum(axis=2).argmin(axis=1)]]


def test_what_is_predicted_is_measured_beside_what_is_simpler(monkeypatch):
    data = MovingDigits(MovingConfig(name="moving-digits", test=60))
    sequences = data.read("test", 0, 60)
    monkeypatch.setattr(evaluate, "load_judge", lambda name: Nearest(data))

    def right(videos, frames, seed):
        np.testing.assert_array_equal(videos, sequences.frames[:, :GIVEN])
        return sequences.frames[:, GIVEN : GIVEN + frames]

    settings_ = VideoEvaluateConfig(judge="nearest")
    metrics = evaluate.evaluate(right, lambda videos: videos, data, settings_)
    found = {each.name: each for each in metrics}
    assert found["mse"].value == found["mae"].value == 0 and found["ssim"].value == 1
    assert found["mse_reconstruction"].value == 0
    assert found["mse_straight_on"].value > 0 and found["mse_copy_last"].value > 5
    assert found["mse_copy_last"].by_frame[0] < found["mse_copy_last"].by_frame[-1]
    assert found["digit_accuracy"].value == found["digit_accuracy_true"].value > 0.6
    assert found["digit_accuracy_copy_last"].value < 0.6

    def none(videos, frames, seed):
        return np.zeros((len(videos), frames, *videos.shape[2:]), np.uint8)

    poor = {each.name: each for each in evaluate.evaluate(none, lambda v: v, data, settings_)}
    real = sequences.frames[:, GIVEN:] / 255
    assert poor["mse"].value == pytest.approx(np.mean((real**2).mean(axis=(0, 1)).sum()))
    assert poor["digit_accuracy"].value < 0.3


def test_a_judge_of_other_images_is_refused():
    data = MovingDigits(MovingConfig(name="moving-digits", test=2))
    with pytest.raises(UsageError, match="does not tell digits of 8x8 apart"):
        evaluate.evaluate(
            lambda videos, frames, seed: videos[:, :frames],
            lambda videos: videos,
            data,
            VideoEvaluateConfig(judge="mnist"),
        )


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_frame_follows_from_those_before_it_and_not_from_other_videos(temperature):
    codes = tiny_codes.model(image_shape=(16, 16, 1), levels=(4, 4))
    model = tiny_video.model()
    following = Following(
        lambda numbers: model(numbers).numpy(),
        codes.encode_all,
        codes.decode_batch,
        CONFIG.seen, CONFIG.positions, 2, 4, temperature,
    )  # fmt: skip
    given_ = np.random.RandomState(0).randint(0, 255, (40, 6, 16, 16, 1)).astype(np.uint8)
    together = np.concatenate([*following.videos(given_, 3, seed=7)])
    assert together.shape == (40, 3, 16, 16, 1)
    (alone,) = following.videos(given_[:2, -4:], 3, seed=7)
    np.testing.assert_allclose(alone, together[:2], atol=1e-5)
    if not temperature:
        (longer,) = following.videos(given_[:2], 5, seed=8)
        np.testing.assert_allclose(longer[:, :3], together[:2], atol=1e-5)
    else:
        (other,) = following.videos(given_[:2], 3, seed=8)
        assert np.any(other != alone)


def test_without_temperature_the_middle_of_what_is_likely_is_taken():
    chances = np.log([0.3, 0.15, 0.1, 0.45])  # the likeliest is at the end
    found = []
    for temperature in (0.0, 1e-3, 1.0):
        following = Following(
            lambda numbers: np.tile(chances, (len(numbers), 32, 1)),
            lambda images: np.zeros((len(images), 16), np.int32),
            lambda codes: np.ones((len(codes), 1, 1, 1)) * codes[:, :1, None, None],
            CONFIG.seen, CONFIG.positions, 2, 4, temperature,
        )  # fmt: skip
        (video,) = following.videos(np.zeros((9, 4, 1, 1, 1), np.uint8), 5, seed=7)
        found.append({*video.ravel().tolist()})
    assert found[0] == {10} and found[1] == {15} and len(found[2]) > 3  # numbers 2 2, and 3 3


def test_every_weight_learns():
    model = tiny_video.model()
    x, y = tiny_video.batch(20)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


def test_steps_on_two_devices_equal_those_on_one():
    data = tf.data.Dataset.from_tensor_slices(tiny_video.batch(7)).batch(5)
    after = []
    for where in ("cpu", "cpu:2"):
        with devices.strategy(where).scope():
            model = tiny_video.model()
            model.compile(SGD(0.01))
        model.fit(data, verbose=0, shuffle=False)
        after.append([variable.numpy() for variable in model.trainable_variables])
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path, monkeypatch):
    zoo.train(tiny_video.codes_recipe(train__epochs=1), tmp_path / "codes")
    recipe = tiny_video.recipe(tmp_path / "codes").completed()
    zoo.train(recipe, tmp_path / "whole")
    stop_and_resume(recipe, tmp_path / "parted", monkeypatch, step=4)
    assert_same_run(tmp_path / "whole", tmp_path / "parted")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__levels": [4, 3]}, "not of numbers that can all be the same"),
        ({"model__quantizer": "vq"}, "not of numbers that can all be the same"),
        ({"model__image_shape": [8, 8, 1]}, "are of images of 8x8x1, and frames of .* 16x16x1"),
    ],
)
def test_codes_that_do_not_fit_are_refused(tmp_path, changes, said):
    (tmp_path / "recipe.toml").write_text(tiny_video.codes_recipe(**changes).to_toml())
    with pytest.raises(UsageError, match=said):
        tiny_video.recipe(tmp_path).completed()


def test_sizes_are_those_of_the_codes(tmp_path):
    (tmp_path / "recipe.toml").write_text(tiny_video.codes_recipe().to_toml())
    found = tiny_video.recipe(tmp_path).completed().model
    assert (found.grid, found.numbers, found.levels) == ((4, 4), 2, 4)


def test_another_run_than_of_codes_is_refused():
    with pytest.raises(UsageError, match="of family 'vae'; expected a run of codes"):
        tiny_video.recipe("vae-mnist").completed()


@pytest.mark.parametrize(
    ("changes", "said"), [({"heads": 3}, "does not divide into 3 heads"), ({"seen": 1}, "seen")]
)
def test_a_configuration_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        VideoConfig(**{**tiny_video.RECIPE["model"], **tiny_video.SIZES, **changes})
