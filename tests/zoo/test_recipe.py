"""Recipes: strict, complete, and written so that they can be read back."""

import re

import pytest

import zoo
from serving import registry
from serving.errors import UsageError
from zoo import recipe as recipes


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_valid_and_says_how_to_run_it(name):
    recipe = zoo.Recipe.load(name)
    assert recipe.name == name
    head = registry.recipes()[name].read_text().split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"genzoo train {name} " in head


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_survives_writing_and_reading(name, tmp_path):
    recipe = zoo.Recipe.load(name, quick=True)
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert zoo.Recipe.load(tmp_path / "recipe.toml") == recipe


def test_overrides_win_over_quick_and_over_the_recipe():
    quick = zoo.Recipe.load("vae-digits", {"train.epochs": 7}, quick=True)
    assert (quick.train.epochs, quick.data.limit) == (7, 256)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train.epoch": 5}, "unknown key 'train.epoch'; did you mean 'epochs'?"),
        ({"train.epochs": "five"}, "key 'train.epochs' is 'five'; it should be a valid integer"),
        ({"train.epochs": 1.5}, "train.epochs"),
        ({"train.epochs": True}, "train.epochs"),
        ({"train.ema": 1.0}, "train.ema"),
        ({"train.accumulate": 3}, "batch_size 64 does not divide into accumulate 3 equal parts"),
        (
            {"train.weight_decay": 0.1},
            "weight_decay is of adamw and muon, and adam would ignore it",
        ),
        ({"trian.epochs": 1}, "unknown key 'trian'; did you mean 'train'?"),
        ({"train.epochs.x": 1}, "'epochs' is a value, not a table"),
        ({"model.channels": 4}, "model.channels"),
        ({"model.likelihood": "bernoulli"}, "a Bernoulli likelihood is one of binary images"),
        ({"evaluate.importance_samples": 0}, "evaluate.importance_samples"),
    ],
)
def test_a_bad_override_is_one_line_that_names_the_key(overrides, message):
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        zoo.Recipe.load("vae-digits", overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vae-digit", "did you mean 'vae-digits'"),
        ("x/y.toml", "no recipe file"),
        ("", "the zoo has"),
    ],
)
def test_an_unknown_recipe_is_refused(name, message):
    with pytest.raises(UsageError, match=message):
        zoo.Recipe.load(name)


@pytest.mark.parametrize("text", ["a = ", "summary = 3\n", "\xff"])
def test_a_broken_file_is_refused(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="recipe"):
        zoo.Recipe.load(path)


def test_a_recipe_that_lacks_a_method_fails_where_it_is_defined():
    with pytest.raises(TypeError, match="recipe Half does not define task"):

        class Half(zoo.Recipe):
            def build(self):
                return None
