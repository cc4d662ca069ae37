"""Downloads models and proves that what is here now is what was published."""

from pathlib import Path

from serving import hub
from serving.bundle.choosing import choose_variant
from serving.bundle.files import read_checked
from serving.bundle.manifest import read_manifest
from serving.catalogue import Entry
from serving.errors import UsageError
from serving.hub import cache
from serving.hub.opening import open_manifest


def pull(name: str, variant: str | None = None) -> tuple[Path, str]:
    """Bring what is not here of a model of the catalogue, and check every file of it.

    Args:
        name: the model.
        variant: of the variants only this one; all of them and the Keras weights if not given.

    Returns:
        The bundle's directory, and in words what kind of place that is.

    Raises:
        UsageError: there is no such model or variant.
        NotHereError: a file cannot be had; the first variant that lacks one is named.
        GenzooError: a file is wrong where it cannot be replaced, or the cache cannot be written.

    Example:
        >>> pull("vae-mnist", "fp32")[1]
        'part of this installation'
    """
    source = hub.find(name)
    if source.entry is None:
        raise UsageError(f"'{name}' is a directory; expected a name from `genzoo list`")
    files = source.entry.needed()
    if variant is not None:
        files = source.entry.needed(choose_variant(open_manifest(source), variant, "cpu"))
    directory = hub.complete(source, files, hashed=True).directory
    _check(directory, source.entry, files)
    return directory, "in the cache" if cache.contains(directory) else "part of this installation"


def pull_from_tree(
    name: str, place: str, variant: str | None, key: Path | None, sha256: str | None
) -> Path:
    """Bring a model of somebody else's release tree, and check that its manifest is in order.

    Args:
        name: the model's name in the tree's index.
        place, variant, key, sha256: see `serving.hub.pull_from_tree`.

    Returns:
        The bundle's directory in the cache.

    Raises:
        UsageError: there is no such place, model or variant, or nothing vouches for the index.
        GenzooError: the index, a file or the manifest is not what it must be.
    """
    directory = hub.pull_from_tree(name, place, variant=variant, key=key, sha256=sha256)
    read_manifest(directory)
    return directory


def _check(directory: Path, entry: Entry, files: list[str]) -> None:
    for name in files:
        read_checked(directory, name, entry.files[name])
