"""Writes into a bundle what its variants cost: in its manifest, on its card, in the catalogue."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from serving import hub
from serving.bundle.files import read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.markdown import escape, table
from serving.bundle.records import MANIFEST_NAME, Cost, Pin
from serving.catalogue import INDEX, MODELS
from serving.catalogue.build import rewrite
from serving.catalogue.costs import circumstances, in_words
from serving.errors import GenzooError, UsageError
from serving.files import replacing
from serving.hub import cache
from serving.hub.opening import open_manifest
from serving.measure.cost import cost_of
from serving.verify import verify

CARD = "README.md"
HEADING, NEXT = "## Speed and memory", "## Evaluation"
PROJECT = "pyproject.toml"  # beside the packages in a checkout, and not where they are installed


def record(name_or_dir: str | Path, seconds: float = 1.0) -> Manifest:
    """Measure every variant of a bundle on this machine, and write the costs into the bundle.

    The bundle is verified first, so that costs are of the graphs that it lists, and so that every
    variant is loaded from files that were read a moment ago. Where the bundle is one of those that
    ship with the package, the catalogue's index is written again.

    Args:
        name_or_dir: a bundle directory, or in a checkout the name of a model that ships with it.
        seconds: how long each speed is measured for.

    Returns:
        The new manifest.

    Raises:
        UsageError: there is no such bundle, or it is not one to be written to.
        GenzooError: the bundle is not whole, or a variant does not run; nothing is written.

    Example:
        >>> import export, zoo
        >>> _ = zoo.train("vae-digits", "run", quick=True)
        >>> bundle = export.export("run", "bundle", formats=["onnx"], variants=["fp32"])
        >>> manifest = record(bundle, seconds=0.01)
        >>> manifest.variants["fp32"].cost.speed.unit
        'images/s'
    """
    source = hub.find(name_or_dir)
    directory = source.directory
    _check_writable(directory)
    manifest = open_manifest(source)
    for check in verify(name_or_dir):
        if not check.passed:
            raise GenzooError(f"{directory} is not whole: {check.name}: {check.detail}")
    if not manifest.variants:
        raise UsageError(f"{manifest.name} has no ONNX graphs; export it with --formats onnx")
    costs = {variant: cost_of(directory, variant, seconds) for variant in manifest.variants}
    if open_manifest(source) != manifest:
        raise GenzooError(f"{directory} was replaced while it was measured; record it again")
    manifest = _write(directory, manifest, costs)
    if _ships(directory):
        rewrite(INDEX, MODELS)
    return manifest


def _check_writable(directory: Path) -> None:
    """Refuse a bundle that others have pinned, or that cannot be replaced, before measuring it."""
    remedy = "export it to a directory of your own with `genzoo export`, and record that"
    if cache.contains(directory):
        raise UsageError(f"{directory} is a download, whose files are pinned; {remedy}")
    release = directory.absolute().parent.parent
    if (release / "SHA256SUMS").is_file() and (release / INDEX.name).is_file():
        raise UsageError(
            f"{directory} is part of a release, which pins its files; record the bundle that was "
            "published, and publish it again"
        )
    places = [directory]
    if _ships(directory):
        if not (MODELS.parent.parent / PROJECT).is_file():
            raise UsageError(f"{directory} is part of an installed package; {remedy}")
        places.append(INDEX.parent)
    for place in places:
        if not os.access(place, os.W_OK):
            raise UsageError(f"{place} cannot be written; {remedy}")


def _ships(directory: Path) -> bool:
    return directory.resolve().parent == MODELS.resolve()


def _write(directory: Path, manifest: Manifest, costs: Mapping[str, Cost]) -> Manifest:
    """Replace the manifest and, if there is one, the card, once both are written."""
    variants = {
        name: variant.model_copy(update={"cost": costs[name]})
        for name, variant in manifest.variants.items()
    }
    files, card = dict(manifest.files), None
    if CARD in files:
        # What is no UTF-8 stays as it is.
        old = read_listed(directory, manifest.files, CARD).decode("utf-8", "surrogateescape")
        card = with_costs(old, costs).encode("utf-8", "surrogateescape")
        files[CARD] = Pin(sha256=hashlib.sha256(card).hexdigest(), bytes=len(card))
    manifest = manifest.model_copy(update={"variants": variants, "files": files})
    with replacing(directory / MANIFEST_NAME) as new_manifest:
        new_manifest.write_text(manifest.to_json(), encoding="utf-8")
        if card is not None:
            with replacing(directory / CARD) as new_card:
                new_card.write_bytes(card)
    return manifest


def with_costs(card: str, costs: Mapping[str, Cost]) -> str:
    """Return a model card that says what each variant costs, and no longer what it said of that.

    Example:
        >>> cost = Cost(load=0.4, hardware="2 cores", date="2026-11-25")
        >>> print(with_costs("# a model", {"fp32": cost}))  # doctest: +ELLIPSIS
        # a model
        <BLANKLINE>
        ## Speed and memory
        ...
        | fp32 |  |  | 0.40 s |
        <BLANKLINE>
    """
    before, heading, after = card.rpartition(f"\n{HEADING}\n")
    if heading:
        _, following, rest = after.partition("\n## ")
        before, rest = before + "\n", f"## {rest}" if following else ""
    else:  # the last one, since samples of text may hold any line
        before, following, rest = card.rpartition(f"\n{NEXT}\n")
        before, rest = (before + "\n", f"{NEXT}\n{rest}") if following else (card, "")
    parts = (before.rstrip() + "\n", _section(costs), rest)
    return "\n".join(part for part in parts if part)


def _section(costs: Mapping[str, Cost]) -> str:
    where = escape("; ".join(circumstances(costs.values())))
    rows = [(variant, *map(escape, in_words(cost))) for variant, cost in costs.items()]
    return (
        f"{HEADING}\n\nMeasured with {where}. Each variant had a process of its own: memory is the "
        "most that it took, Python and libraries included, and load the time from its start to "
        f"its first result.\n\n{table(('variant', 'speed', 'memory', 'load'), rows)}"
    )
