"""Runs that were there before: kept beside those built on them, and laid out again from bundles."""

import json
import shutil
from pathlib import Path

from serving.bundle.files import read_listed, sha256
from serving.bundle.manifest import Manifest, Part
from serving.errors import GenzooError
from serving.hub import complete, find
from serving.hub.opening import open_manifest
from zoo.recipe import Recipe
from zoo.training.workdir import WorkDir

# Of a run, what nothing but its own training needs.
_LEFT_OUT = {"state.npz", "history.csv", "last.weights.h5"}


def keep_parts(recipe: Recipe, directory: WorkDir) -> None:
    """Copy the earlier runs that a recipe names into the work directory of the later one.

    What was trained on is then there, whatever becomes of the earlier runs.

    Raises:
        UsageError: there is no such run, bundle or model.
    """
    for part, source in recipe.sources().items():
        target = WorkDir(directory.part(part))
        if target.recipe.is_file():
            continue
        if not WorkDir(source).recipe.is_file():
            lay_out(source, target)
            continue
        target.path.mkdir(parents=True, exist_ok=True)
        for file in Path(source).iterdir():
            if file.is_file() and file.name not in _LEFT_OUT and not file.name.startswith("."):
                shutil.copyfile(file, target.path / file.name)


def lay_out(source: str | Path, directory: WorkDir) -> str:
    """Lay out a work directory from what a bundle keeps of the run it is of.

    Args:
        source: a bundle, or a name of the catalogue.
        directory: receives recipe, weights, record, metrics and assets, and those of its parts.

    Returns:
        The name of the model.

    Raises:
        UsageError: there is no such bundle.
        BundleError: it is not whole.
        GenzooError: it keeps no weights.
    """
    found = find(source)
    manifest = open_manifest(found)
    needed = [part.weights for part in manifest.parts.values()]
    if None in needed:
        raise GenzooError(f"{source} keeps no Keras weights, and cannot be made again from it")
    place = complete(found, [*filter(None, needed), *manifest.assets.values()]).directory
    main, *earlier = manifest.parts
    _lay_out_part(place, manifest, manifest.parts[main], directory)
    for name in earlier:
        target = WorkDir(directory.part(name))
        _lay_out_part(place, manifest, manifest.parts[name], target)
    metrics = {"weights_sha256": sha256(directory.best_weights), "metrics": manifest.metrics}
    directory.metrics.write_text(json.dumps(metrics), encoding="utf-8")
    return manifest.name


def _lay_out_part(folder: Path, manifest: Manifest, part: Part, directory: WorkDir) -> None:
    provenance = part.provenance
    directory.claim(Recipe.parse(provenance.recipe, f"recipe of {manifest.name}"))
    weights = read_listed(folder, manifest.files, str(part.weights))
    directory.best_weights.write_bytes(weights)
    for file in manifest.assets.values():
        (directory.path / file).write_bytes(read_listed(folder, manifest.files, file))
    record = provenance.model_dump(exclude={"recipe"}) | {"license": part.license}
    directory.write_record(record)
