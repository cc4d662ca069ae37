"""Proves that a bundle is whole, harmless, and gives the results it was published with."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving.bundle import BundleError, Manifest, TextProcessing
from serving.gpt import read_tokenizer
from serving.integrity import open_manifest, read_listed
from serving.loader import checked_graphs
from serving.session import Session
from zoo.errors import GenzooError
from zoo.hub import find

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
    for name in sorted(manifest.files):
        yield _check(f"file {name}", lambda name=name: _file(directory, manifest, name))
    if isinstance(manifest.processing, TextProcessing):
        yield _check("tokenizer", lambda: _tokenizer(directory, manifest))
    for variant in manifest.variants:
        yield _check(f"graphs {variant}", lambda name=variant: _graphs(directory, manifest, name))
        yield _check(
            f"results {variant}", lambda name=variant: _results(directory, manifest, name, device)
        )


def _check(name: str, action: Callable[[], str]) -> Check:
    try:
        return Check(name, True, action())
    except (GenzooError, OSError) as error:
        return Check(name, False, str(error))


def _file(directory: Path, manifest: Manifest, name: str) -> str:
    return f"{len(read_listed(directory, manifest, name))} bytes, sha256 as listed"


def _tokenizer(directory: Path, manifest: Manifest) -> str:
    return f"{read_tokenizer(directory, manifest).size} tokens, as many as the model has"


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
        session = Session(data, manifest.variants[variant].graphs[role], device)
        for found, wanted in zip(
            session.run(list(expected), inputs), expected.values(), strict=True
        ):
            if found.shape != wanted.shape:
                raise BundleError(f"graph '{role}' gives {found.shape}, expected {wanted.shape}")
            worst = max(worst, float(np.abs(found - wanted).max()))
    if not worst <= limit:  # true for NaN as well
        raise BundleError(f"results differ from the Keras model's by {worst:.1e}, over {limit:.1e}")
    return f"within {worst:.1e} of the Keras model's, {limit:.1e} allowed"


def _of(vectors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key[len(prefix) :]: array for key, array in vectors.items() if key.startswith(prefix)}


def _vectors(directory: Path, manifest: Manifest) -> dict[str, np.ndarray]:
    data = read_listed(directory, manifest, VECTORS)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > VECTORS_LIMIT:
            raise BundleError(f"{VECTORS} unpacks to {unpacked} bytes, over {VECTORS_LIMIT}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{VECTORS} cannot be read: {error}") from error
