"""A run that begins with the weights of another run, a bundle or a published model."""

import numpy as np
import pytest

import zoo
import zoo.cli
from serving.errors import UsageError
from zoo.data import tokenizers
from zoo.training.beginning import TUNING_RATE

TEXT = "the cat sat on the mat, and the dog sat on the cat. " * 60
TINY = {
    "model.context": 16,
    "model.layers": 1,
    "model.width": 16,
    "model.heads": 2,
    "train.epochs": 1,
    "train.steps_per_epoch": 2,
    "train.batch_size": 4,
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A finished run on a text of few characters."""
    place = tmp_path_factory.mktemp("source")
    (place / "book.txt").write_text(TEXT)
    size = len(set(TEXT)) + len(tokenizers.SPECIAL)
    changes = {"data.name": str(place / "book.txt"), "model.vocabulary_size": size}
    return zoo.train("gpt-shakespeare-nano", place / "run", overrides=TINY | changes).workdir


def test_the_recipe_is_that_of_the_model_at_a_lower_rate():
    recipe = zoo.fine_tuning("cgan-mnist", {"data.name": "./photos", "data.resize": True})
    assert recipe.name == "cgan-mnist-tuned"
    assert recipe.train.initial_weights == "cgan-mnist"
    assert (recipe.data.name, recipe.data.resize) == ("./photos", True)
    own = zoo.Recipe.load("cgan-mnist")
    assert recipe.model.classes == own.model.classes
    assert zoo.fine_tuning("cgan-mnist", {"train.epochs": 9}, quick=True).train.epochs == 9


@pytest.mark.long
def test_text_keeps_the_tokens_that_the_weights_have_learned(source, tmp_path):
    (tmp_path / "other.txt").write_text("the mat sat on the dog. " * 100)
    changes = {"data.name": str(tmp_path / "other.txt"), "train.learning_rate": 1e-9}
    recipe = zoo.fine_tuning(source, changes | {"train.ema": 0.0})
    tuned = zoo.train(recipe, tmp_path / "run").workdir
    assert (tuned / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    before, after = zoo.from_workdir(source), zoo.from_workdir(tuned)
    for ours, theirs in zip(after.get_weights(), before.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_text_that_the_tokens_cannot_write_is_refused(source, tmp_path):
    (tmp_path / "other.txt").write_text("QUIZ! " * 100)
    recipe = zoo.fine_tuning(source, {"data.name": str(tmp_path / "other.txt")})
    with pytest.raises(UsageError, match="characters that the tokenizer does not know: '!', 'I'"):
        zoo.train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_rate_is_a_tenth(source):
    own = zoo.Recipe.load(source / "recipe.toml")
    assert zoo.fine_tuning(source).train.learning_rate == TUNING_RATE * own.train.learning_rate


def test_a_model_of_images_has_no_tokens_to_begin_with(tmp_path):
    recipe = zoo.Recipe.load("gpt-python-topics", {"train.initial_weights": "vae-mnist"})
    with pytest.raises(UsageError, match=r"vae-mnist has no tokenizer\.json; expected a model of"):
        zoo.train(recipe, tmp_path / "run")


def test_the_command_takes_a_recipe_or_a_model():
    with pytest.raises(UsageError, match="no recipe is given"):
        zoo.cli._choose(None, None, {}, False)
    both = zoo.cli._choose("vae-mnist", "runs/mine", {"train.epochs": 2}, False)
    assert (both.name, both.train.initial_weights, both.train.epochs) == (
        "vae-mnist",
        "runs/mine",
        2,
    )
    assert zoo.cli._choose(None, "dcgan-mnist", {}, True).name == "dcgan-mnist-tuned"
