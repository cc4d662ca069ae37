"""The graphs of a release in the words of the ONNX Model Zoo, as `onnx.hub` reads them."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.release.models import Model
from serving.bundle.files import sha256
from serving.bundle.records import Port
from serving.bundle.vectors import VECTORS

NAME = "ONNX_HUB_MANIFEST.json"
ARCHIVES = "onnx"  # graphs with their test data, in the layout of the zoo
TYPES = {"float32": "float", "int32": "int32", "int64": "int64", "uint8": "uint8"}


def write(tree: Path, models: Sequence[Model]) -> None:
    """Write the manifest of a release, and an archive of each graph with its test data.

    `onnx.hub.load("cgan-mnist/generator.fp16")` and `onnx.hub.download_model_with_test_data` then
    work from wherever the release is served: onnx 1.20 is the last that has them.
    """
    entries = [entry for model in models for entry in _entries(tree, model)]
    (tree / NAME).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def _entries(tree: Path, model: Model) -> Iterator[dict[str, Any]]:
    """Describe every graph of every variant of a model."""
    with np.load(model.folder / VECTORS, allow_pickle=False) as arrays:
        vectors = dict(arrays)
    for variant, details in model.manifest.variants.items():
        for role, file in details.graphs.items():
            path = model.folder / file
            archive = tree / ARCHIVES / model.name / f"{path.stem}.tar.gz"
            _write_archive(archive, path, model, role, vectors)
            interface = model.manifest.interface[role]
            ports = {"inputs": interface.inputs, "outputs": interface.outputs}
            yield {
                "model": f"{model.name}/{path.stem}",
                "model_path": path.relative_to(tree).as_posix(),
                "onnx_version": _onnx_version(path),
                "opset_version": details.opset,
                "metadata": {
                    "model_sha": model.entry.files[file].sha256,
                    "model_bytes": model.entry.files[file].bytes,
                    "tags": [model.manifest.family, model.manifest.task, role, variant],
                    "io_ports": {kind: [*map(_port, listed)] for kind, listed in ports.items()},
                    "model_with_data_path": archive.relative_to(tree).as_posix(),
                    "model_with_data_sha": sha256(archive),
                    "model_with_data_bytes": archive.stat().st_size,
                },
            }


def _port(port: Port) -> dict[str, Any]:
    return {"name": port.name, "shape": port.axes, "type": f"tensor({TYPES[port.dtype]})"}


def _onnx_version(path: Path) -> str:
    """Return the first release of ONNX that knows a graph's IR version and opset."""
    graph = onnx.load(path, load_external_data=False)
    opset = max((entry.version for entry in graph.opset_import if not entry.domain), default=1)
    for release, ir_version, operators, *_ in helper.VERSION_TABLE:
        if ir_version >= graph.ir_version and operators >= opset:
            return release
    return onnx.__version__


def _write_archive(
    archive: Path, graph: Path, model: Model, role: str, vectors: dict[str, np.ndarray]
) -> None:
    """Write a graph and its test vectors as the zoo does: protobufs, one file for each array."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    interface = model.manifest.interface[role]
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        _add(tar, f"{graph.stem}/{graph.name}", graph.read_bytes())
        for kind, ports in (("input", interface.inputs), ("output", interface.outputs)):
            for number, port in enumerate(ports):
                array = vectors.get(f"{role}.{kind}s.{port.name}")
                if array is None:  # an output that is not compared
                    continue
                data = numpy_helper.from_array(array, port.name).SerializeToString()
                _add(tar, f"{graph.stem}/test_data_set_0/{kind}_{number}.pb", data)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file that is the same whenever and by whomever it is added."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
