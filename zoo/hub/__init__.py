"""Where a model is: from a name or a folder to a bundle directory. Needs no TensorFlow."""

from pathlib import Path
from typing import NamedTuple

from zoo.catalogue import Entry, models
from zoo.errors import GenzooError, UsageError, nearest

MODELS = Path(__file__).parent.parent / "models"  # the bundles that ship with the package


class Source(NamedTuple):
    """A bundle directory and, for a model of the catalogue, the entry that pins its bytes."""

    directory: Path
    entry: Entry | None = None


def find(name_or_dir: str | Path) -> Source:
    """Find the bundle that a user asks for.

    Args:
        name_or_dir: a name of the catalogue, or a bundle directory. A name means the catalogue's
            model whatever the current directory holds; `./name` is a directory.

    Raises:
        UsageError: there is no such model and no such directory.
        GenzooError: the catalogue's model is not in this installation.

    Example:
        >>> find("vae-mnist").directory.name
        'vae-mnist'
    """
    entry = models().get(name_or_dir) if isinstance(name_or_dir, str) else None
    if entry is not None:
        directory = MODELS / name_or_dir
        if not directory.is_dir():
            raise GenzooError(f"{directory} is missing from this installation; reinstall genzoo")
        return Source(directory, entry)
    path = Path(name_or_dir)
    if path.is_dir():
        return Source(path)
    if path.exists():
        raise UsageError(f"{path} is a file; expected a bundle directory")
    hint = nearest(str(name_or_dir), models()) or "; `genzoo list` shows every model"
    raise UsageError(f"no model and no directory is called '{name_or_dir}'{hint}")
