"""Leaves of a bundle what the others can be made from: what a checkout keeps of a model.

`python -m export.release.keep zoo/models/*` deletes the graphs of every variant but the one that
`auto` takes on a CPU. `export.release.derive` makes them again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from export.release.each import for_each
from serving.bundle.choosing import choose_variant
from serving.bundle.manifest import read_manifest


def keep(directory: str | Path) -> list[str]:
    """Delete the graphs that can be made again, and return their names.

    Raises:
        BundleError: it is no bundle.
        UsageError: it has no graphs.
    """
    manifest = read_manifest(directory)
    kept = set(manifest.variants[choose_variant(manifest, "auto", "cpu")].files)
    others = {file for variant in manifest.variants.values() for file in variant.files}
    gone = sorted(file for file in others - kept if (Path(directory) / file).is_file())
    for file in gone:
        (Path(directory) / file).unlink()
    return gone


def main(directories: Sequence[str]) -> int:
    """Lighten bundles; return the exit code."""
    return for_each(directories, lambda each: f"without {', '.join(keep(each)) or 'anything less'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
