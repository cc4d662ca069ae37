"""`export.export`: from a training run to a bundle that was proved before it was given its name."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

import serving
from export.bundling import card
from export.bundling.formats import DEFAULT, Chosen, chosen_formats
from export.bundling.staging import replacing_directory
from export.bundling.variants import chosen_forms, write_variants
from export.bundling.weights import compress
from export.errors import ExportError
from export.families.exporter import Exporter, exporter_of
from export.families.forms import Form
from export.proof import parity, saved_model
from export.run import Run, judged, opened
from serving.bundle.files import pin_of
from serving.bundle.manifest import Manifest, Variant
from serving.bundle.records import MANIFEST_NAME, NAME_PATTERN, Pin
from serving.errors import UsageError
from serving.loader import runtime_of
from serving.verify import verify

VECTOR_ROWS = 3

log = logging.getLogger(__name__)


def export(
    workdir: str | Path,
    out: str | Path,
    *,
    formats: Sequence[str] = DEFAULT,
    variants: Sequence[str] = ("fp32",),
    name: str | None = None,
    judge: str | Path | None = None,
) -> Path:
    """Export a trained model.

    Every graph is converted, checked against its opset, compared with Keras at several batch sizes
    and seeds, and run from the finished bundle by `serving.load`. A variant whose quality suffers
    is left out, with a warning. The same weights give the same bytes.

    Args:
        workdir: of `zoo.train`, of which the weights that validated best are exported; or a bundle
            or a name of `genzoo list`, which is exported again from its weights.
        out: the bundle's directory. A bundle that is there is replaced, anything else refused.
        formats: `onnx` and `saved_model`; of a Transformer also `safetensors`, for `transformers`,
            and `gguf`, `gguf-q8_0` and `gguf-q4_0`, for llama.cpp.
        variants: of the ONNX graphs: `fp32`, `fp16`, `int8`; of a Transformer also `static`,
            `static-fp16` and `static-int8`, with a cache of fixed size, for GPUs and NPUs, and
            `fused`, `fused-int8` and `fused-int4`, for ONNX Runtime alone, and `fused-lora`,
            `fused-int8-lora` and `fused-int4-lora`, which take adapters at each call.
        name: of the model; that of the recipe, or of the bundle, unless given.
        judge: of a GAN or a VAE, a judge by which images are to be drawn towards a class, or away
            from it: a name or a work directory, see `zoo.judge.load_judge`. It becomes a part of
            the bundle, which then has one more graph, `guide`.

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
    check_name(name)
    with opened(workdir) as run:
        exporter = exporter_of(run)
        if judge is not None:
            if not exporter.guided:
                raise UsageError(
                    f"a judge steers no model of family '{exporter.family.name}'; leave judge out"
                )
            exporter = exporter_of(judged(run, judge))
        chosen, forms = chosen_formats(exporter, formats), chosen_forms(exporter, variants)
        with replacing_directory(Path(out)) as directory:
            _Export(exporter, directory, name or run.name).write(chosen, forms)
    return Path(out)


def check_name(name: str | None) -> None:
    """Refuse a name that a model or an adapter cannot have; None is for another one.

    Raises:
        UsageError: as said.
    """
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"name '{name}' will not do; expected a-z, 0-9 and -, 64 at most")


