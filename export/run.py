"""A training run, opened for export: recipe, model with the weights that ship, record."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

import zoo
from export.errors import ExportError
from serving.bundle.integrity import open_manifest, read_listed
from serving.bundle.manifest import MANIFEST_NAME, Provenance, TextProcessing, sha256
from serving.catalogue import models
from serving.errors import first_line
from serving.hub import find
from zoo.presets import WEIGHTS
from zoo.recipe import Recipe
from zoo.training.workdir import WorkDir


@dataclass(frozen=True)
class Run:
    """What a work directory holds.

    Attributes:
        directory: where its files are.
        recipe: what was trained.
        model: with the weights that validated best.
        record: `training.json`.
        name: of the model: that of the bundle it is restored from, or else that of the recipe.
        published: whether it is restored from a bundle, whose weights keep their bytes.
    """

    directory: WorkDir
    recipe: Recipe
    model: keras.Model
    record: dict[str, Any]
    name: str
    published: bool = False

    @property
    def weights(self) -> Path:
        """The file with the weights of `model`."""
        return self.directory.best_weights

    def metrics(self) -> list[dict[str, Any]]:
        """Read the evaluation; an empty list where there was none.

        Raises:
            ExportError: it is of other weights than those that would be exported.
        """
        path = self.directory.metrics
        if not path.is_file():
            return []
        remedy = f"run `genzoo evaluate {self.directory.path}` again"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            weights, metrics = document.get("weights_sha256"), document["metrics"]
        except (ValueError, KeyError, AttributeError) as error:
            raise ExportError(f"{path} is not whole; {remedy}") from error
        if weights not in (None, sha256(self.weights)):
            message = f"{path} measures other weights than those of {self.weights.name}"
            raise ExportError(f"{message}; {remedy}")
        return metrics

    @property
    def provenance(self) -> Provenance:
        """Where the weights come from, as the manifest says it."""
        record = self.record
        return Provenance(
            recipe=self.recipe.model_dump(mode="json", exclude_none=True),
            git_commit=record.get("git_commit"),
            seed=self.recipe.train.seed,
            dataset=record["dataset"],
            dataset_license=record["dataset_license"],
            packages=record["packages"],
            train_seconds=float(record["train_seconds"]),
            hardware=record["hardware"],
        )


@contextmanager
def opened(source: str | Path) -> Iterator[Run]:
    """Open a work directory, or what a bundle or a published model keeps of one.

    Raises:
        UsageError: it is neither.
        BundleError: the bundle is not whole.
        ExportError: its files do not belong together.
    """
    if WorkDir(source).recipe.is_file() or not _is_bundle(source):
        yield open_run(source)
        return
    with TemporaryDirectory() as place:
        name = _restore(source, WorkDir(place))
        yield replace(open_run(place), name=name, published=True)


def _is_bundle(source: str | Path) -> bool:
    return source in models() or (Path(source) / MANIFEST_NAME).is_file()


def _restore(source: str | Path, directory: WorkDir) -> str:
    """Lay out a work directory from what a bundle keeps of the run it is of; return its name."""
    found = find(source)
    manifest = open_manifest(found)
    provenance = manifest.provenance
    directory.claim(Recipe.parse(provenance.recipe, f"recipe of {source}"))
    directory.best_weights.write_bytes(read_listed(found.directory, manifest, WEIGHTS))
    if isinstance(manifest.processing, TextProcessing):
        name = manifest.processing.tokenizer
        directory.tokenizer.write_bytes(read_listed(found.directory, manifest, name))
    directory.write_record(provenance.model_dump(exclude={"recipe"}))
    metrics = {"weights_sha256": sha256(directory.best_weights), "metrics": manifest.metrics}
    directory.metrics.write_text(json.dumps(metrics), encoding="utf-8")
    return manifest.name


def open_run(workdir: str | Path) -> Run:
    """Read a work directory.

    Raises:
        UsageError: it holds no run, or one without weights.
        ExportError: its files do not belong together.
    """
    directory = WorkDir(workdir)
    recipe = directory.read_recipe()
    try:
        model = zoo.from_workdir(workdir)
    except (OSError, ValueError, KeyError) as error:  # what h5py and Keras raise
        raise ExportError(
            f"{directory.best_weights} does not hold the weights of {directory.recipe.name}; "
            f"train again in a new directory ({first_line(error)})"
        ) from error
    try:
        record = directory.read_record()
    except ValueError:
        record = {}
    if "dataset" not in record:
        raise ExportError(f"{directory.record} is missing or not whole; train with --resume first")
    return Run(directory, recipe, model, record, recipe.name)
