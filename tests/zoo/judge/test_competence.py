"""A judge is asked only about what it can judge, and that is known before anything is trained."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import zoo
from serving.errors import UsageError
from zoo.data.images import Images, ImagesConfig
from zoo.judge import Pixels, load_judge
from zoo.judge.competence import check
from zoo.judge.samples import LEAST_IMAGES

DIGITS = tuple("0123456789")


def images(shape=(28, 28, 1), **config):
    config = {"name": "digits", "resize": True, "validation": LEAST_IMAGES} | config
    return Images(ImagesConfig(**config), shape)


def judge(shape=(28, 28, 1), classes=10, names=DIGITS):
    return SimpleNamespace(name="j", image_shape=shape, classes=classes, class_names=names)


def pets(root, labels=("cat", "dog"), count=60):
    """Grey pictures of 28x28, in folders of train and test."""
    random = np.random.RandomState(0)
    for split in ("train", "test"):
        for label in labels:
            (root / split / label).mkdir(parents=True)
            for index in range(count):
                pixels = random.randint(0, 256, (28, 28), np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{index}.png")
    return root


def test_judges_of_the_package_say_what_they_judge():
    mnist, pixels = load_judge("mnist"), Pixels()
    assert (mnist.image_shape, mnist.classes, mnist.class_names) == ((28, 28, 1), 10, DIGITS)
    assert (pixels.image_shape, pixels.classes) == (None, 1)


def test_whoever_knows_the_images_may_judge_them():
    for shape in ((28, 28, 1), (32, 32, 3), (5, 9, 1)):
        check(Pixels(), images(shape))
    check(load_judge("mnist"), images())
    check(judge(names=()), images())  # nobody wrote down what its labels mean
    check(judge(shape=None), images((32, 32, 3)))


@pytest.mark.parametrize(
    ("who", "shape", "message"),
    [
        (judge(), (28, 28, 3), "'j' takes images of 28x28x1, not 28x28x3; set evaluate.judge"),
        (judge(), (32, 32, 1), "'j' takes images of 28x28x1, not 32x32x1"),
        (
            judge(classes=2, names=("0", "1")),
            (28, 28, 1),
            r"knows 2 classes \('0', '1'\), and 'digits'",
        ),
        (
            judge(classes=26, names=()),
            (28, 28, 1),
            r"knows 26 classes, and 'digits' has 10 classes \(",
        ),
        (
            judge(names=DIGITS[::-1]),
            (28, 28, 1),
            r"\('9', '8', '7', '6', \.\.\.\), and 'digits' has 10",
        ),
    ],
)
def test_other_images_and_other_classes_are_refused(who, shape, message):
    with pytest.raises(UsageError, match=message) as caught:
        check(who, images(shape))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", [("cat", "dog"), ("",)])
def test_pets_are_no_digits(tmp_path, labels):
    """Their labels 0 and 1 are not the judge's; of pictures without labels nothing is known."""
    source = Images(
        ImagesConfig(name=str(pets(tmp_path / "pets", labels)), validation=30), (28, 28, 1)
    )
    said = "2 classes \\('cat', 'dog'\\)" if len(labels) == 2 else "no classes"
    with pytest.raises(
        UsageError, match=f"judge 'judge-mnist' knows 10 classes .* has {said}; set"
    ):
        check(load_judge("mnist"), source)
    check(Pixels(), source)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"validation": 1}, "validation part of 'digits' has 1 images; .*; raise data.validation"),
        ({"validation": 29}, "at least 30, as the covariance of fewer says little"),
        ({"limit": 29}, "validation part of 'digits' has 29 images; .*; raise data.limit"),
    ],
)
def test_too_few_images_are_refused(config, message):
    with pytest.raises(UsageError, match=message) as caught:
        check(Pixels(), images(**config))
    assert "\n" not in str(caught.value)


def test_too_few_to_test_on_are_refused(tmp_path):
    root = pets(tmp_path / "pets", count=20)
    for index in range(11):
        (root / "test" / "dog" / f"{index}.png").unlink()
    source = Images(ImagesConfig(name=str(root), validation=30), (28, 28, 1))
    with pytest.raises(
        UsageError, match=r"the test part of .* has 29 images; .* into a folder test/"
    ):
        check(Pixels(), source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.validation": 1}, "raise data.validation"),
        ({"model.image_shape": [32, 32, 1]}, "takes images of 28x28x1, not 32x32x1"),
        ({"model.image_shape": [28, 28, 3]}, "takes images of 28x28x1, not 28x28x3"),
        ({"evaluate.samples": 12}, "evaluate.samples"),
        (
            {"model.image_shape": [4, 4, 1], "model.classes": 10, "evaluate.judge": "pixels"}
            | {"evaluate.lesson": 9, "model.channels": [4]},
            "evaluate.lesson: images of 4x4 cannot be halved 3 times",
        ),
    ],
)
def test_a_recipe_that_cannot_be_measured_is_not_trained(tmp_path, changes, message):
    small = {"model.channels": [4, 4], "data.name": "digits", "data.resize": True}
    with pytest.raises(UsageError, match=message):
        zoo.train("dcgan-mnist", tmp_path / "run", overrides=small | changes, quick=True)
    assert not list(tmp_path.iterdir())


def test_a_trained_judge_knows_the_classes_that_it_learned(tmp_path):
    root = pets(tmp_path / "pets", count=40)
    changes = {"data.name": str(root), "data.limit": 72, "model.channels": [4], "model.classes": 2}
    zoo.train("judge-mnist", tmp_path / "run", overrides=changes | {"train.epochs": 1}, quick=True)
    found = load_judge(tmp_path / "run")
    assert (found.classes, found.class_names) == (2, ("cat", "dog"))
    with pytest.raises(UsageError, match=r"knows 2 classes \('cat', 'dog'\), and 'digits' has 10"):
        check(found, images())
