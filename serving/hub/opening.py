"""From where a bundle is to what it says of itself."""

from serving.bundle.files import read_checked
from serving.bundle.manifest import Manifest, parse_manifest, read_manifest
from serving.bundle.records import MANIFEST_NAME
from serving.hub import Source, complete


def open_manifest(source: Source) -> Manifest:
    """Read a bundle's manifest; for a model of the catalogue it must be the pinned one.

    It is downloaded first where it is not here.

    Raises:
        BundleError: it is missing, invalid, of another model, or not the pinned one.
    """
    if source.entry is None:
        return read_manifest(source.directory)
    directory, pin = complete(source, [MANIFEST_NAME]).directory, source.entry.files[MANIFEST_NAME]
    return parse_manifest(read_checked(directory, MANIFEST_NAME, pin), directory / MANIFEST_NAME)
