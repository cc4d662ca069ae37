"""The registry: this package's families, and those that installed packages bring."""

from importlib.metadata import EntryPoint

import pytest

from serving import registry
from serving.content.content import Content
from serving.content.text import TextContent
from serving.errors import GenzooError, UsageError
from serving.registry import Family
from zoo.recipe import Recipe

HERE = __name__


class Morse(TextContent):
    """A kind of content of somebody else's."""

    name = "morse"


MORSE = Family(
    name="morse",
    title="Telegraphs",
    gives="morse",
    contents={"morse": f"{HERE}:Morse"},
    recipes="zoo.recipes",
)
SECOND_VAE = Family(name="vae", title="Another")
NO_FAMILY = {"name": "morse"}


@pytest.fixture
def installed(monkeypatch):
    """Say which entry points installed packages have: `installed(morse="MORSE")`."""

    def install(**values):
        points = [
            EntryPoint(name, f"{HERE}:{value}", registry.GROUP) for name, value in values.items()
        ]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry.families.cache_clear()

    yield install
    monkeypatch.undo()
    registry.families.cache_clear()


def complaint(function, *arguments, error=UsageError):
    with pytest.raises(error) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", registry.families())
def test_what_a_family_names_is_there(name):
    family = registry.family(name)
    assert family.name == name and family.title
    assert issubclass(registry.load(family, "recipe"), Recipe)
    if family.runtime is None:
        assert family.gives is None and family.exporter is None
        return
    for kind in (family.gives, *family.contents):
        assert isinstance(registry.content(kind), Content) and registry.content(kind).name == kind


def test_a_kind_of_content_is_made_once():
    assert registry.content("image") is registry.content("image")


def test_what_is_not_there_is_one_line():
    assert "no family is called 'vea'; did you mean 'vae'?" in complaint(registry.family, "vea")
    assert "there are vae, gan, transformer" in complaint(registry.family, "x" * 900)
    assert "did you mean 'image'?" in complaint(registry.content, "imag")
    assert "there are image, text, array, numbers" in complaint(registry.content, "?")
    judge = registry.family("classifier")
    assert "'classifier' have no runtime" in complaint(registry.load, judge, "runtime")


def test_recipes_are_found_by_name():
    found = registry.recipes()
    assert {"vae-mnist", "cgan-mnist", "gpt-shakespeare"} <= found.keys()
    assert all(path.is_file() and path.stem == name for name, path in found.items())


def test_an_installed_family_is_one_of_all(installed):
    before = registry.recipes()
    installed(morse="MORSE")
    own = ["vae", "gan", "transformer", "music", "translation", "masked"]
    own += ["restoration", "repair", "restyling", "flow", "image_codes", "code_prior"]
    own += ["video_prediction"]
    assert list(registry.families()) == [*own, "classifier", "scorer", "detector", "morse"]
    assert registry.family("morse") is MORSE
    assert isinstance(registry.content("morse"), Morse)
    assert registry.recipes() == before  # of a folder that two families name, each once


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NOTHING", "cannot be loaded: "),
        ("NO_FAMILY", "is dict; expected a Family"),
        ("SECOND_VAE", "is a second family 'vae'; uninstall one"),
    ],
)
def test_an_entry_point_that_is_none_is_named(installed, value, words):
    installed(tune=value)
    line = complaint(registry.families, error=GenzooError)
    assert f"the entry point tune = {HERE}:{value} of genzoo.families {words}" in line
