"""Judges by name: those that come with the package, and users' own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from serving.errors import UsageError, nearest
from zoo.judge.imagenet.judge import ImageNetJudge
from zoo.judge.judge import Judge, KerasJudge
from zoo.judge.pixels import Pixels
from zoo.recipe import Recipe
from zoo.training.workdir import WorkDir

JUDGES = Path(__file__).parent / "judges"
# Numbers by two judges cannot be compared, so each name stands for these very weights.
PINNED = {"mnist": "667b10f7aeb85a1e6e84cf0bd221aa5647798b5709644a944d4372f285401f3f"}

# Those that know nothing of a data set's classes.
CLASSLESS: dict[str, Callable[[], Judge]] = {Pixels.name: Pixels, ImageNetJudge.name: ImageNetJudge}


def own_judge(name: str) -> Path | None:
    """Return the work directory that a name stands for, None where it is one of the package's."""
    packaged = name in CLASSLESS or name in PINNED
    return None if packaged else Path(name).expanduser()


def trained(place: Path, family: str, known: Sequence[str], example: str) -> tuple[WorkDir, Recipe]:
    """Return the work directory of a judge, and its recipe.

    Args:
        place: the directory.
        family: that its model must be of.
        known: names of those that come with the package.
        example: a recipe that makes one.

    Raises:
        UsageError: nothing was trained there, or a model of another family.
    """
    directory, name = WorkDir(place), place.name if place.parent == JUDGES else str(place)
    if not directory.recipe.is_file():
        raise UsageError(
            f"there is no judge '{name}'{nearest(name, known) or '; there are ' + ', '.join(known)}"
            f" (or give the work directory of one, made by `genzoo train {example}`)"
        )
    recipe = directory.read_recipe()
    if recipe.model.family != family:
        raise UsageError(f"{name} is a run of family '{recipe.model.family}'; expected a {family}")
    return directory, recipe


def load_judge(name_or_workdir: str | Path) -> Judge:
    """Return a judge.

    Args:
        name_or_workdir: `mnist`, a `Classifier` that comes with the package; `pixels`, which needs
            no labels; `mobilenet`, of colour images, see `zoo.judge.imagenet.judge`; or the work
            directory of a run of a recipe such as `judge-mnist`.

    Raises:
        UsageError: there is no such judge, or its weights are not the ones that its name stands
            for.

    Example:
        >>> load_judge("pixels").name
        'pixels'
    """
    name = str(name_or_workdir)
    if name in CLASSLESS:
        return CLASSLESS[name]()
    directory, recipe = _classifier(name)
    class_names = directory.read_record().get("dataset_classes", ())
    return KerasJudge(
        recipe.build(), directory.best_weights, recipe.name, PINNED.get(name), class_names
    )


def judge_directory(name_or_workdir: str | Path) -> Path:
    """Return the work directory of a classifier that is a judge.

    Raises:
        UsageError: there is no such judge, or it tells no classes apart.
    """
    name = str(name_or_workdir)
    if name in CLASSLESS:
        raise UsageError(
            f"judge '{name}' tells no classes apart; name another, or the work directory of one, "
            "made by `genzoo train judge-mnist`"
        )
    return _classifier(name)[0].path


def _classifier(name: str) -> tuple[WorkDir, Recipe]:
    place = own_judge(name) or JUDGES / name
    return trained(place, "classifier", [*CLASSLESS, *PINNED], "judge-mnist")
