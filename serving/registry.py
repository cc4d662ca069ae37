"""The registry of families: the one place where they are listed.

A family says where its parts are, and each is loaded when it is first asked for: its recipe takes
TensorFlow, its exporter ONNX, its runtime neither. Installed packages add families of their own by
the entry point `genzoo.families`, whose value is a `Family`:

    [project.entry-points."genzoo.families"]
    chiptune = "chiptunes:CHIPTUNE"
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from serving.errors import GenzooError, UsageError, first_line, nearest

GROUP = "genzoo.families"


@dataclass(frozen=True)
class Family:
    """What is known of a family before any of it is loaded.

    Attributes:
        name: as recipes (`model.family`) and manifests have it.
        title: of all its models, for lists.
        gives: the kind of content that its models make; none of what is no generative model.
        recipe: a `zoo.recipe.Recipe`, as `module:name`.
        exporter: an `export.families.exporter.Exporter`, likewise.
        runtime: a `serving.families.model.Model`, likewise.
        contents: kinds of content that come with it beside those that are there, by name, likewise.
        recipes: the package whose folder holds the recipes of the family, `NAME.toml`.
    """

    name: str
    title: str
    gives: str | None = None
    recipe: str | None = None
    exporter: str | None = None
    runtime: str | None = None
    contents: Mapping[str, str] = field(default_factory=dict)
    recipes: str | None = None


_OWN = (
    Family(
        name="vae",
        title="Variational autoencoders",
        gives="image",
        recipe="zoo.vae.recipe:VAERecipe",
        exporter="export.families.vae:VAEExporter",
        runtime="serving.families.vae:VAE",
        recipes="zoo.recipes",
    ),
    Family(
        name="gan",
        title="Generative adversarial networks",
        gives="image",
        recipe="zoo.gan.recipe:GANRecipe",
        exporter="export.families.gan:GANExporter",
        runtime="serving.families.gan:GAN",
    ),
    Family(
        name="transformer",
        title="Transformers",
        gives="text",
        recipe="zoo.transformer.recipe:GPTRecipe",
        exporter="export.families.gpt:GPTExporter",
        runtime="serving.families.gpt:GPT",
    ),
    Family(
        name="music",
        title="Music",
        gives="piece",
        recipe="zoo.music.recipe:MusicRecipe",
        exporter="export.families.music:MusicExporter",
        runtime="serving.families.music:Music",
    ),
    Family(
        name="translation",
        title="Translators",
        gives="text",
        recipe="zoo.translation.recipe:TranslationRecipe",
        exporter="export.families.translation.exporter:TranslationExporter",
        runtime="serving.families.translation:Translator",
    ),
    Family(
        name="masked",
        title="Masked language models",
        gives="text",
        recipe="zoo.masked.recipe:MaskedRecipe",
        exporter="export.families.masked.exporter:MaskedExporter",
        runtime="serving.families.masked:MaskedLanguageModel",
    ),
    Family(
        name="restoration",
        title="Restorers of photographs",
        gives="photograph",
        recipe="zoo.restoration.recipe:RestorationRecipe",
        exporter="export.families.restoration.exporter:RestorationExporter",
        runtime="serving.families.restoration.restorer:Restorer",
    ),
    Family(
        name="repair",
        title="Menders of photographs",
        gives="photograph",
        recipe="zoo.repair.recipe:RepairRecipe",
        exporter="export.families.repair.exporter:RepairExporter",
        runtime="serving.families.repair.repairer:Repairer",
    ),
    Family(
        name="restyling",
        title="Painters of photographs",
        gives="photograph",
        recipe="zoo.style.recipe:StyleRecipe",
        exporter="export.families.style.exporter:StyleExporter",
        runtime="serving.families.style.restyler:Restyler",
    ),
    Family(
        name="flow",
        title="Flows",
        gives="image",
        recipe="zoo.flow.recipe:FlowRecipe",
        exporter="export.families.flow.exporter:FlowExporter",
        runtime="serving.families.flow.flow:Flow",
    ),
    Family(
        name="image_codes",
        title="Codes of images",
        gives="image",
        recipe="zoo.codes.recipe:CodesRecipe",
        exporter="export.families.codes.codes:CodesExporter",
        runtime="serving.families.codes.codes:Codes",
    ),
    Family(
        name="code_prior",
        title="Priors of codes",
        gives="image",
        recipe="zoo.prior.recipe:PriorRecipe",
        exporter="export.families.codes.prior:PriorExporter",
        runtime="serving.families.codes.prior:CodePrior",
    ),
    Family(
        name="video_prediction",
        title="Models of video",
        gives="video",
        recipe="zoo.video.recipe:VideoRecipe",
        exporter="export.families.video.exporter:VideoExporter",
        runtime="serving.families.video.video:Video",
    ),
    Family(name="classifier", title="Judges", recipe="zoo.judge.recipe:ClassifierRecipe"),
    Family(name="scorer", title="Scorers of captions", recipe="zoo.scorer.recipe:ScorerRecipe"),
    Family(
        name="detector",
        title="Judges of scenes",
        recipe="zoo.judge.scenes.recipe:DetectorRecipe",
    ),
)
_OWN_BY_NAME = {family.name: family for family in _OWN}
_CONTENTS = {
    "image": "serving.content.image:ImageContent",
    "text": "serving.content.text:TextContent",
    "array": "serving.content.array:ArrayContent",
    "numbers": "serving.content.numbers:NumbersContent",
    "piece": "serving.content.music:MusicContent",
    "fillings": "serving.content.fillings:FillingsContent",
    "photograph": "serving.content.photograph:PhotographContent",
    "style": "serving.content.style:StyleContent",
    "video": "serving.content.video:VideoContent",
}


@cache
def families() -> dict[str, Family]:
    """Return every family by name: this package's, then those of installed packages by name.

    Raises:
        GenzooError: an installed package's entry point cannot be loaded, is no family, or has the
            name of another.

    Example:
        >>> list(families())[:3]
        ['vae', 'gan', 'transformer']
    """
    found = dict(_OWN_BY_NAME)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        package = f"the entry point {entry.name} = {entry.value} of {GROUP}"
        try:
            family = entry.load()
        except Exception as error:  # somebody else's code
            raise GenzooError(f"{package} cannot be loaded: {first_line(error)}") from error
        if not isinstance(family, Family):
            raise GenzooError(f"{package} is {type(family).__name__}; expected a Family")
        if family.name in found:
            raise GenzooError(f"{package} is a second family '{family.name}'; uninstall one")
        found[family.name] = family
    return found


def family(name: str) -> Family:
    """Return a family.

    Raises:
        UsageError: there is none of that name.
    """
    # What is installed is looked through for other names only: that takes longer than all the rest.
    known = _OWN_BY_NAME if name in _OWN_BY_NAME else families()
    if name not in known:
        hint = nearest(name, known) or f"; there are {', '.join(known)}"
        raise UsageError(
            f"no family is called '{name[:80]}'{hint} (is the package that brings it installed?)"
        )
    return known[name]


def load(family: Family, what: str) -> Any:
    """Return the `recipe`, `exporter` or `runtime` of a family.

    Raises:
        UsageError: the family has none.
        GenzooError: it cannot be loaded.
    """
    path = getattr(family, what)
    if path is None:
        raise UsageError(f"models of family '{family.name}' have no {what}")
    return _resolved(path, f"the {what} of family '{family.name}'")


def content(name: str) -> Any:
    """Return a kind of content, a `serving.content.content.Content`.

    Raises:
        UsageError: there is none of that name, and no family brings it.
        GenzooError: it cannot be loaded.

    Example:
        >>> content("text").unit
        'tokens'
    """
    known = _CONTENTS
    if name not in known:
        known = {key: path for each in families().values() for key, path in each.contents.items()}
    if name not in known:
        known |= _CONTENTS
        hint = nearest(name, known) or f"; there are {', '.join(known)}"
        raise UsageError(f"no kind of content is called '{name[:80]}'{hint}")
    return _made(known[name])


def contents() -> list[Any]:
    """Return every kind of content: this package's, then those that families bring.

    Example:
        >>> [each.name for each in contents()][:2]
        ['image', 'text']
    """
    brought = {key: path for each in families().values() for key, path in each.contents.items()}
    return [_made(path) for path in (_CONTENTS | brought).values()]


def recipes() -> dict[str, Path]:
    """Return the recipes of all families by name; a package cannot replace another's.

    Raises:
        GenzooError: a family names a folder that is none, or has no recipes.

    Example:
        >>> recipes()["vae-mnist"].name
        'vae-mnist.toml'
    """
    found: dict[str, Path] = {}
    for family in families().values():
        for path in _recipes(family) if family.recipes else ():
            found.setdefault(path.stem, path)
    return found


def _recipes(family: Family) -> list[Path]:
    """Return a family's own recipes; the folder need be no package, but lies in one."""
    parent, _, folder = str(family.recipes).rpartition(".")
    try:
        package = Path(import_module(parent or folder).__path__[0])
    except (ImportError, AttributeError) as error:
        raise GenzooError(
            f"family '{family.name}': its recipes '{family.recipes}' cannot be found: "
            f"{first_line(error)}"
        ) from error
    found = sorted((package / (folder if parent else "")).glob("*.toml"))
    if not found:
        raise GenzooError(f"family '{family.name}': there is no recipe in '{family.recipes}'")
    return found


def package_of(name: str) -> tuple[str, str] | None:
    """Return name and version of the installed package that brings a family; None of its own.

    Example:
        >>> package_of("vae") is None
        True
    """
    for entry in entry_points(group=GROUP):
        if entry.dist is not None and getattr(entry.load(), "name", None) == name:
            return entry.dist.name, entry.dist.version
    return None


def _resolved(path: str, what: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise GenzooError(f"{what}, {path}, cannot be loaded: {first_line(error)}") from error


@cache
def _made(path: str) -> Any:
    return _resolved(path, "a kind of content")()
