"""Takes bundles into a release: each is checked before, and proved after it was copied."""

from pathlib import Path
from typing import NamedTuple

from export.errors import ExportError
from serving.bundle.files import pin_of, read_checked, read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.records import MANIFEST_NAME
from serving.catalogue import Entry
from serving.hub import Source
from serving.hub.opening import open_manifest
from serving.verify import verify

CARD = "README.md"


class Model(NamedTuple):
    """A model of a release: its manifest, its line in the index, and the folder of its files."""

    manifest: Manifest
    entry: Entry
    folder: Path

    @property
    def name(self) -> str:
        """Of the model."""
        return self.manifest.name

    def size(self, variant: str) -> int:
        """Return the bytes of one variant's graphs."""
        return self.entry.size(variant)


def check(source: Source) -> Manifest:
    """Return the manifest of a bundle that can be published, as far as its manifest says.

    Raises:
        BundleError: it is not a bundle.
        ExportError: it lacks what a release shows.
    """
    manifest = open_manifest(source)
    if not manifest.variants:
        raise ExportError(f"{source.directory} has no ONNX graphs; export it with --formats onnx")
    if CARD not in manifest.files:
        raise ExportError(f"{source.directory} has no {CARD}; export it again")
    return manifest


def take(source: Source, models: Path) -> str:
    """Copy the files that a bundle lists to `models/NAME`, and prove that they work from there.

    Returns:
        The name of the model.

    Raises:
        BundleError: a file is not what the manifest says.
        ExportError: the copy fails a check of `serving.verify`.
    """
    manifest = check(source)
    folder = models / manifest.name
    folder.mkdir(parents=True)
    found = source.directory / MANIFEST_NAME
    listed = source.entry.files[MANIFEST_NAME] if source.entry else pin_of(found)
    (folder / MANIFEST_NAME).write_bytes(read_checked(source.directory, MANIFEST_NAME, listed))
    for name in manifest.files:
        (folder / name).write_bytes(read_listed(source.directory, manifest.files, name))
    for result in verify(folder):
        if not result.passed:
            detail = result.detail.replace(str(folder), str(source.directory))
            raise ExportError(f"{source.directory} is not published: {result.name}: {detail}")
    return manifest.name
