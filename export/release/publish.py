"""`export.publish`: from models to a release, a folder that any file server can host."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from export.bundling.staging import RELEASE, check_free, replacing_directory
from export.release import bill, gallery, onnx_hub, repositories
from export.release.models import Model, check, take
from serving.bundle.files import sha256
from serving.bundle.manifest import read_manifest
from serving.catalogue import INDEX
from serving.catalogue.build import build, to_json
from serving.errors import UsageError
from serving.hub import Source, find
from serving.hub.signature import sign
from zoo.startup import load_tensorflow
from zoo.training.workdir import WorkDir

SUMS = "SHA256SUMS"
SIGNATURE = f"{INDEX.name}.sig"

log = logging.getLogger(__name__)


def publish(
    sources: Sequence[str | Path],
    to: str | Path,
    key: str | Path | None = None,
    *,
    variants: Sequence[str] | None = None,
) -> Path:
    """Publish models.

    Every bundle is copied and then proved by `serving.verify`. The same models, packages and
    version of this one give the same bytes, the signature apart.

    Args:
        sources: each a work directory of `zoo.train`, which is exported first, a bundle directory,
            or a name of the catalogue.
        to: the release's directory. A release that is there is replaced, anything else refused.
        key: a file with an elliptic-curve private key in PEM, to sign the index with.
        variants: of the work directories, see `export.export`; `fp32` alone if None.

    Returns:
        `to`, which now holds a release; see `export.release`.

    Raises:
        ExportError: a model cannot be exported or fails its proof; nothing is written.
        BundleError: a bundle is not whole; nothing is written.
        UsageError: no such source, key or variant, or one model twice.

    Example:
        >>> import zoo
        >>> _ = zoo.train("vae-digits", "run", quick=True)
        >>> release = publish(["run"], "release")
        >>> (release / "index.html").is_file()
        True
    """
    to = Path(to)
    if not sources:
        raise UsageError("nothing to publish; give a work directory, a bundle or a model's name")
    check_free(to, RELEASE)
    if key is not None:
        _try(Path(key))
    with ExitStack() as stack:
        bundles = _bundles(sources, variants, stack)
        with replacing_directory(to, RELEASE) as tree:
            for source in bundles:
                log.info("%s is whole and gives its results", take(source, tree / "models"))
            _describe(tree, None if key is None else Path(key))
    return to


def _bundles(
    sources: Sequence[str | Path], variants: Sequence[str] | None, stack: ExitStack
) -> list[Source]:
    """Find every bundle, exporting work directories once all the others are known to be good."""
    runs = [source for source in sources if WorkDir(source).recipe.is_file()]
    if variants is not None and not runs:
        raise UsageError(
            "variants are for work directories, and none is given: a bundle has those it has"
        )
    found = {source: find(source) for source in sources if source not in runs}
    if runs:
        load_tensorflow()
    names: dict[str, str | Path] = {}
    for source in sources:
        name = WorkDir(source).read_recipe().name if source in runs else check(found[source]).name
        if name in names:
            raise UsageError(
                f"{names[name]} and {source} are both the model '{name}'; publish one of them"
            )
        names[name] = source
    if runs:
        from export.bundling.exporter import export

        exported = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genzoo-")))
        for number, run in enumerate(runs):
            out = exported / str(number)
            found[run] = Source(export(run, out, formats=["onnx"], variants=variants or ["fp32"]))
    return [found[source] for source in sources]


def _describe(tree: Path, key: Path | None) -> None:
    """Write all that a release holds besides its models."""
    folder = tree / "models"
    index = build(folder)
    path = tree / INDEX.name
    path.write_text(to_json(index), encoding="utf-8")
    if key is not None:
        sign(path, key, tree / SIGNATURE)
    models = [
        Model(read_manifest(folder / name), entry, folder / name)
        for name, entry in index.models.items()
    ]
    onnx_hub.write(tree, models)
    repositories.write(tree, models)
    bill.write(tree, models)
    gallery.write(tree, models, signed=key is not None)
    (tree / SUMS).write_text("".join(_sums(tree)), encoding="utf-8")


def _sums(tree: Path) -> Iterator[str]:
    """Yield a line of `sha256sum` for every file."""
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            yield f"{sha256(path)}  {path.relative_to(tree).as_posix()}\n"


def _try(key: Path) -> None:
    """Sign something, so that a key that will not do shows before anything is exported."""
    if not key.is_file():
        raise UsageError(f"{key} is not a file; expected an elliptic-curve private key in PEM")
    with tempfile.TemporaryDirectory(prefix="genzoo-") as place:
        trial = Path(place) / INDEX.name
        trial.write_text("{}\n", encoding="utf-8")
        sign(trial, key, trial.with_name(SIGNATURE))
