"""Trainable Keras models from published weights."""

from pathlib import Path
from typing import Any

import keras

from serving.bundle.files import read_listed
from serving.bundle.manifest import Manifest, Part
from serving.errors import GenzooError, UsageError, first_line
from serving.hub import complete, find
from serving.hub.opening import open_manifest
from zoo.recipe import Recipe
from zoo.weights_file import load_weights


def from_preset(name_or_dir: str | Path, part: str | None = None) -> keras.Model:
    """Build the Keras model of a bundle, with its weights.

    The weights are loaded into a class of ours, built from the bundle's recipe; nothing of the
    bundle is executed. Files are compared with the hashes of the catalogue, or in a directory with
    those of the bundle's manifest, before they are read.

    Args:
        name_or_dir: a name of `genzoo list`, or a bundle directory.
        part: of a bundle of several trained models, another than the last.

    Raises:
        UsageError: there is no such model, or no such part of it.
        GenzooError: the bundle is not whole, or not the one that the catalogue pins.

    Example:
        >>> model = from_preset("vae-mnist")
        >>> model.generate(2, seed=7).shape
        (2, 28, 28, 1)
    """
    source = find(name_or_dir)
    manifest = open_manifest(source)
    described = _part(manifest, part)
    if described.weights is None:
        raise GenzooError(f"{manifest.name} keeps no Keras weights")
    model = _recipe(manifest, described).build()
    directory = complete(source, [described.weights]).directory
    data = read_listed(directory, manifest.files, described.weights)
    try:
        load_weights(model, data)
    except (GenzooError, OSError, ValueError, KeyError, TypeError) as error:
        raise GenzooError(
            f"{source.directory} is no bundle with weights ({first_line(error)}); export it again"
        ) from error
    return model


def recipe_of(name_or_dir: str | Path) -> Recipe:
    """Return the recipe that a bundle was made by; raises as `from_preset` does.

    Example:
        >>> recipe_of("cgan-mnist").data.name
        'mnist'
    """
    manifest = open_manifest(find(name_or_dir))
    return _recipe(manifest, manifest.main)


def name_of(name_or_dir: str | Path) -> str:
    """Return what a bundle is called; raises as `from_preset` does."""
    return open_manifest(find(name_or_dir)).name


def record_of(name_or_dir: str | Path) -> dict[str, Any]:
    """Return what the record of a bundle's run said; raises as `from_preset` does."""
    described = open_manifest(find(name_or_dir)).main
    return described.provenance.model_dump(exclude={"recipe"}) | {"license": described.license}


def asset_of(name_or_dir: str | Path, file: str) -> bytes:
    """Return the content of a file of a bundle; raises as `from_preset` does, or if it has none."""
    source = find(name_or_dir)
    manifest = open_manifest(source)
    if file not in manifest.files:
        raise UsageError(f"{manifest.name} has no {file}; expected a model of another family")
    return read_listed(complete(source, [file]).directory, manifest.files, file)


def _part(manifest: Manifest, part: str | None) -> Part:
    if part is None:
        return manifest.main
    if part not in manifest.parts:
        raise UsageError(
            f"{manifest.name} has no part '{part}'; it has {', '.join(manifest.parts)}"
        )
    return manifest.parts[part]


def _recipe(manifest: Manifest, part: Part) -> Recipe:
    return Recipe.parse(part.provenance.recipe, f"recipe of {manifest.name}")