class _Export:
    """One export of one run into an empty directory."""

    def __init__(self, exporter: Exporter, directory: Path, name: str):
        self.exporter, self.run, self.directory, self.name = (
            exporter,
            exporter.run,
            directory,
            name,
        )
        # The headline first, which is the metric that lists show.
        self.metrics = sorted(
            self.run.metrics(), key=lambda metric: metric["name"] != exporter.metric
        )

    def write(self, formats: Chosen, forms: Sequence[Form]) -> None:
        """Write the whole bundle, then prove it."""
        written = write_variants(self.exporter, forms, self.directory) if formats.onnx else {}
        if formats.saved_model:
            self._write_saved_model()
        drawn = self.exporter.samples(self.run.model)
        self.exporter.content.write_samples(
            drawn, self.exporter.processing, self.directory / "samples"
        )
        assets = self.exporter.write_assets(self.directory, written)
        for each in formats.checkpoints:
            log.info("writing %s", each.name)
            each.write(self.directory, self.name)
        for part, run in self.run.parts.items():
            compress(run.weights, self.directory / weights_name(part))
        self._write_vectors()
        self._write_manifest(written, assets, drawn)
        if written:
            self._prove(drawn, written)

    def _write_saved_model(self) -> None:
        log.info("writing the SavedModel")
        directory = self.directory / "saved_model"
        saved_model.write(self.exporter.graphs, directory)
        signatures = saved_model.load(directory)
        for spec in self.exporter.graphs:
            error = parity.prove(signatures[spec.signature], spec)
            log.info("SavedModel %s: within %.1e of Keras", spec.signature, error)

    def _write_vectors(self) -> None:
        """Write inputs and Keras's outputs of every graph: what a good installation reproduces."""
        vectors = {}
        for spec in self.exporter.graphs:
            inputs = spec.sample(VECTOR_ROWS, 0)
            for kind, arrays in (("inputs", inputs), ("outputs", spec.run(inputs))):
                vectors |= {f"{spec.role}.{kind}.{key}": array for key, array in arrays.items()}
        np.savez_compressed(self.directory / "test_vectors.npz", **vectors)

    def _manifest(self, variants: dict[str, Variant], assets: dict[str, str]) -> Manifest:
        run, exporter = self.run, self.exporter
        auto = {
            device: [name for name in names if name in variants]
            for device, names in exporter.auto.items()
        }
        return Manifest.model_validate(
            {
                "name": self.name,
                "family": exporter.family.name,
                "content": str(exporter.family.gives),
                "task": exporter.task,
                "summary": run.recipe.summary,
                "parts": {name: each.part(weights_name(name)) for name, each in run.parts.items()},
                "assets": assets,
                "auto": {device: names for device, names in auto.items() if names},
                "variants": variants,
                "interface": {spec.role: spec.interface for spec in exporter.graphs},
                "processing": exporter.processing,
                "metrics": self.metrics,
                "files": self._files(),
                "license": _strictest(run),
            }
        )

    def _write_manifest(
        self, variants: dict[str, Variant], assets: dict[str, str], drawn: Any
    ) -> None:
        try:
            manifest = self._manifest(variants, assets)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ExportError(f"the bundle's {where} will not do: {problem['msg']}") from error
        declared = runtime_of(manifest).declared(manifest)
        calls = {name: call.record() for name, call in declared.items()}
        manifest = manifest.model_copy(update={"calls": calls})
        readme = self.directory / "README.md"
        readme.write_text(card.render(manifest, self.exporter, drawn), encoding="utf-8")
        manifest = manifest.model_copy(update={"files": self._files()})
        (self.directory / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")

    def _files(self) -> dict[str, Pin]:
        """List what is in the directory. A SavedModel is a folder, no part of the flat bundle."""
        files = (path for path in sorted(self.directory.iterdir()) if path.is_file())
        return {path.name: pin_of(path) for path in files}

    def _prove(self, expected: Any, variants: dict[str, Variant]) -> None:
        """Load the bundle as users will and compare: files, graphs, results, samples."""
        for check in verify(self.directory):
            if not check.passed:
                raise ExportError(f"the bundle is wrong: {check.name}: {check.detail}")
        for variant in variants:
            served = serving.load(self.directory, device="cpu", variant=variant)
            distance = self.exporter.compare(self.exporter.samples(served), expected)
            log.info("%s: samples %s", variant, distance.words)
            if variant == "fp32" and not distance.is_rounding:
                raise ExportError(f"the bundle's samples are not Keras's: {distance.words}")


def weights_name(part: str) -> str:
    """Return the name of the file with the Keras weights of a part."""
    return f"{part}.weights.h5"


def _strictest(run: Run) -> str:
    """Return the licence of a bundle: that of its parts, where they are of one."""
    licenses = list(dict.fromkeys(part.license for part in run.parts.values()))
    return licenses[0] if len(licenses) == 1 else " AND ".join(licenses)
