"""The same weights give the same files: in any folder, process and order, with any hash seed."""

import json
import os
import subprocess
import sys

import pytest

import zoo
from serving.bundle.manifest import read_manifest
from tests.zoo.gan.test_gan_training import recipe

EXPORT = """
import json, sys, export
for run, out, variants in json.loads(sys.argv[1]):
    export.export(run, out, formats=["onnx"], variants=variants)
"""
IMAGES = ["fp32", "fp16", "int8"]
TEXTS = [*IMAGES, "static", "static-fp16", "static-int8", "fused", "fused-int8", "fused-int4"]
SMALL = {"model.layers": 1, "model.width": 32, "model.heads": 2, "model.context": 16}


def exported(runs, folder, hash_seed, order):
    """Export in a process of its own; return the manifests, which have the files' sha256."""
    outs = [folder / str(number) / "model" for number in range(len(runs))]
    asked = [
        (str(run), str(out), variants[::order])
        for (run, variants), out in zip(runs, outs, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, json.dumps(asked)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )
    assert done.returncode == 0, done.stderr
    return [read_manifest(out) for out in outs]


@pytest.mark.long
def test_two_exports_are_the_same_to_the_last_byte(workdir, tmp_path):
    images = zoo.train(recipe(train={"epochs": 1}), tmp_path / "images").workdir
    text = zoo.train("gpt-python-topics", tmp_path / "text", overrides=SMALL, quick=True).workdir
    runs = [(workdir, IMAGES), (images, IMAGES), (text, TEXTS)]
    ones = exported(runs, tmp_path / "one", 1, 1)
    others = exported(runs, tmp_path / "another" / "folder", 2, -1)
    for one, other in zip(ones, others, strict=True):
        assert one.files == other.files and one == other
        assert len(one.variants) > 1
