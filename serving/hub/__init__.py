"""Where a model is: from a name or a folder to a bundle directory. Needs no TensorFlow.

A model of the catalogue is in the package (`zoo/models`), in the cache, or at a mirror. The network
is used, and what talks to it imported, when a file is asked for that is not here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from serving.catalogue import Entry, models
from serving.errors import UsageError, nearest
from serving.hub import cache

MODELS = Path(__file__).parents[2] / "zoo" / "models"  # the bundles that ship with the package


class Source(NamedTuple):
    """A bundle directory and, for a model of the catalogue, the entry that pins its bytes."""

    directory: Path
    entry: Entry | None = None


def find(name_or_dir: str | Path) -> Source:
    """Find the bundle that a user asks for; nothing is downloaded yet.

    Args:
        name_or_dir: a name of the catalogue, or a bundle directory. A name means the catalogue's
            model whatever the current directory holds; `./name` is a directory.

    Returns:
        Where the bundle is. Of a model that does not ship with the package, that is a folder of
        the cache, which has a file once `complete` has been asked for it.

    Raises:
        UsageError: there is no such model and no such directory.

    Example:
        >>> find("vae-mnist").directory.name
        'vae-mnist'
    """
    entry = models().get(name_or_dir) if isinstance(name_or_dir, str) else None
    if entry is not None:
        directory = MODELS / name_or_dir
        return Source(directory if directory.is_dir() else cache.folder(name_or_dir, entry), entry)
    path = Path(name_or_dir)
    if path.is_dir():
        return Source(path)
    if path.exists():
        raise UsageError(f"{path} is a file; expected a bundle directory")
    hint = nearest(str(name_or_dir), models()) or "; `genzoo list` shows every model"
    raise UsageError(f"no model and no directory is called '{name_or_dir}'{hint}")


def complete(source: Source, files: Iterable[str], *, hashed: bool = False) -> None:
    """Download those files of a bundle that are not here; of a directory of the user's, nothing.

    Args:
        source: what `find` returned.
        files: the names of those that are needed.
        hashed: also replace files of the cache whose bytes are wrong.

    Raises:
        GenzooError: no place gives a file as it is pinned, or the cache cannot be written.

    Example:
        >>> complete(find("vae-mnist"), ["bundle.json"])
    """
    if source.entry is None or not cache.contains(source.directory):
        return
    files, name = list(files), source.directory.parent.name
    if cache.missing(source.directory, source.entry, files, hashed=hashed):
        from serving.hub.download import download
        from serving.hub.places import known_places

        download(name, source.entry, files, known_places(), hashed=hashed)


def pull_from_tree(
    name: str,
    place: str,
    *,
    variant: str | None = None,
    key: Path | None = None,
    sha256: str | None = None,
) -> Path:
    """Download a model of somebody else's release tree.

    Args:
        name: the model's name in the tree's index.
        place: the root of the tree: a folder, or a `file://`, `https://` or `hf://` address.
        variant: download no other; all if none is named.
        key, sha256: what vouches for the index (`serving.hub.tree.open_tree`).

    Returns:
        The bundle's directory in the cache; load it by this path.

    Raises:
        UsageError: there is no such place, model or variant, or nothing vouches for the index.
        GenzooError: the index or a file is not what it must be.
    """
    from serving.hub.download import download
    from serving.hub.tree import open_tree

    tree = open_tree(place, key=key, sha256=sha256)
    entry = tree.entry(name)
    return download(name, entry, entry.needed(variant), tree.places, hashed=True)
