"""Where a run begins that does not begin at random: another run, a bundle or a published model."""

from pathlib import Path
from typing import Any

import keras

from serving.errors import UsageError
from zoo import presets
from zoo.recipe import Recipe
from zoo.training.workdir import WorkDir

# Of the learning rate of the model's own recipe. Parts of a larger model learn at the whole of it:
# a third of `gpt-shakespeare-nano`, after 150 steps, was at 1.970 nats by it, and 2.202 at a tenth.
TUNING_RATE = 0.1


def fine_tuning(
    source: str | Path, overrides: dict[str, Any] | None = None, *, quick: bool = False
) -> Recipe:
    """Return the recipe that goes on from a finished model: its own, at a tenth of the rate.

    With `train.lora` or `train.prune` among the overrides the rate is the model's own: what is
    trained then begins anew, or has much to learn again.

    Args:
        source: a work directory, a bundle, or a name of `genzoo list`.
        overrides: values by dotted key, such as `{"data.name": "./photos"}`.
        quick: shrink the recipe to seconds, on the same code path. Overrides win.

    Raises:
        UsageError: there is no such model, or a key or value is not valid.

    Example:
        >>> recipe = fine_tuning("dcgan-mnist", {"data.name": "./photos", "data.resize": True})
        >>> recipe.name, recipe.train.initial_weights
        ('dcgan-mnist-tuned', 'dcgan-mnist')
    """
    found, overrides = recipe_of(source), overrides or {}
    anew = overrides.get("train.lora") or overrides.get("train.prune")
    rate = 1.0 if anew else TUNING_RATE
    changes = {
        "name": f"{found.name.removesuffix('-tuned')}-tuned",
        "train.initial_weights": str(source),
        "train.learning_rate": rate * found.train.learning_rate,
        # How the model came about is over; what was trained of low rank is merged into its weights.
        "train.lora": 0,
        "train.prune": None,
        "train.teacher": None,
        "train.teacher_weight": None,
        "train.teacher_temperature": None,
    }
    return found.changed(changes | overrides, quick=quick)


def recipe_of(source: str | Path) -> Recipe:
    """Return the recipe of a run, a bundle or a published model."""
    directory = WorkDir(source)
    return directory.read_recipe() if _is_run(source) else presets.recipe_of(source)


def name_of(source: str | Path) -> str:
    """Return what a run, a bundle or a published model is called."""
    return recipe_of(source).name if _is_run(source) else presets.name_of(source)


def asset_of(source: str | Path, file: str) -> bytes:
    """Return the content of a file that a run, a bundle or a published model keeps.

    Raises:
        UsageError: it keeps none of that name.
    """
    if not _is_run(source):
        return presets.asset_of(source, file)
    path = WorkDir(source).path / file
    if not path.is_file():
        raise UsageError(f"{source} has no {file}; it is no run of such a model")
    return path.read_bytes()


def inherited(source: str | Path) -> dict[str, Any]:
    """Return what the record of a run takes over from the model it goes on from.

    That is the licence of the weights, where it is known, and the checkpoint they once came from.
    """
    record = WorkDir(source).read_record() if _is_run(source) else presets.record_of(source)
    return {key: record[key] for key in ("license", "checkpoint") if record.get(key)}


def copy_weights(model: keras.Model, source: str | Path) -> None:
    """Copy the weights of a run, a bundle or a published model into `model`.

    Raises:
        UsageError: there is no such thing, or its weights have other shapes.
    """
    other = model_of(source)
    ours, theirs = model.trainable_variables, other.trainable_variables
    if [variable.shape for variable in ours] != [variable.shape for variable in theirs]:
        raise UsageError(
            f"the weights of {source} do not fit the recipe's [model] table, which may differ from "
            "that of the source in objective, samples, beta and free_bits; a Transformer can be "
            "made of parts of a larger one with train.prune"
        )
    for target, value in zip(ours, theirs, strict=True):
        target.assign(value.numpy())


def model_of(source: str | Path) -> keras.Model:
    """Return the Keras model of a run, a bundle or a published model, with its weights."""
    return from_workdir(source) if _is_run(source) else presets.from_preset(source)


def from_workdir(workdir: str | Path) -> keras.Model:
    """Rebuild the model of a run with the weights that validated best.

    Raises:
        UsageError: the directory holds no run, or one that has not completed an epoch.
    """
    directory = WorkDir(workdir)
    recipe = directory.read_recipe()
    if not directory.best_weights.is_file():
        raise UsageError(f"{workdir} has no weights yet; train it with --resume first")
    model = recipe.build()
    model.load_weights(directory.best_weights)
    return model


def _is_run(source: str | Path) -> bool:
    return WorkDir(source).recipe.is_file()
