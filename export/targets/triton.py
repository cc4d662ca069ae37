"""A model repository of Triton: the graphs of a bundle, and what it can be asked for."""

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

from export.bundling.staging import Kind, check_free, replacing_directory
from export.targets.bundled import Bundled
from export.targets.model_config import as_text, call_config, graph_config
from serving.server.inference.models import Graph, Inferable, Pipeline, parts

MODEL = Kind("a model of Triton", ("config.pbtxt",))


def write_triton(bundled: Bundled, out: Path) -> Sequence[str]:
    """Write every model that a bundle is to Triton into a repository, and return their names.

    They are called as `genzoo serve` calls them. Graphs whose rows are computed each by itself
    are models of the ONNX Runtime backend; calls are models of the Python backend, which run this
    package on a copy of the bundle. What else the repository holds is left alone.

    Args:
        bundled: the bundle.
        out: the repository.

    Raises:
        ExportError: something else is in the place of a model; nothing was written.
    """
    models = list(parts(bundled.served))
    for model in models:
        check_free(out / model.name, MODEL)
    with ExitStack() as stack:
        copy: Path | None = None
        for model in models:
            folder = stack.enter_context(replacing_directory(out / model.name, MODEL))
            copy = _write(model, bundled, folder, copy)
    return [model.name for model in models]


def _write(model: Inferable, bundled: Bundled, folder: Path, copy: Path | None) -> Path | None:
    """Write one model; return where the bundle has been copied to, if it has."""
    version = folder / "1"
    version.mkdir()
    settings = {"model_hash": bundled.hash, "variant": bundled.variant}
    if isinstance(model, Graph):
        variant = bundled.manifest.variants[bundled.variant]
        needed = [
            variant.graphs[model.role],
            *filter(None, [(variant.weights or {}).get(model.role)]),
        ]
        bundled.copy(needed, version)
        config = graph_config(model, needed[0], settings)
    else:
        assert isinstance(model, Pipeline)
        source = files(__package__) / "templates" / "model.py"
        (version / "model.py").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        if copy is None:
            copy = version / "bundle"
            bundled.copy(bundled.needed, copy)
        else:
            shutil.copytree(copy, version / "bundle", copy_function=_linked)
        config = call_config(model, settings | {"call": model.call.name})
    (folder / "config.pbtxt").write_text(as_text(config) + "\n", encoding="utf-8")
    return copy


def _linked(source: str, target: str) -> None:
    """Give a file a second name, or copy it where there can be none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
