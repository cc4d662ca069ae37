"""Trainable Keras models from published weights."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras

from serving.errors import GenzooError, first_line
from serving.hub import Source, complete, find
from zoo.recipe import Recipe

MANIFEST, WEIGHTS, TOKENIZER = "bundle.json", "model.weights.h5", "tokenizer.json"


def from_preset(name_or_dir: str | Path) -> keras.Model:
    """Build the Keras model of a bundle, with its weights.

    The weights are loaded into a class of ours, built from the bundle's recipe; nothing of the
    bundle is executed. Files are compared with the hashes of the catalogue, or in a directory with
    those of the bundle's manifest, before they are read.

    Args:
        name_or_dir: a name of `genzoo list`, or a bundle directory.

    Raises:
        UsageError: there is no such model.
        GenzooError: the bundle is not whole, or not the one that the catalogue pins.

    Example:
        >>> model = from_preset("vae-mnist")
        >>> model.generate(2, seed=7).shape
        (2, 28, 28, 1)
    """
    source, manifest, recipe = _read(name_or_dir)
    try:
        _whole(source, WEIGHTS, manifest["files"][WEIGHTS]["sha256"])
        model = recipe.build()
        model.load_weights(source.directory / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(source, error) from error
    return model


def recipe_of(name_or_dir: str | Path) -> Recipe:
    """Return the recipe that a bundle was made by; raises as `from_preset` does.

    Example:
        >>> recipe_of("cgan-mnist").data.name
        'mnist'
    """
    return _read(name_or_dir)[2]


def tokenizer_of(name_or_dir: str | Path) -> bytes:
    """Return the content of a bundle's `tokenizer.json`; raises as `from_preset` does."""
    source, manifest, _ = _read(name_or_dir)
    try:
        return _whole(source, TOKENIZER, manifest["files"][TOKENIZER]["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(source, error) from error


def _read(name_or_dir: str | Path) -> tuple[Source, dict[str, Any], Recipe]:
    source = find(name_or_dir)
    try:
        manifest = json.loads(_whole(source, MANIFEST, None))
        recipe = Recipe.parse(manifest["provenance"]["recipe"], f"recipe of {name_or_dir}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(source, error) from error
    return source, manifest, recipe


def _unusable(source: Source, error: Exception) -> GenzooError:
    reason = first_line(error)
    return GenzooError(f"{source.directory} is no bundle with weights ({reason}); export it again")


def _whole(source: Source, name: str, listed: str | None) -> bytes:
    """Return a file's bytes, if they are those that the catalogue or the manifest names."""
    complete(source, [name])
    data = (source.directory / name).read_bytes()
    expected = source.entry.files[name].sha256 if source.entry else listed
    if expected not in (None, hashlib.sha256(data).hexdigest()):
        raise ValueError(f"{name} was altered: its sha256 is not the expected one")
    return data
