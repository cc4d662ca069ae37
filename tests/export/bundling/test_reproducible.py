"""The same weights give the same files: in any folder, process and order, with any hash seed."""

import os
import subprocess
import sys

import pytest

import zoo
from serving.bundle.manifest import read_manifest
from tests.zoo.gan.test_gan_training import recipe

EXPORT = """
import sys, export
export.export(sys.argv[1], sys.argv[2], formats=["onnx"], variants=sys.argv[3:])
"""
IMAGES = ["fp32", "fp16", "int8"]
TEXTS = [*IMAGES, "static", "static-fp16", "static-int8", "fused", "fused-int8", "fused-int4"]
SMALL = {"model.layers": 1, "model.width": 32, "model.heads": 2, "model.context": 16}


def of_images(place):
    return zoo.train(recipe(train={"epochs": 1}), place).workdir


def of_text(place):
    return zoo.train("gpt-python-topics", place, overrides=SMALL, quick=True).workdir


def exported(run, out, variants, hash_seed):
    """Export in a process of its own, and return the sha256 of each file and the manifest."""
    command = [sys.executable, "-c", EXPORT, run, out, *variants]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return read_manifest(out)


@pytest.mark.parametrize(
    ("made", "variants"), [(None, IMAGES), (of_images, IMAGES), (of_text, TEXTS)]
)
def test_two_exports_are_the_same_to_the_last_byte(made, variants, workdir, tmp_path):
    run = workdir if made is None else made(tmp_path / "run")
    one = exported(run, tmp_path / "one" / "model", variants, 1)
    other = exported(run, tmp_path / "another" / "folder" / "model", variants[::-1], 2)
    assert one.files == other.files and one == other
    assert len(one.variants) > 1
