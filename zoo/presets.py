"""Trainable Keras models from published weights."""

import hashlib
import json
from pathlib import Path

from zoo.errors import GenzooError
from zoo.hub import Source, find
from zoo.recipe import Recipe
from zoo.vae import VAE

MANIFEST, WEIGHTS = "bundle.json", "model.weights.h5"


def from_preset(name_or_dir: str | Path) -> VAE:
    """Build the Keras model of a bundle, with its weights.

    The weights are loaded into a class of ours, built from the bundle's recipe; nothing of the
    bundle is executed. For a name of the catalogue, every byte that is read is pinned.

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
    manifest = json.loads(_checked(source, MANIFEST).read_bytes())
    recipe = Recipe.parse(manifest["provenance"]["recipe"], f"recipe of {name_or_dir}")
    model = VAE(recipe.model, seed=recipe.train.seed)
    model.load_weights(_checked(source, WEIGHTS))
    return model


def _checked(source: Source, name: str) -> Path:
    """Return the path of a bundle's file, after comparing it with the catalogue where it is in."""
    path = source.directory / name
    if not path.is_file():
        raise GenzooError(f"{path} is missing; export the model again")
    if source.entry is not None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != source.entry.files[name].sha256:
            raise GenzooError(f"{path} was altered: its sha256 is not the pinned one; reinstall")
    return path
