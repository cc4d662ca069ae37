"""Trainable Keras models from published weights."""

import hashlib
import json
from pathlib import Path

import keras

from zoo.errors import GenzooError, first_line
from zoo.hub import Source, complete, find
from zoo.recipe import Recipe

MANIFEST, WEIGHTS = "bundle.json", "model.weights.h5"


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
    source = find(name_or_dir)
    complete(source, [MANIFEST, WEIGHTS])
    try:
        manifest = json.loads(_whole(source, MANIFEST, None))
        recipe = Recipe.parse(manifest["provenance"]["recipe"], f"recipe of {name_or_dir}")
        _whole(source, WEIGHTS, manifest["files"][WEIGHTS]["sha256"])
        model = recipe.build()
        model.load_weights(source.directory / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = first_line(error)
        raise GenzooError(
            f"{source.directory} is no bundle with weights ({reason}); export it again"
        ) from error
    return model


def _whole(source: Source, name: str, listed: str | None) -> bytes:
    """Return a file's bytes, if they are those that the catalogue or the manifest names."""
    data = (source.directory / name).read_bytes()
    expected = source.entry.files[name].sha256 if source.entry else listed
    if expected not in (None, hashlib.sha256(data).hexdigest()):
        raise ValueError(f"{name} was altered: its sha256 is not the expected one")
    return data
