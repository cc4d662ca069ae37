"""Models laid out as repositories of the Hugging Face hub: settings on top, graphs in `onnx`.

transformers.js and `optimum` look for `onnx/model.onnx`, `onnx/model_fp16.onnx` and, by default in
a browser, `onnx/model_quantized.onnx`. Under these names there is standard ONNX alone: what is for
one runtime gives wrong text elsewhere, in silence.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from export.release.models import Model

FOLDER, GRAPHS = "hub", "onnx"
CONFIG = "config.json"  # without which nobody takes a folder for a model
ENDINGS = {"fp32": "", "fp16": "_fp16", "int8": "_quantized"}
PORTABLE = "portable"  # the form of standard ONNX
LEFT_OUT = {"genai_config.json"}  # which names a graph that is for ONNX Runtime alone


def write(tree: Path, models: Sequence[Model]) -> None:
    """Lay out, in `hub/NAME`, each model of a release that says in `config.json` what it is."""
    for model in models:
        if CONFIG in model.manifest.files:
            _lay_out(model, tree / FOLDER / model.name)


def _lay_out(model: Model, folder: Path) -> None:
    (folder / GRAPHS).mkdir(parents=True)
    variants = model.manifest.variants
    graphs = {file for variant in variants.values() for file in variant.graphs.values()}
    for file in sorted(model.manifest.files.keys() - graphs - LEFT_OUT):
        _put(model.folder / file, folder / file)
    for name, variant in variants.items():
        if variant.form == PORTABLE and name in ENDINGS:
            for role, file in variant.graphs.items():
                _put(model.folder / file, folder / GRAPHS / f"{role}{ENDINGS[name]}.onnx")


def _put(source: Path, target: Path) -> None:
    """Give a file a second name, or make a copy where the disk knows no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
