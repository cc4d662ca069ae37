"""Makes the catalogue's index from bundles on disk."""

import hashlib
import json
from pathlib import Path
from typing import Any

from serving.catalogue import MANIFEST_NAME, Cost, Entry, Headline, Index, Pin
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
        manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
        files = _files(folder, manifest)
        return Entry(
            family=manifest["family"],
            task=manifest["task"],
            summary=manifest["summary"],
            dataset=manifest["provenance"]["dataset"],
            dataset_license=manifest["provenance"]["dataset_license"],
            license=manifest["license"],
            parameters=manifest["parameters"],
            metric=_headline(manifest["metrics"]),
            variants={
                name: sorted(variant["graphs"].values())
                for name, variant in manifest["variants"].items()
            },
            costs={
                name: Cost.model_validate(variant["cost"])
                for name, variant in manifest["variants"].items()
                if variant.get("cost")
            },
            files=files,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenzooError(f"{folder} is not a bundle: {error!r}; export it again") from error


def _files(folder: Path, manifest: dict[str, Any]) -> dict[str, Pin]:
    """Pin what is on disk, once it is known to be what the manifest lists: no more, no less."""
    if manifest["name"] != folder.name:
        raise ValueError(f"it holds the model {manifest['name']}")
    found = {path.name: _pin(path.read_bytes()) for path in sorted(folder.iterdir())}
    listed = {name: Pin(**pin) for name, pin in manifest["files"].items()}
    differing = {
        name
        for name in found.keys() | listed.keys()
        if name != MANIFEST_NAME and found.get(name) != listed.get(name)
    }
    if differing:
        raise ValueError(f"missing, altered or not listed: {', '.join(sorted(differing))}")
    return found


def _pin(data: bytes) -> Pin:
    return Pin(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def _headline(metrics: list[dict[str, Any]]) -> Headline | None:
    """Take the first metric: the exporter puts the one a model was chosen by first."""
    if not metrics:
        return None
    first = metrics[0]
    return Headline(name=first["name"], value=float(first["value"]), unit=first.get("unit", ""))
