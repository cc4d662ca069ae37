"""Makes every variant of published models again, from what a checkout keeps of them.

`python -m export.release.derive --to DIR [NAME ...]` exports each model from its weights and holds
every graph to the sha256 that the index pins. What was drawn and measured once (samples, vectors,
costs) is kept as it is: Keras adds up in another order on another machine. What comes of it is a
mirror: `GENZOO_MIRROR=DIR`.
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from export.bundling.exporter import export
from export.errors import ExportError
from serving.bundle.files import pin_of
from serving.bundle.manifest import read_manifest
from serving.catalogue import Entry, models
from serving.errors import GenzooError, UsageError, nearest
from serving.hub import complete, find
from serving.terminal import show
from zoo.startup import load_tensorflow


def derive(names: Sequence[str], to: str | Path) -> Iterator[tuple[str, int]]:
    """Make models again, and yield the name of each with the number of its files.

    Args:
        names: of the catalogue; all of it if empty.
        to: receives a folder for each, which holds all that the index pins.

    Raises:
        UsageError: there is no such model.
        ExportError: a file has other bytes than those that are pinned, or cannot be made; the
            folder of that model is not there then.
    """
    known = models()
    for name in names or known:
        if name not in known:
            raise UsageError(f"the catalogue has no model '{name}'{nearest(name, known)}")
        yield name, _derive(name, known[name], Path(to) / name)


def _derive(name: str, entry: Entry, out: Path) -> int:
    with TemporaryDirectory(prefix="genzoo-") as place:
        made = export(name, Path(place) / name, formats=["onnx"], variants=list(entry.variants))
        graphs = _graphs(made)
        records = sorted(entry.files.keys() - graphs)
        kept = complete(find(name), records).directory
        for file in records:
            shutil.copyfile(kept / file, made / file)
        wrong = [
            file
            for file, pin in entry.files.items()
            if not (made / file).is_file() or pin_of(made / file) != pin
        ]
        if wrong:
            raise ExportError(
                f"{name}: {', '.join(wrong)} could not be made with the pinned bytes; take the "
                "versions of packages that the card names, and the data set of the recipe"
            )
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out)
    return len(entry.files)


def _graphs(bundle: Path) -> set[str]:
    """Return the files of all variants."""
    variants = read_manifest(bundle).variants.values()
    return {file for variant in variants for file in variant.graphs.values()}


def main() -> int:
    """Make the models that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the catalogue; all if none")
    parser.add_argument("--to", type=Path, required=True, help="receives a folder for each")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    load_tensorflow()
    try:
        for name, count in derive(chosen.names, chosen.to):
            show(f"{name}: {count} files as they are pinned")
    except GenzooError as error:
        show(f"genzoo: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
