"""Proves that a bundle is whole, harmless, and gives the results it was published with."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving.bundle.files import read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.records import MANIFEST_NAME, BundleError
from serving.bundle.vectors import read_vectors
from serving.errors import GenzooError
from serving.hub import Source, find, holding
from serving.hub.opening import open_manifest
from serving.loader import runtime_of
from serving.runtime.divided import Checked
from serving.runtime.loaded import checked_assets, checked_graphs, open_session

SAVED_MODEL = "saved_model"
TOLERANCE = 1e-4
FLIPPED = 0.01  # share of whole numbers that another processor may round to a neighbour


class Check(NamedTuple):
    """One thing that was looked at: what it was, whether it is right, and what was found."""

    name: str
    passed: bool
    detail: str


def verify(name_or_dir: str | Path, device: str = "cpu") -> Iterator[Check]:
    """Check a bundle: its manifest, every file, every graph, and every graph's results.

    Of a model of the catalogue, what is neither installed nor pulled is left out.

    The results are those of the Keras model at the inputs in `test_vectors.npz`. A variant may
    differ from them by twice what was measured when it was exported (another processor adds up
    in another order), or by 1e-4; of whole numbers so large a share, or a hundredth, may differ.

    Raises:
        UsageError: there is no such bundle.

    Example:
        >>> all(check.passed for check in verify("vae-mnist"))
        True
    """
    source = find(name_or_dir)
    try:
        manifest = open_manifest(source)
    except BundleError as error:
        yield Check("manifest", False, str(error))
        return
    whose = "is the catalogue's" if source.entry else f"describes {manifest.name}"
    yield Check("manifest", True, whose)
    files = _places(source, {name: [name] for name in manifest.files})
    variants = _places(source, {n: v.files for n, v in manifest.variants.items()})
    if absent := sorted(manifest.files.keys() - files.keys()):
        left_out = f"{', '.join(variants) or 'no variant'}, without {', '.join(absent)}"
        yield Check("pulled", bool(variants), left_out)
    for place in sorted({*files.values()}):
        yield _check("folder", partial(_folder, place, manifest))
    for name, place in sorted(files.items()):
        yield _check(f"file {name}", partial(_file, place, manifest, name))
    if manifest.assets:
        place = files.get(next(iter(manifest.assets.values())), source.directory)
        yield _check("assets", partial(_assets, place, manifest))
    for name, place in variants.items():
        yield _check(f"graphs {name}", partial(_graphs, place, manifest, name))
        yield _check(f"results {name}", partial(_results, place, manifest, name, device))


def _check(name: str, action: Callable[[], str]) -> Check:
    try:
        return Check(name, True, action())
    except (GenzooError, OSError) as error:
        return Check(name, False, str(error))


def _places(source: Source, wanted: dict[str, list[str]]) -> dict[str, Path]:
    """Return the folder of everything whose files are here; what a user's folder lacks is wrong."""
    found = {name: holding(source, files) for name, files in wanted.items()}
    return {name: place for name, place in found.items() if place is not None}


def _folder(directory: Path, manifest: Manifest) -> str:
    """Refuse what the manifest does not list; TensorFlow's form of the model is not listed."""
    found = {path.name for path in directory.iterdir()}
    if not (directory / SAVED_MODEL).is_symlink():
        found.discard(SAVED_MODEL)
    found = {name for name in found if not (name.startswith(".") and name.endswith(".part"))}
    if unlisted := sorted(found - {MANIFEST_NAME, *manifest.files}):
        raise BundleError(f"the manifest does not list {', '.join(map(repr, unlisted))}; delete it")
    return "nothing but what the manifest lists"


def _file(directory: Path, manifest: Manifest, name: str) -> str:
    return f"{len(read_listed(directory, manifest.files, name))} bytes, sha256 as listed"


def _assets(directory: Path, manifest: Manifest) -> str:
    return runtime_of(manifest).check_assets(manifest, checked_assets(directory, manifest))


def _graphs(directory: Path, manifest: Manifest, variant: str) -> str:
    graphs = _checked(directory, manifest, variant)
    return f"{', '.join(graphs)}: opset {manifest.variants[variant].opset}, nothing but data"


def _checked(directory: Path, manifest: Manifest, variant: str) -> dict[str, Checked]:
    return checked_graphs(directory, manifest, variant, runtime_of(manifest).window_of(manifest))


def _check_flips(role: str, share: float, allowed: float) -> None:
    if share > allowed:
        raise BundleError(
            f"graph '{role}' gives other whole numbers than the Keras model in {share:.1%} of "
            f"cases, over {allowed:.1%}"
        )


def _results(directory: Path, manifest: Manifest, variant: str, device: str) -> str:
    limit = max(TOLERANCE, 2 * manifest.variants[variant].parity)
    worst = 0.0
    for role, data in _checked(directory, manifest, variant).items():
        inputs, expected = read_vectors(directory, manifest, role)
        session = open_session(manifest, variant, role, data, device)
        for found, wanted in zip(
            session.run(list(expected), inputs), expected.values(), strict=True
        ):
            if found.shape != wanted.shape:
                raise BundleError(f"graph '{role}' gives {found.shape}, expected {wanted.shape}")
            if wanted.dtype.kind in "iu":
                _check_flips(role, float(np.mean(found != wanted)), max(FLIPPED, limit))
                continue
            worst = float(np.maximum(worst, np.abs(found - wanted).max()))  # keeps NaN
    if not worst <= limit:  # true for NaN as well
        raise BundleError(f"results differ from the Keras model's by {worst:.1e}, over {limit:.1e}")
    return f"within {worst:.1e} of the Keras model's, {limit:.1e} allowed"
