"""A bundle, and the variant of it that is to run somewhere else."""

from collections.abc import Iterable
from pathlib import Path

from serving import hub
from serving.bundle.choosing import choose_variant
from serving.bundle.files import copy_listed, read_regular, sha256
from serving.bundle.records import MANIFEST_NAME
from serving.server.repository import Repository


class Bundled:
    """Files of a bundle, each compared with its manifest when it is copied.

    Args:
        name_or_dir: a name of the catalogue, of which what is missing is downloaded, or a folder.
        variant: that is to run; `auto` for the fastest on a CPU that loses nothing.

    Attributes:
        served: what the server knows of it.
        manifest: of the bundle.
        hash: of the manifest.
        needed: the files that running the variant takes.

    Raises:
        GenzooError: there is no such bundle, or variant of it.
    """

    def __init__(self, name_or_dir: str, variant: str = "auto") -> None:
        source = hub.find(name_or_dir)
        [self.served] = Repository([name_or_dir])
        self.manifest = self.served.manifest
        self.variant = choose_variant(self.manifest, variant, "cpu")
        running = self.manifest.variants[self.variant].files
        self.needed = [*dict.fromkeys([*running, *self.manifest.assets.values()])]
        self._directory = hub.complete(source, [MANIFEST_NAME, *self.needed]).directory
        self.hash = sha256(self._directory / MANIFEST_NAME)

    def copy(self, names: Iterable[str], folder: Path) -> None:
        """Copy files into a folder, with the manifest if they are all that are needed.

        Raises:
            BundleError: one is missing, or not what the manifest says.
        """
        names = list(names)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            with (folder / name).open("wb") as target:
                copy_listed(self._directory, self.manifest.files, name, target)
        if names == self.needed:
            data = read_regular(self._directory / MANIFEST_NAME, 2**26)
            (folder / MANIFEST_NAME).write_bytes(data)
