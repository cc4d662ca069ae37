"""Gives bundles the files that other programs read, as an export would write them now.

`python -m export.release.refresh zoo/models/*` leaves graphs, weights and cards as they are. Of
what ships, `python -m serving.catalogue` then writes the index anew.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from export.families.exporter import exporter_of
from export.release.each import for_each
from export.run import opened
from serving.bundle.files import pin_of
from serving.bundle.manifest import read_manifest
from serving.bundle.records import MANIFEST_NAME
from serving.files import replacing
from zoo.startup import load_tensorflow


def refresh(directory: str | Path) -> list[str]:
    """Write what a bundle lacks or has in an older form, and return the names of these files.

    Raises:
        GenzooError: it is no bundle, or not whole; nothing is written.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    with opened(directory) as run, TemporaryDirectory(prefix="genzoo-") as place:
        exporter_of(run).write_assets(Path(place), manifest.variants)
        pins = {path.name: pin_of(path) for path in sorted(Path(place).iterdir())}
        changed = [name for name, pin in pins.items() if manifest.files.get(name) != pin]
        for name in changed:
            with replacing(directory / name) as temporary:
                temporary.write_bytes((Path(place) / name).read_bytes())
    if changed:
        files = dict(sorted((manifest.files | {name: pins[name] for name in changed}).items()))
        with replacing(directory / MANIFEST_NAME) as temporary:
            text = manifest.model_copy(update={"files": files}).to_json()
            temporary.write_text(text, encoding="utf-8")
    return changed


def main(directories: Sequence[str]) -> int:
    """Refresh bundles; return the exit code."""
    load_tensorflow()
    return for_each(directories, lambda each: ", ".join(refresh(each)) or "as it is")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
