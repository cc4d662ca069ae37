"""Where a model is: from a name or a folder to a bundle directory. Needs no TensorFlow.

The files that a model of the catalogue needs are used where the installed index has them on this
machine. Where it lacks any, all that are asked for are brought together in the cache, from there
and from the mirrors. The network is used, and what talks to it imported, when a file is asked for
that is not here.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serving.catalogue import Entry, models
from serving.errors import GenzooError, UsageError, nearest
from serving.hub import cache, mirrors
from serving.hub.local import shown

if TYPE_CHECKING:
    from serving.hub.download import UnavailableError


class NotHereError(GenzooError):
    """A file of a model of the catalogue is in no place that is known."""


class Source(NamedTuple):
    """A bundle directory and, for a model of the catalogue, the entry that pins its bytes."""

    directory: Path
    entry: Entry | None = None

    @property
    def name(self) -> str:
        """What the catalogue calls the model, or else the directory's name."""
        in_cache = cache.contains(self.directory)
        return (self.directory.parent if in_cache else self.directory).name


def find(name_or_dir: str | Path) -> Source:
    """Find the bundle that a user asks for; nothing is downloaded yet.

    Args:
        name_or_dir: a name of the catalogue, or a bundle directory. A name means the catalogue's
            model whatever the current directory holds; `./name` is a directory.

    Returns:
        Where the bundle is. Of a model of the catalogue that is the installation's folder of it,
        or one of the cache, of which either may lack files: `complete` says where they all are.

    Raises:
        UsageError: there is no such model and no such directory.

    Example:
        >>> find("vae-mnist").directory.name
        'vae-mnist'
    """
    entry = models().get(name_or_dir) if isinstance(name_or_dir, str) else None
    if entry is not None:
        return Source(_installed(str(name_or_dir)) or cache.folder(str(name_or_dir), entry), entry)
    path = Path(name_or_dir)
    if path.is_dir():
        return Source(path)
    if path.exists():
        raise UsageError(f"{shown(path)} is a file; expected a bundle directory")
    hint = nearest(str(name_or_dir), models()) or "; `genzoo list` shows every model"
    raise UsageError(f"no model and no directory is called '{shown(name_or_dir)}'{hint}")


def _installed(name: str) -> Path | None:
    """Return the folder of a model that is part of the installation."""
    places = [mirrors.folder(place) for place in mirrors.of_index() if mirrors.is_local(place)]
    return next((place / name for place in places if (place / name).is_dir()), None)


def complete(source: Source, files: Iterable[str], *, hashed: bool = False) -> Source:
    """Bring those files of a bundle that are not here; of a directory of the user's, nothing.

    Args:
        source: what `find` returned.
        files: the names of those that are needed.
        hashed: also replace files of the cache whose bytes are wrong.

    Returns:
        Where all of these files are; read them from there.

    Raises:
        NotHereError: no place gives a file as it is pinned.
        GenzooError: the cache cannot be written.

    Example:
        >>> complete(find("vae-mnist"), ["bundle.json"]).directory.name
        'vae-mnist'
    """
    entry, files, name = source.entry, list(files), source.name
    if entry is None:
        return source
    if not cache.contains(source.directory) and _has(source.directory, files):
        return source
    directory = cache.folder(name, entry)
    if cache.missing(directory, entry, files, hashed=hashed):
        from serving.hub.download import UnavailableError, download

        files = sorted(files, key=lambda file: _rank(source, entry, file))
        try:
            download(name, entry, files, mirrors.known_places(), hashed=hashed)
        except UnavailableError as error:
            raise _not_here(name, entry, error) from error
    return Source(directory, entry)


def holding(source: Source, files: Iterable[str]) -> Path | None:
    """Return the folder that has all of these files already, or None: nothing is brought.

    Of a directory of the user's it is that directory, whatever it has.

    Example:
        >>> holding(find("vae-mnist"), ["bundle.json"]).name
        'vae-mnist'
    """
    if source.entry is None and not cache.contains(source.directory):
        return source.directory
    files = list(files)
    return next((place for place in _folders(source) if _has(place, files)), None)


def _folders(source: Source) -> Iterator[Path]:
    yield source.directory
    if source.entry is not None and cache.is_known():
        yield cache.folder(source.name, source.entry)


def _has(directory: Path, files: list[str]) -> bool:
    """Say whether files are there; what they hold is checked when they are read."""
    return all(os.path.lexists(directory / file) for file in files)


def _rank(source: Source, entry: Entry, file: str) -> tuple[bool, int]:
    """Bring first what may be nowhere, a variant after the other, so that no copy is in vain."""
    graphs = list(entry.variants.values())
    of = next((place for place, files in enumerate(graphs) if file in files), len(graphs))
    return os.path.lexists(source.directory / file), of


def _not_here(name: str, entry: Entry, error: "UnavailableError") -> NotHereError:
    """Say of a file that is nowhere how to make it or to get it."""
    reasons = error.reasons(mirrors.of_index())
    why = f" ({reasons})" if reasons else ""
    of = next((each for each, files in entry.variants.items() if error.file in files), None)
    make = f"make it with: genzoo export {name} --variants {of} --out DIR, or "
    return NotHereError(
        f"{error.file} of {name} is not here{why}; {make if of else ''}"
        "set GENZOO_MIRROR to a place that has it"
    )


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
