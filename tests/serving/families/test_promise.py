"""The same seed writes the same text in every variant, whatever was asked before, in any way."""

import pytest

import serving
from serving.bundle.manifest import read_manifest
from serving.catalogue import MODELS
from tests.serving.text.promise import assert_kept

NAME = "gpt-python-topics"
# What is computed in float16 is for GPUs: on a CPU its sums depend on how many rows there are.
VARIANTS = [
    name
    for name, variant in read_manifest(MODELS / NAME).variants.items()
    if not name.endswith("fp16")
    and all((MODELS / NAME / file).exists() for file in variant.graphs.values())
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_promise(variant):
    assert_kept(serving.load(MODELS / NAME, device="cpu", variant=variant))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_promise_of_a_graph_that_is_no_file_of_the_zoo(text, threads):
    assert_kept(serving.load(text, device="cpu", threads=threads), cases=40)
