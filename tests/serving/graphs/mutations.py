"""Mutates graphs, and loads and runs each: `python -m tests.serving.graphs.mutations SEED COUNT`.

A process of its own, since what it looks for ends processes. It prints how many were refused, and
how many ran; whatever else happens is a fault.
"""

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

import serving
from serving.errors import GenzooError
from serving.graphs.operators import DOMAIN, OPERATORS, STANDARD
from serving.graphs.scan import check_graph
from serving.runtime.session import Session
from tests.serving import tiny_bundle, tiny_text_bundle
from tests.serving.graphs.graphs import from_x, fused, node

NUMBERS = [
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    64,
    255,
    2**16,
    2**31 - 1,
    -(2**31),
    2**40,
    2**62,
    -(2**63),
]
REALS = [0.0, 1.0, -1.0, 0.5, 1e-38, 1e38, float("inf"), float("nan")]
WORDS = ["NOTSET", "VALID", "linear", "nearest", "reflect", "add", "DCR", "ij,jk->ik", "i,j->ij"]
KNOWN = [("", name) for name in STANDARD] + [(DOMAIN, name) for name in OPERATORS[DOMAIN]]


def network():
    """A dense layer, an activation, and convolutions there and back, some in 8 bits."""
    draw = np.random.RandomState(0).randn
    constants = {
        "dense": draw(4, 18),
        "bias": draw(18),
        "kernel": draw(2, 4, 4, 4),
        "filters": draw(4, 4, 3, 3),
    }
    constants = {name: array.astype(np.float32) for name, array in constants.items()}
    constants |= {"shape": np.array([-1, 2, 3, 3]), "scale": np.float32(0.1), "zero": np.uint8(3)}
    nodes = [
        node("Gemm", "x dense bias", "a"),
        node("LeakyRelu", "a", "b", alpha=0.2),
        node("Reshape", "b shape", "c"),
        node("ConvTranspose", "c kernel", "d", strides=[2, 2], pads=[1] * 4),
        node("QuantizeLinear", "d scale zero", "e"),
        node("DequantizeLinear", "e scale zero", "f"),
        node("Conv", "f filters", "g", pads=[1] * 4),
        node("DepthToSpace", "g", "y", blocksize=2, mode="CRD"),
    ]
    return from_x(nodes, constants, result=("batch", 1, 12, 12))


class Mutation:
    """Changes that keep a file readable, and then some bytes."""

    def __init__(self, seed):
        self.choice, self.chance = random.Random(seed).choice, random.Random(seed + 1).random

    def of(self, model):
        """Return the bytes of a changed copy."""
        copy = onnx.ModelProto.FromString(model.SerializeToString())
        for _ in range(self.choice([1, 1, 1, 2, 3])):
            self.choice([self.constant, self.shape, self.attribute, self.operator, self.wires])(
                copy.graph
            )
        data = bytearray(copy.SerializeToString())
        if self.chance() < 0.2:
            data[self.choice(range(len(data)))] = self.choice(range(256))
        return bytes(data)

    def constant(self, graph):
        tensor = self.choice(graph.initializer)
        array = numpy_helper.to_array(tensor).copy()
        if array.size:
            values = REALS if array.dtype.kind == "f" else NUMBERS
            array.reshape(-1)[self.choice(range(array.size))] = self.fitting(values, array.dtype)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    def fitting(self, values, dtype):
        return np.array(self.choice(values)).astype(dtype)

    def shape(self, graph):
        tensor = self.choice(graph.initializer)
        array = numpy_helper.to_array(tensor)
        others = [array.ravel(), array[None], array[..., None], array.T, array.ravel()[:1]]
        others += [array.ravel()[:0], np.concatenate([array.ravel()] * 2), array.astype(np.int64)]
        tensor.CopyFrom(
            numpy_helper.from_array(np.ascontiguousarray(self.choice(others)), tensor.name)
        )

    def attribute(self, graph):
        changed = self.choice(graph.node)
        table = OPERATORS.get(changed.domain, STANDARD)
        name = self.choice(list(table[changed.op_type].attributes) or ["evil"])
        kept = [each for each in changed.attribute if each.name != name]
        value = self.choice([self.choice(NUMBERS), self.choice(REALS), self.choice(WORDS)])
        few = [self.choice(NUMBERS[:8]) for _ in range(self.choice([1, 2, 4]))]
        del changed.attribute[:]
        changed.attribute.extend([*kept, helper.make_attribute(name, self.choice([value, few]))])

    def operator(self, graph):
        changed = self.choice(graph.node)
        changed.domain, changed.op_type = self.choice(KNOWN)
        table = OPERATORS.get(changed.domain, STANDARD)
        kept = [
            each for each in changed.attribute if each.name in table[changed.op_type].attributes
        ]
        del changed.attribute[:]
        changed.attribute.extend(kept)

    def wires(self, graph):
        changed = self.choice([each for each in graph.node if each.input])
        names = [name for each in graph.node for name in (*each.input, *each.output)]
        at = self.choice(range(len(changed.input) + 1))
        if at == len(changed.input):
            changed.input.append(self.choice([*names, ""]))
        elif self.chance() < 0.2:
            del changed.input[at]
        else:
            changed.input[at] = self.choice([*names, ""])


def run_alone(mutation, model, interface, feeds):
    """Run a graph without a bundle around it."""
    data = mutation.of(model)
    check_graph(data, "graph.onnx", interface, 18, window=12)
    session = Session(data, "graph.onnx", "cpu", 1, spinning=False, interface=interface)
    session.run([port.name for port in interface.outputs], feeds)


def run_bundle(mutation, bundle, model, file, use):
    """Load a bundle whose manifest is right, and use it."""
    (bundle / file).write_bytes(mutation.of(model))
    tiny_bundle.reseal(bundle)
    use(serving.load(bundle, device="cpu", threads=1, spinning=False))


def main(seed, count):
    mutation, folder = Mutation(seed), Path(tempfile.mkdtemp())
    images = tiny_bundle.write_bundle(folder / "images")
    texts = tiny_text_bundle.write_bundle(folder / "texts")
    ids, cache = np.zeros((2, 3), np.int64), np.zeros((2, 2, 0, 16), np.float32)
    text = {"input_ids": ids, "attention_mask": ids + 1, "past_key": cache, "past_value": cache}
    x = {"x": np.ones((2, 4), np.float32)}
    kinds = [
        lambda: run_alone(mutation, *network(), x),
        lambda: run_alone(mutation, *fused(), text),
        lambda: run_bundle(
            mutation,
            images,
            tiny_bundle.graph("decoder"),
            "decoder.onnx",
            lambda model: model.generate(2, seed=0),
        ),
        lambda: run_bundle(
            mutation,
            texts,
            tiny_text_bundle.graph(),
            "model.onnx",
            lambda model: model.generate("a", max_new_tokens=3, seed=0),
        ),
    ]
    ends = Counter()
    for index in range(count):
        try:
            kinds[index % len(kinds)]()
            ends["ran"] += 1
        except GenzooError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            ends["refused"] += 1
    print(ends["ran"], ends["refused"])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
