"""The same metrics on a training run's Keras model and on a bundle's ONNX graphs."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import serving
from export.families.exporter import exporter_class
from export.run import open_run
from serving.bundle.files import sha256
from serving.errors import UsageError, nearest
from serving.numbers import whole
from serving.text.masked.filler import TextFiller
from serving.text.text import TextModel
from zoo.config import Config
from zoo.data.minimal_pairs import read
from zoo.evaluation.minimal_pairs import evaluate_pairs
from zoo.metric import Metric, write_metrics
from zoo.recipe import Recipe
from zoo.training.workdir import WorkDir

TABLE = "evaluate."

log = logging.getLogger(__name__)


def evaluate(
    workdir_or_name: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    quick: bool = False,
    variant: str = "auto",
) -> list[Metric]:
    """Measure a model on the test split of its data set.

    Args:
        workdir_or_name: the work directory of a run, which then receives `metrics.json` and
            `figures/`; or a bundle, by its name or directory.
        overrides: keys of the recipe's `[evaluate]` table, as `{"evaluate.limit": 100}`.
        quick: a few images and samples, to try the road.
        variant: of a bundle.

    Raises:
        UsageError: there is no such run or bundle, or no such key.
    """
    if WorkDir(workdir_or_name).recipe.is_file():
        return _evaluate_run(workdir_or_name, overrides or {}, quick)
    return _evaluate_bundle(workdir_or_name, overrides or {}, quick, variant)


def evaluate_on(
    name: str | Path, on: str, *, limit: int | None = None, variant: str = "auto"
) -> dict[str, list[Metric]]:
    """Measure how often a language model prefers the right one of two sentences.

    Args:
        name: of a bundle, or its directory.
        on: `blimp`, or a file of such pairs, see `zoo.data.minimal_pairs.read`.
        limit: of each test, take the first so many pairs.
        variant: one of the bundle's; `all` for every one that is here.

    Returns:
        By variant, a metric for each phenomenon and the last for all.

    Raises:
        UsageError: there is no such bundle or file, or the model is none of text.
    """
    if WorkDir(name).recipe.is_file():
        raise UsageError(
            f"{name} is a run, and --on takes bundles; `genzoo export` makes one of it"
        )
    limit = None if limit is None else whole(limit, "limit", 1)
    served = serving.load(name, variant="auto" if variant == "all" else variant)
    if not isinstance(served, TextModel | TextFiller):
        raise UsageError(
            f"{name} does not say how likely a sentence is, and {on} is pairs of them; take a "
            "language model"
        )
    pairs = read(on, limit)
    if variant != "all":
        return {served.variant: list(evaluate_pairs(served, pairs))}
    here = [
        each
        for each, found in served.manifest.variants.items()
        if all((served.directory / file).is_file() for file in found.graphs.values())
    ]
    return {each: list(evaluate_pairs(serving.load(name, variant=each), pairs)) for each in here}


def _evaluate_run(workdir: str | Path, overrides: Mapping[str, Any], quick: bool) -> list[Metric]:
    run = open_run(workdir)
    settings = _settings(run.recipe, overrides, quick)
    kept = {part: run.earlier[part].directory.path for part in run.recipe.sources()}
    task = run.recipe.with_parts(kept).kept_in(run.directory.path).task()
    task.source.check(run.record, run.directory.path)
    task.keep(run.directory.path)
    metrics = task.evaluate(run.model, settings, run.directory.path / "figures")
    details = {"weights_sha256": sha256(run.weights)}  # so that no other weights wear these numbers
    write_metrics(run.directory.metrics, metrics, subject="keras", **details)
    log.info("wrote %s", run.directory.metrics)
    return metrics


def _evaluate_bundle(
    name: str | Path, overrides: Mapping[str, Any], quick: bool, variant: str
) -> list[Metric]:
    served = serving.load(name, variant=variant)
    recipe = Recipe.parse(served.manifest.provenance.recipe, f"recipe of {name}")
    settings = _settings(recipe, overrides, quick)
    return exporter_class(recipe).evaluate(recipe, served, settings)


def _settings(recipe: Recipe, overrides: Mapping[str, Any], quick: bool) -> Config:
    """Return the recipe's settings, shrunk if `quick`, with single keys replaced."""
    kind = type(recipe.evaluate)
    known = [TABLE + key for key in kind.model_fields]
    for key in overrides:
        if key not in known:
            hint = nearest(key, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"unknown key '{key}'{hint}")
    chosen = {**(recipe.quick if quick else {}), **overrides}
    values = {key.removeprefix(TABLE): chosen[key] for key in chosen if key.startswith(TABLE)}
    return kind.parse(recipe.evaluate.model_dump() | values, "evaluate")
