"""`genzoo export RUN --adapter`: what a run has trained of low rank, without what it changes."""

from pathlib import Path

import numpy as np
import onnxruntime

from export.bundling.exporter import check_name
from export.bundling.staging import ADAPTER, replacing_directory
from export.errors import ExportError
from export.families.adapters import FIRST, SECOND, input_name
from export.families.exporter import exporter_of
from export.run import Run, opened
from serving.bundle.adapter import ADAPTER_NAME, Adapter, Base, read_adapter
from serving.bundle.files import pin_of
from zoo.training.lora import file as adapters
from zoo.training.lora.file import Described, Factors

SUFFIX = ".onnx_adapter"
VERSION = 1  # of adapter and model, which ONNX Runtime keeps and does not compare


def export_adapter(workdir: str | Path, out: str | Path, *, name: str | None = None) -> Path:
    """Export the adapter of a run by itself.

    A model in a variant that takes adapters (`fused-lora`) is given it at each call, see
    `serving.load`; any program that runs such a graph on ONNX Runtime can activate its file. The
    same adapter gives the same bytes.

    Args:
        workdir: of `zoo.train` with `train.lora`.
        out: the adapter's directory. An adapter that is there is replaced, anything else refused.
        name: of the adapter; that of the recipe unless given.

    Returns:
        `out`, which now holds `adapter.json` and one more file.

    Raises:
        ExportError: the run has no adapter, or one that no graph takes.
        UsageError: no such run, or a name that is none.
    """
    check_name(name)
    with opened(workdir) as run:
        path = run.directory.best_adapter
        if run.published or not path.is_file():
            raise ExportError(
                f"{workdir} has no adapter; train one with --set train.lora=8, or leave --adapter "
                "out to export the model"
            )
        described, factors = adapters.load(path)
        arrays = _arrays(described, factors)
        taken = exporter_of(run).adapted
        for layer in factors:
            if layer.split("/")[-1] not in taken:
                raise ExportError(
                    f"{workdir} changes {layer}, which graphs of its family do not take at a call "
                    f"({', '.join(taken) or 'they take nothing'}); leave --adapter out, which "
                    "merges it"
                )
        with replacing_directory(Path(out), ADAPTER) as directory:
            _write(run, described, arrays, name or run.name, directory)
            read_adapter(directory)
    return Path(out)


def _arrays(described: Described, factors: dict[str, Factors]) -> dict[str, np.ndarray]:
    """Return the arrays of a graph's inputs, of which B has the scale in it."""
    scale, arrays = np.float32(described.alpha / described.rank), {}
    for layer, (first, second) in sorted(factors.items()):
        arrays[input_name(layer) + FIRST] = first.astype(np.float32)
        arrays[input_name(layer) + SECOND] = scale * second.astype(np.float32)
    return arrays


def _write(
    run: Run, described: Described, arrays: dict[str, np.ndarray], name: str, directory: Path
) -> None:
    path = directory / f"{name}{SUFFIX}"
    made = onnxruntime.AdapterFormat()
    made.set_adapter_version(VERSION)
    made.set_model_version(VERSION)
    hold = onnxruntime.OrtValue.ortvalue_from_numpy
    made.set_parameters({key: hold(array) for key, array in arrays.items()})
    made.export_adapter(str(path.resolve()))
    adapter = Adapter(
        name=name,
        summary=run.recipe.summary,
        base=Base(name=described.base, weights=described.base_weights),
        rank=described.rank,
        alpha=described.alpha,
        targets=list(described.targets),
        shapes={key: list(array.shape) for key, array in arrays.items()},
        file=path.name,
        parameters=sum(array.size for array in arrays.values()),
        provenance=run.provenance,
        metrics=run.metrics(),
        files={path.name: pin_of(path)},
        license=run.license,
    )
    (directory / ADAPTER_NAME).write_text(adapter.to_json(), encoding="utf-8")
