"""A training run, opened for export: recipe, model with the weights that ship, record."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

import keras

import zoo
from export.errors import ExportError
from serving.bundle.files import sha256
from serving.bundle.manifest import Part, Provenance
from serving.bundle.records import MANIFEST_NAME
from serving.catalogue import models
from serving.errors import first_line
from zoo.data import tokenizers
from zoo.data.sources import RESEARCH
from zoo.judge.loading import judge_directory
from zoo.recipe import Recipe
from zoo.training.restoring import lay_out
from zoo.training.workdir import WorkDir

JUDGE = "judge"  # what the part is called that steers what another draws
LICENSE = "Apache-2.0"  # of weights that were trained here, unless what they come from says another


@dataclass(frozen=True)
class Run:
    """What a work directory holds.

    Attributes:
        directory: where its files are.
        recipe: what was trained.
        model: with the weights that validated best.
        record: `training.json`.
        name: of the model: that of the bundle it is restored from, or else that of the recipe.
        earlier: the runs that it was built on, by the names of their parts.
        published: whether it is restored from a bundle.
    """

    directory: WorkDir
    recipe: Recipe
    model: keras.Model
    record: dict[str, Any]
    name: str
    earlier: Mapping[str, "Run"] = field(default_factory=dict)
    published: bool = False

    @property
    def weights(self) -> Path:
        """The file with the weights of `model`."""
        return self.directory.best_weights

    @property
    def tokenizer(self) -> bytes:
        """The file of its tokenizer, of a model of text.

        Raises:
            ExportError: it is missing.
            UsageError: it is damaged.
        """
        path = self.directory.path / tokenizers.FILE
        if not path.is_file():
            raise ExportError(f"{path} is missing; train with --resume first")
        data = path.read_bytes()
        tokenizers.parse(data, path)
        return data

    @property
    def parts(self) -> dict[str, "Run"]:
        """This run and those it was built on, by the names of their parts; this one first."""
        return {self.recipe.part: self} | dict(self.earlier)

    def metrics(self) -> list[dict[str, Any]]:
        """Read the evaluation; an empty list where there was none.

        Raises:
            ExportError: it is of other weights than those that would be exported.
        """
        path = self.directory.metrics
        if not path.is_file():
            return []
        remedy = f"run `genzoo evaluate {quote(str(self.directory.path))}` again"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            weights, metrics = document.get("weights_sha256"), document["metrics"]
        except (ValueError, KeyError, AttributeError) as error:
            raise ExportError(f"{path} is not whole; {remedy}") from error
        if weights not in (None, sha256(self.weights)):
            message = f"{path} measures other weights than those of {self.weights.name}"
            raise ExportError(f"{message}; {remedy}")
        found: list[dict[str, Any]] = metrics
        return found

    @property
    def license(self) -> str:
        """Of the weights: that of the weights or data they come from, where these ask for one."""
        asked = RESEARCH if self.record.get("dataset_license") == RESEARCH else LICENSE
        return str(self.record.get("license") or asked)

    @property
    def provenance(self) -> Provenance:
        """Where the weights come from, as the manifest says it."""
        record = self.record
        return Provenance(
            # As it was given: where things lie on this machine is nobody else's business.
            recipe=Recipe.load(self.directory.recipe).model_dump(mode="json", exclude_none=True),
            git_commit=record.get("git_commit"),
            git_clean=record.get("git_clean"),
            seed=self.recipe.train.seed,
            dataset=record["dataset"],
            dataset_license=record["dataset_license"],
            packages=record["packages"],
            train_seconds=float(record["train_seconds"]),
            hardware=record["hardware"],
            checkpoint=record.get("checkpoint"),
        )

    def part(self, weights: str) -> Part:
        """Describe the run for a manifest, whose weights are in a file of this name."""
        return Part(
            weights=weights,
            parameters=self.model.count_params(),
            provenance=self.provenance,
            license=self.license,
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
    with TemporaryDirectory(prefix="genzoo-") as place:
        name = lay_out(source, WorkDir(place))
        yield replace(open_run(place), name=name, published=True)


def judged(run: Run, judge: str | Path) -> Run:
    """Return a run with the judge that shall steer what it draws.

    Args:
        run: of a GAN or a VAE.
        judge: a name or work directory, see `zoo.judge.load_judge`.

    Raises:
        UsageError: there is no such judge, or it takes other images or knows no classes.
        ExportError: its files do not belong together.
    """
    from zoo.guidance.guided import check_images

    found = open_run(judge_directory(judge))
    check_images(run.model.config.image_shape, found.model)
    return replace(run, earlier={**run.earlier, JUDGE: found})


def _is_bundle(source: str | Path) -> bool:
    return source in models() or (Path(source) / MANIFEST_NAME).is_file()


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
    kept = [JUDGE] if WorkDir(directory.part(JUDGE)).recipe.is_file() else []
    earlier = {part: open_run(directory.part(part)) for part in [*recipe.sources(), *kept]}
    return Run(directory, recipe, model, record, recipe.name, earlier)
