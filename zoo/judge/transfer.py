"""Whether generated images teach what real ones teach: train on synthetic, test on real."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from zoo.judge import Classifier, ClassifierConfig
from zoo.metric import Metric

TEST_BATCH = 500


@dataclass(frozen=True)
class Lesson:
    """How a pupil is trained: Adam, and a learning rate that falls to 0 as a cosine.

    Attributes:
        epochs: passes over the images.
        batch_size: images per step.
        learning_rate: the highest.
        seed: of the weights, the order of the images and how they are varied.
    """

    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 2e-3
    seed: int = 0


def transfer_accuracy(
    generated: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    config: ClassifierConfig,
    lesson: Lesson | None = None,
    real: tuple[np.ndarray, np.ndarray] | None = None,
) -> Metric:
    """Train a classifier on generated images and test it on real ones.

    Args:
        generated: images uint8 `(N, H, W, C)` and the labels `(N,)` they were generated for.
        test: real images and labels that nothing was trained on.
        config: of the classifier.
        lesson: how it is trained; the defaults of `Lesson` unless given.
        real: as many real training images and labels; with them the same training on real images
            gives the `floor`.

    Raises:
        UsageError: images and labels differ in number.
    """
    lesson = lesson or Lesson()
    further = {} if real is None else {"floor": teach(real, test, config, lesson)}
    return Metric(
        name="transfer_accuracy",
        value=teach(generated, test, config, lesson),
        unit="",
        definition=f"share of real test images that a classifier gets right after {lesson.epochs} "
        "epochs on generated images alone; the floor is that of one trained on real images",
        samples=len(generated[0]),
        seed=lesson.seed,
        test_samples=len(test[0]),
        better="higher",
        **further,
    )


def teach(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    config: ClassifierConfig,
    lesson: Lesson,
) -> float:
    """Return the share of test images that a classifier trained on `train` gets right."""
    for images, labels in (train, test):
        if len(images) != len(labels):
            raise UsageError(
                f"there are {len(images)} images and {len(labels)} labels; give one each"
            )
    keras.utils.set_random_seed(lesson.seed)
    pupil = Classifier(config, seed=lesson.seed)
    count = len(train[0])
    steps = lesson.epochs * -(-count // lesson.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(lesson.learning_rate, steps)
    pupil.compile(keras.optimizers.Adam(rate))
    ordered = _examples(train).shuffle(count, seed=lesson.seed).batch(lesson.batch_size)
    pupil.fit(ordered.map(_scaled).prefetch(2), epochs=lesson.epochs, shuffle=False, verbose=0)
    predict = tf.function(pupil, reduce_retracing=True)
    right = [
        np.argmax(predict(batch["image"]), axis=1) == batch["labels"]
        for batch in _examples(test).batch(TEST_BATCH).map(_scaled).as_numpy_iterator()
    ]
    return float(np.concatenate(right).mean())


def _examples(data: tuple[np.ndarray, np.ndarray]) -> tf.data.Dataset:
    images, labels = data
    return tf.data.Dataset.from_tensor_slices(
        {"image": images, "labels": np.asarray(labels, np.int32)}
    )


def _scaled(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {**batch, "image": tf.image.convert_image_dtype(batch["image"], tf.float32)}
