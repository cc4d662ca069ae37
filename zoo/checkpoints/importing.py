"""An open checkpoint as a work directory, which is measured, trained and exported as a run is."""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from serving.errors import GenzooError, UsageError, first_line
from zoo.checkpoints.blocks import save_blocks
from zoo.checkpoints.checkpoint import Checkpoint, CheckpointError
from zoo.checkpoints.kept import kept_blocks
from zoo.checkpoints.loading import architecture_of, from_checkpoint, open_checkpoint
from zoo.data import given, tokenizers
from zoo.recipe import Recipe
from zoo.startup import conventions
from zoo.training.provenance import provenance
from zoo.training.workdir import WorkDir
from zoo.transformer import GPT

NOT_STATED = "not stated"
# Keys of [model] that are not the checkpoint's to say.
CHANGEABLE = ("context", "dropout", "attention_dropout")
# For fine-tuning, whose rate is a tenth of the recipe's, on a little text that needs no download.
DATA = {"name": "python_topics", "tokenizer": given.KIND}
TRAIN = {
    "epochs": 3,
    "batch_size": 8,
    "optimizer": "adamw",
    "learning_rate": 3e-4,
    "warmup_steps": 10,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "ema": 0.0,
}


class Imported(NamedTuple):
    """What was made of a checkpoint.

    Attributes:
        workdir: where it lies.
        recipe: that it goes by.
        parameters: of the model.
        licence: of the weights, "not stated" where the source says nothing.
    """

    workdir: Path
    recipe: Recipe
    parameters: int
    licence: str


def import_checkpoint(
    source: str | Path, out: str | Path, *, overrides: Mapping[str, Any] | None = None
) -> Imported:
    """Make a work directory of an open checkpoint.

    `genzoo evaluate`, `genzoo export` and `genzoo train --from` take it as they take a run. The
    tokenizer, the chat template and the settings of generation are kept as they come.

    Args:
        source: a folder of Hugging Face, or a GGUF file.
        out: a new directory.
        overrides: values of the recipe by dotted key, such as `{"model.context": 2048}`; of
            `[model]` only what does not change the model.

    Raises:
        CheckpointError: the checkpoint is not whole, or of a model that is not understood.
        UsageError: there is no such source, the directory is not new, or a key or value is not
            valid. Nothing is left behind.

    Example:
        >>> import_checkpoint("nowhere.gguf", "runs/nothing")
        Traceback (most recent call last):
        serving.errors.UsageError: there is no file nowhere.gguf
        >>> made = import_checkpoint("SmolLM2-135M", "runs/smollm2")  # doctest: +SKIP
        >>> made.parameters  # doctest: +SKIP
        134515008
    """
    out, overrides = Path(out), dict(overrides or {})
    _check_free(out)
    _check_overrides(overrides)
    checkpoint = open_checkpoint(source)
    files = _files(checkpoint)
    with conventions("float32"):
        model = from_checkpoint(checkpoint, context=overrides.get("model.context"))
    recipe = _recipe(checkpoint, model, overrides)
    try:
        files.reader(recipe.model.vocabulary_size)
    except GenzooError as error:
        raise CheckpointError(f"{checkpoint.source}: {error}") from None
    with _fresh(out) as place:
        directory = WorkDir(place)
        directory.claim(recipe)
        files.write(place)
        model.save_weights(directory.best_weights)
        if blocks := kept_blocks(model, checkpoint.tensors):
            save_blocks(directory.blocks, blocks)
        directory.write_record(_record(checkpoint, model, recipe))
    return Imported(out, recipe, int(model.count_params()), checkpoint.licence or NOT_STATED)


def _recipe(checkpoint: Checkpoint, model: GPT, overrides: Mapping[str, Any]) -> Recipe:
    name = re.sub(r"[^a-z0-9]+", "-", Path(checkpoint.source).stem.lower()).strip("-")[:64]
    values = {
        "name": name or "imported",
        "summary": f"{checkpoint.source}, a {architecture_of(checkpoint).model_type}, imported",
        "model": model.config.model_dump(mode="json", exclude_none=True),
        "data": DATA,
        "train": TRAIN,
    }
    recipe = Recipe.parse(values, f"recipe of {checkpoint.source}").changed(dict(overrides))
    if recipe.data.tokenizer != given.KIND:
        raise UsageError("data.tokenizer of an imported model is 'given'; leave it out")
    return recipe


def _record(checkpoint: Checkpoint, model: GPT, recipe: Recipe) -> dict[str, Any]:
    """Return what is known of where the weights come from; of their training that is nothing."""
    licence = checkpoint.licence or NOT_STATED
    return {
        "parameters": int(model.count_params()),
        "seed": recipe.train.seed,
        "dataset": NOT_STATED,
        "dataset_license": NOT_STATED,
        "train_seconds": 0.0,
        **provenance(recipe.model.family),
        "hardware": NOT_STATED,
        "license": licence,
        "checkpoint": {
            "source": checkpoint.source,
            "sha256": checkpoint.sha256,
            "license": licence,
        },
    }


# --- what belongs to the weights ---


def _files(checkpoint: Checkpoint) -> given.Given:
    """Return the files that are kept, of which there must be a tokenizer."""
    if checkpoint.tokenizer is None:
        raise CheckpointError(
            f"{checkpoint.source} has no {tokenizers.FILE}; save its tokenizer in that format "
            "(save_pretrained of a fast tokenizer of transformers does)"
        )
    found = {tokenizers.FILE: checkpoint.tokenizer}
    for what, values in (
        ("tokenizer_config", checkpoint.tokenizer_config),
        ("generation_config", checkpoint.generation),
    ):
        if values:
            found[given.FILES[what]] = (json.dumps(values, indent=2) + "\n").encode()
    if checkpoint.chat_template is not None:
        found[given.FILES["chat_template"]] = checkpoint.chat_template.encode()
    return given.Given(found)


def _check_overrides(overrides: Mapping[str, Any]) -> None:
    known = [f"model.{key}" for key in CHANGEABLE]
    for key in overrides:
        if key.startswith("model.") and key not in known:
            raise UsageError(
                f"key '{key}' is the checkpoint's to say; what can be changed of the model is "
                f"{', '.join(known)}"
            )
    context = overrides.get("model.context")
    if context is not None and type(context) is not int:
        raise UsageError(f"key 'model.context' is {context!r}; expected a whole number")


# --- a directory that is there whole or not at all ---


def _check_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise UsageError(f"{out} is there already; give a new directory")


@contextmanager
def _fresh(out: Path) -> Iterator[Path]:
    """Give an empty directory beside `out` to fill, which becomes it when the block ends well."""
    place = out.absolute()
    staging = place.with_name(f".{secrets.token_hex(4)}-{place.name}")
    try:
        staging.mkdir(parents=True)
        yield staging
        staging.rename(place)  # over an empty directory too
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise UsageError(f"{out} cannot be written ({reason}); give another directory") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
