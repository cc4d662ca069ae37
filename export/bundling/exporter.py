"""`export.export`: from a training run to a bundle that was proved before it was given its name."""

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

import serving
from export.bundling import card, samples
from export.bundling.staging import replacing_directory
from export.bundling.variants import VARIANTS, write_variants
from export.bundling.weights import compress
from export.errors import ExportError
from export.families.family import Family, family_of
from export.proof import parity, saved_model
from export.run import Run, opened
from serving.bundle.manifest import (
    MANIFEST_NAME,
    NAME_PATTERN,
    FileEntry,
    Manifest,
    Variant,
    sha256,
)
from serving.errors import UsageError, nearest
from serving.verify import verify
from zoo.presets import WEIGHTS

FORMATS = ("saved_model", "onnx")
LICENSE = "Apache-2.0"
VECTOR_ROWS = 3

log = logging.getLogger(__name__)


def export(
    workdir: str | Path,
    out: str | Path,
    *,
    formats: Sequence[str] = FORMATS,
    variants: Sequence[str] = ("fp32",),
    name: str | None = None,
) -> Path:
    """Export a trained model.

    Every graph is converted, checked against its opset, compared with Keras at several batch sizes
    and seeds, and run from the finished bundle by `serving.load`. A variant whose quality suffers
    is left out, with a warning.

    Args:
        workdir: of `zoo.train`, of which the weights that validated best are exported; or a bundle
            or a name of `genzoo list`, which is exported again from its weights.
        out: the bundle's directory. A bundle that is there is replaced, anything else refused.
        formats: `onnx`, `saved_model`, or both.
        variants: of the ONNX graphs: `fp32`, `fp16`, `int8`; of a Transformer also `static`,
            `static-fp16` and `static-int8`, with a cache of fixed size, for GPUs and NPUs, and
            `fused`, `fused-int8` and `fused-int4`, for ONNX Runtime alone.
        name: of the model; that of the recipe, or of the bundle, unless given.

    Returns:
        `out`, which now holds a bundle.

    Raises:
        ExportError: the model cannot be exported, or not faithfully; nothing is written.
        UsageError: no such run, format or variant, or a name that is none.

    Example:
        >>> import tempfile, zoo
        >>> place = Path(tempfile.mkdtemp())
        >>> _ = zoo.train("vae-digits", place / "run", quick=True)
        >>> bundle = export(place / "run", place / "bundle", formats=["onnx"])
        >>> (bundle / "decoder.onnx").is_file()
        True
    """
    formats = _choose("format", formats, FORMATS)
    variants = _choose("variant", variants, VARIANTS)
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"name '{name}' will not do; expected a-z, 0-9 and -, 64 at most")
    with opened(workdir) as run, replacing_directory(Path(out)) as directory:
        _Exporter(run, family_of(run), directory).write(formats, variants, name or run.name)
    return Path(out)


class _Exporter:
    """One export of one run into an empty directory."""

    def __init__(self, run: Run, family: Family, directory: Path):
        self.run, self.family, self.directory = run, family, directory
        # The headline first, which is the metric that lists show.
        self.metrics = sorted(run.metrics(), key=lambda metric: metric["name"] != family.metric)

    def write(self, formats: Sequence[str], variants: Sequence[str], name: str) -> None:
        """Write the whole bundle, then prove it."""
        written = write_variants(self.family, variants, self.directory) if "onnx" in formats else {}
        if "saved_model" in formats:
            self._write_saved_model()
        drawn = self.family.samples(self.run.model)
        samples.write(drawn, self.family.processing, self.directory)
        self.family.write_files(self.directory)
        keep = shutil.copyfile if self.run.published else compress
        keep(self.run.weights, self.directory / WEIGHTS)
        self._write_vectors()
        self._write_manifest(name, written, drawn)
        if written:
            self._prove(drawn, written)

    def _write_saved_model(self) -> None:
        log.info("writing the SavedModel")
        directory = self.directory / "saved_model"
        saved_model.write(self.family.graphs, directory)
        signatures = saved_model.load(directory)
        for spec in self.family.graphs:
            error = parity.prove(signatures[spec.signature], spec)
            log.info("SavedModel %s: within %.1e of Keras", spec.signature, error)

    def _write_vectors(self) -> None:
        """Write inputs and Keras's outputs of every graph: what a good installation reproduces."""
        vectors = {}
        for spec in self.family.graphs:
            inputs = spec.sample(VECTOR_ROWS, 0)
            for kind, arrays in (("inputs", inputs), ("outputs", spec.run(inputs))):
                vectors |= {f"{spec.role}.{kind}.{key}": array for key, array in arrays.items()}
        np.savez_compressed(self.directory / "test_vectors.npz", **vectors)

    def _write_manifest(
        self, name: str, variants: dict[str, Variant], drawn: samples.Samples
    ) -> None:
        run, family = self.run, self.family
        try:
            manifest = Manifest(
                name=name,
                family=family.name,
                task=family.task,
                summary=run.recipe.summary,
                parameters=run.model.count_params(),
                variants=variants,
                interface={spec.role: spec.interface for spec in family.graphs},
                processing=family.processing,
                metrics=self.metrics,
                files=self._files(),
                provenance=run.provenance,
                license=LICENSE,
            )
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ExportError(f"the bundle's {where} will not do: {problem['msg']}") from error
        readme = self.directory / "README.md"
        readme.write_text(card.render(manifest, family, drawn), encoding="utf-8")
        manifest = manifest.model_copy(update={"files": self._files()})
        (self.directory / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")

    def _files(self) -> dict[str, FileEntry]:
        """List what is in the directory. A SavedModel is a folder, no part of the flat bundle."""
        files = (path for path in sorted(self.directory.iterdir()) if path.is_file())
        return {
            path.name: FileEntry(sha256=sha256(path), bytes=path.stat().st_size) for path in files
        }

    def _prove(self, expected: samples.Samples, variants: dict[str, Variant]) -> None:
        """Load the bundle as users will and compare: files, graphs, results, samples."""
        for check in verify(self.directory):
            if not check.passed:
                raise ExportError(f"the bundle is wrong: {check.name}: {check.detail}")
        for variant in variants:
            served = serving.load(self.directory, device="cpu", variant=variant)
            distance = samples.compare(self.family.samples(served), expected)
            log.info("%s: samples %s", variant, distance.words)
            if variant == "fp32" and not distance.is_rounding:
                raise ExportError(f"the bundle's samples are not Keras's: {distance.words}")


def _choose(what: str, chosen: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the chosen names in the order of `known`, each once."""
    for name in chosen:
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"unknown {what} '{name}'{hint}")
    if not chosen:
        raise UsageError(f"no {what} is given; there are {', '.join(known)}")
    return [name for name in known if name in chosen]
