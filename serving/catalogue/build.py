"""Makes the catalogue's index from bundles on disk."""

import json
from pathlib import Path
from typing import Any

from serving.bundle.files import pin_of
from serving.bundle.manifest import Manifest, read_manifest
from serving.bundle.records import MANIFEST_NAME, BundleError, Pin
from serving.catalogue import Entry, Headline, Index
from serving.errors import GenzooError
from serving.files import replacing


def build(models: str | Path) -> Index:
    """Describe every bundle in a folder of bundles.

    Args:
        models: a folder whose sub-folders are bundles, each named after its model. What begins
            with `.` or `_`, as `__pycache__` does, is no bundle.

    Raises:
        GenzooError: a folder is not a bundle of its name, or its files are not those it lists.

    Example:
        >>> from serving.catalogue import models
        >>> from serving.hub import MODELS
        >>> build(MODELS).models == models()
        True
    """
    folders = sorted(path for path in Path(models).glob("[!._]*") if path.is_dir())
    return Index(models={folder.name: _entry(folder) for folder in folders})


def to_json(index: Index) -> str:
    """Return an index as the text of `index.json`."""
    return json.dumps(index.model_dump(), indent=1) + "\n"


def rewrite(path: str | Path, models: str | Path) -> Index:
    """Write the index of a folder of bundles in place of an older one, and return it.

    Raises:
        GenzooError: a folder is not a bundle; the older index stays.

    Example:
        >>> from serving.hub import MODELS
        >>> "vae-mnist" in rewrite("index.json", MODELS).models
        True
    """
    index = build(models)
    with replacing(path) as temporary:
        temporary.write_text(to_json(index), encoding="utf-8")
    return index


def _entry(folder: Path) -> Entry:
    try:
        manifest = read_manifest(folder)
        source = manifest.provenance
        return Entry(
            family=manifest.family,
            task=manifest.task,
            summary=manifest.summary,
            dataset=source.dataset,
            dataset_license=source.dataset_license,
            license=manifest.license,
            parameters=manifest.parameters,
            metric=_headline(manifest.metrics),
            variants={
                name: sorted(variant.graphs.values()) for name, variant in manifest.variants.items()
            },
            devices={name: variant.devices for name, variant in manifest.variants.items()},
            costs={
                name: variant.cost
                for name, variant in manifest.variants.items()
                if variant.cost is not None
            },
            files=_files(folder, manifest),
        )
    except (OSError, ValueError, BundleError) as error:
        raise GenzooError(f"{folder} is not a bundle: {error}; export it again") from error


def _files(folder: Path, manifest: Manifest) -> dict[str, Pin]:
    """Pin what is on disk, once it is known to be what the manifest lists: no more, no less."""
    if manifest.name != folder.name:
        raise ValueError(f"it holds the model {manifest.name}")
    found = {path.name: pin_of(path) for path in sorted(folder.iterdir())}
    differing = {
        name
        for name in found.keys() | manifest.files.keys()
        if name != MANIFEST_NAME and found.get(name) != manifest.files.get(name)
    }
    if differing:
        raise ValueError(f"missing, altered or not listed: {', '.join(sorted(differing))}")
    return found


def _headline(metrics: list[dict[str, Any]]) -> Headline | None:
    """Take the first metric: the exporter puts the one a model was chosen by first."""
    if not metrics:
        return None
    first = metrics[0]
    return Headline(
        name=first["name"],
        value=float(first["value"]),
        unit=str(first.get("unit", "")),
        better=first.get("better", "lower"),
    )
