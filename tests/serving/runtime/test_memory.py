"""What loading takes beside the graph: next to nothing, however it is checked."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

WIDTH, LAYERS = 1024, 16  # a file of 64 MiB, in matrices as large as those of large models
LOAD = """if True:
    import json, sys
    from functools import partial
    from pathlib import Path
    from serving.bundle.files import copy_listed, pin_of
    from serving.bundle.records import Interface, Port
    from serving.graphs.scan import check_graph
    from serving.runtime.sealed import content_of, sealed
    from serving.runtime.session import Session

    def resident(what):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))

    path, width = Path(sys.argv[1]), int(sys.argv[2])
    ports = [[Port(name=name, dtype="float32", axes=["batch", width], meaning="")] for name in "xy"]
    interface, pin = Interface(inputs=ports[0], outputs=ports[1]), pin_of(path)
    before = resident("VmRSS")
    data = sealed(partial(copy_listed, path.parent, {path.name: pin}, path.name))
    check_graph(content_of(data), path.name, interface, 19)
    Session(data, path.name, "cpu", 1, interface=interface)
    print((resident("VmHWM") - before) / pin.bytes)
"""


def large_graph(width: int, layers: int) -> onnx.ModelProto:
    """Products one after the other, of matrices that are all different."""
    random = np.random.default_rng(0)
    names = ["x", *(f"x{layer}" for layer in range(1, layers)), "y"]
    matrices = [
        numpy_helper.from_array(random.normal(size=(width, width)).astype(np.float32), f"w{layer}")
        for layer in range(layers)
    ]
    nodes = [
        helper.make_node("MatMul", [names[layer], f"w{layer}"], [names[layer + 1]])
        for layer in range(layers)
    ]
    ports = [
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])]
        for name in "xy"
    ]
    graph = helper.make_graph(nodes, "large", *ports, matrices)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_loading_peaks_at_little_more_than_the_file(tmp_path):
    path = tmp_path / "large.onnx"
    onnx.save(large_graph(WIDTH, LAYERS), path)
    command = [sys.executable, "-c", LOAD, str(path), str(WIDTH)]
    done = subprocess.run(command, capture_output=True, text=True)
    # Beside the weights ONNX Runtime takes 8 MB of libraries, and its graph.
    assert float(done.stdout) < 1.15 + 10 / 64, done.stderr
