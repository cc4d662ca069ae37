"""Proves that a bundle is whole, harmless, and gives the results it was published with."""

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving.bundle.files import read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.records import MANIFEST_NAME, BundleError
from serving.errors import GenzooError, first_line
from serving.hub import cache, find
from serving.hub.opening import open_manifest
from serving.loader import runtime_of
from serving.runtime.loaded import checked_assets, checked_graphs, open_session

SAVED_MODEL = "saved_model"
VECTORS = "test_vectors.npz"
VECTORS_LIMIT = 256 * 2**20  # bytes when unpacked
TOLERANCE = 1e-4


class Check(NamedTuple):
    """One thing that was looked at: what it was, whether it is right, and what was found."""

    name: str
    passed: bool
    detail: str


def verify(name_or_dir: str | Path, device: str = "cpu") -> Iterator[Check]:
    """Check a bundle: its manifest, every file, every graph, and every graph's results.

    Of a model in the cache, what was not pulled is left out.

    The results are those of the Keras model at the inputs in `test_vectors.npz`. A variant may
    differ from them by twice what was measured when it was exported (another processor adds up
    in another order), or by 1e-4.

    Raises:
        UsageError: there is no such bundle.

    Example:
        >>> all(check.passed for check in verify("vae-mnist"))
        True
    """
    directory, entry = source = find(name_or_dir)
    try:
        manifest = open_manifest(source)
    except BundleError as error:
        yield Check("manifest", False, str(error))
        return
    yield Check("manifest", True, "is the catalogue's" if entry else f"describes {manifest.name}")
    absent = _absent(directory, manifest)
    variants = [
        name
        for name, variant in manifest.variants.items()
        if not absent.intersection(variant.graphs.values())
    ]
    if absent:
        left_out = f"{', '.join(variants) or 'no variant'}, without {', '.join(sorted(absent))}"
        yield Check("pulled", bool(variants), left_out)
    yield _check("folder", lambda: _folder(directory, manifest))
    for name in sorted(manifest.files.keys() - absent):
        yield _check(f"file {name}", lambda name=name: _file(directory, manifest, name))
    if manifest.assets:
        yield _check("assets", lambda: _assets(directory, manifest))
    for variant in variants:
        yield _check(f"graphs {variant}", lambda name=variant: _graphs(directory, manifest, name))
        yield _check(
            f"results {variant}", lambda name=variant: _results(directory, manifest, name, device)
        )


def _check(name: str, action: Callable[[], str]) -> Check:
    try:
        return Check(name, True, action())
    except (GenzooError, OSError) as error:
        return Check(name, False, str(error))


def _absent(directory: Path, manifest: Manifest) -> set[str]:
    """Return the files that were not pulled into the cache; elsewhere a missing file is wrong."""
    if not cache.contains(directory):
        return set()
    return {name for name in manifest.files if not os.path.lexists(directory / name)}


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
    graphs = checked_graphs(directory, manifest, variant)
    return f"{', '.join(graphs)}: opset {manifest.variants[variant].opset}, nothing but data"


def _results(directory: Path, manifest: Manifest, variant: str, device: str) -> str:
    vectors = _vectors(directory, manifest)
    limit = max(TOLERANCE, 2 * manifest.variants[variant].parity)
    worst = 0.0
    for role, data in checked_graphs(directory, manifest, variant).items():
        inputs, expected = _of(vectors, f"{role}.inputs."), _of(vectors, f"{role}.outputs.")
        if not expected:
            raise BundleError(f"{VECTORS} says nothing about graph '{role}'")
        session = open_session(manifest, variant, role, data, device)
        for found, wanted in zip(
            session.run(list(expected), inputs), expected.values(), strict=True
        ):
            if found.shape != wanted.shape:
                raise BundleError(f"graph '{role}' gives {found.shape}, expected {wanted.shape}")
            worst = float(np.maximum(worst, np.abs(found - wanted).max()))  # keeps NaN
    if not worst <= limit:  # true for NaN as well
        raise BundleError(f"results differ from the Keras model's by {worst:.1e}, over {limit:.1e}")
    return f"within {worst:.1e} of the Keras model's, {limit:.1e} allowed"


def _of(vectors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key[len(prefix) :]: array for key, array in vectors.items() if key.startswith(prefix)}


def _vectors(directory: Path, manifest: Manifest) -> dict[str, np.ndarray]:
    data = read_listed(directory, manifest.files, VECTORS)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > VECTORS_LIMIT:
            raise BundleError(f"{VECTORS} unpacks to {unpacked} bytes, over {VECTORS_LIMIT}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    # RuntimeError: an archive with a password, or packed in an unknown way.
    except (
        ValueError,
        EOFError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise BundleError(f"{VECTORS} cannot be read: {first_line(error)}") from error
