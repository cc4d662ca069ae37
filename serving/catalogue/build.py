"""Makes the catalogue's index from bundles on disk."""

import json
import os
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
        GenzooError: a folder is not a bundle of its name, or a file is not what it lists.

    Example:
        >>> from serving.catalogue import MODELS, models
        >>> build(MODELS).models == models()
        True
    """
    folders = sorted(path for path in Path(models).glob("[!._]*") if path.is_dir())
    return Index(models={folder.name: _entry(folder) for folder in folders})


def to_json(index: Index) -> str:
    """Return an index as the text of `index.json`."""
    return json.dumps(index.model_dump(), indent=1) + "\n"


def rewrite(path: str | Path, models: str | Path) -> Index:
    """Write the index of a folder of bundles, its mirror, in place of an older one; return it.

    Raises:
        GenzooError: a folder is not a bundle; the older index stays.

    Example:
        >>> from serving.catalogue import MODELS
        >>> "vae-mnist" in rewrite("index.json", MODELS).models
        True
    """
    # Installed beside each other too, so that the index finds them wherever that is.
    mirror = os.path.relpath(models, Path(path).parent).replace(os.sep, "/")
    index = build(models).model_copy(update={"mirrors": [mirror]})
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
            variants={name: sorted(variant.files) for name, variant in manifest.variants.items()},
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
    """Pin what the manifest lists, once what is on disk is known to be of it.

    Files may be elsewhere: of a model, a checkout keeps what the others can be made from.
    """
    if manifest.name != folder.name:
        raise ValueError(f"it holds the model {manifest.name}")
    found = {path.name: pin_of(path) for path in sorted(folder.iterdir())}
    pins = manifest.files | {MANIFEST_NAME: found[MANIFEST_NAME]}
    if wrong := sorted(name for name, pin in found.items() if pins.get(name) != pin):
        raise ValueError(f"altered or not listed: {', '.join(wrong)}")
    return dict(sorted(pins.items()))


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
