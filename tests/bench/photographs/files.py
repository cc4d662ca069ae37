"""What the libraries read that do not read bundles: the same FSRCNN, and a network of others."""

from pathlib import Path
from typing import Any

import numpy as np

from serving.photographs.bicubic import REACH, phases

FROZEN, ZOO = "fsrcnn.pb", "super_resolution.onnx"
# What is enlarged by the graph of the ONNX Model Zoo, and by no other size.
ZOO_SIDE, ZOO_SCALE = 224, 3


def write(folder: Path, bundle: Path) -> None:
    """Write all of it into a folder, in a process that ends with it."""
    from zoo.startup import load_tensorflow

    load_tensorflow()
    import zoo

    (folder / FROZEN).write_bytes(_frozen(zoo.from_preset(bundle)))
    (folder / ZOO).write_bytes(_super_resolution())


def _frozen(model: Any) -> bytes:
    """Return a graph of TensorFlow as `dnn_superres` of OpenCV takes it.

    It has the operators of those that OpenCV's documentation names (Saafke/FSRCNN_Tensorflow on
    GitHub): convolutions, PReLU by an absolute value, a transposed convolution to a size that is
    written down, and channels first in the end. The bicubic enlargement is a transposed convolution
    too, and is another at the edges alone, where it takes what is outside for 0.
    """
    import tensorflow as tf

    network, scale = model.network, model.config.scale
    layers = [
        (np.asarray(convolution.kernel), np.asarray(convolution.bias), np.ravel(slope.alpha))
        for convolution, slope in zip(network.convolutions, network.slopes, strict=True)
    ]
    kernel, bias = np.asarray(network.larger.kernel), np.asarray(network.larger.bias)
    size = tf.constant([1, 10 * scale, 10 * scale, 1]).numpy()  # of which OpenCV takes no notice

    def transposed(value: Any, weights: np.ndarray, name: str) -> Any:
        return tf.nn.conv2d_transpose(value, weights, size, scale, "SAME", name=name)

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [1, None, None, 1], "IteratorGetNext")
        features = image - 0.5
        for weights, shift, slopes in layers:
            features = tf.nn.conv2d(features, weights, 1, "SAME") + shift
            below = slopes * (features - tf.abs(features)) * 0.5
            features = tf.nn.relu(features) + below
        added = transposed(features, kernel, "deconv") + bias
        plain = transposed(image, _bicubic(scale)[..., None, None], "bicubic")
        tf.transpose(added + plain, [0, 3, 1, 2], name="NCHW_output")
    return graph.as_graph_def().SerializeToString()


def _bicubic(scale: int) -> np.ndarray:
    """Return the kernel of a transposed convolution that enlarges bicubically: float32."""
    taps = np.zeros((2 * REACH + 1) * scale)
    for phase, weights in enumerate(phases(scale)):
        for place, weight in enumerate(weights):
            taps[phase + (2 * REACH - place) * scale] = weight
    return np.outer(taps, taps).astype(np.float32)


def _super_resolution() -> bytes:
    """Return the network of `super_resolution` of the ONNX Model Zoo, with random weights.

    Four convolutions (64 of 5x5, 64, 32 and 9 of 3x3) and a pixel shuffle, in opset 10, for one
    channel of 224x224 pixels. How fast it is does not depend on what it has learned.
    """
    from onnx import TensorProto, helper, numpy_helper

    random, side, scale = np.random.default_rng(0), ZOO_SIDE, ZOO_SCALE
    nodes, weights, value, inputs = [], [], "input", 1
    for layer, (outputs, taps) in enumerate(((64, 5), (64, 3), (32, 3), (scale**2, 3))):
        spread = (inputs * taps**2) ** -0.5
        kernel = (random.standard_normal((outputs, inputs, taps, taps)) * spread).astype(np.float32)
        names = [f"conv{layer}.weight", f"conv{layer}.bias"]
        weights += [
            numpy_helper.from_array(kernel, names[0]),
            numpy_helper.from_array(np.zeros(outputs, np.float32), names[1]),
        ]
        pads, result = [taps // 2] * 4, f"conv{layer}"
        nodes.append(helper.make_node("Conv", [value, *names], [result], pads=pads))
        value, inputs = result, outputs
        if layer < 3:
            nodes.append(helper.make_node("Relu", [value], [f"relu{layer}"]))
            value = f"relu{layer}"
    apart = np.array([-1, 1, scale, scale, side, side])
    larger = np.array([-1, 1, side * scale, side * scale])
    weights += [numpy_helper.from_array(apart, "apart"), numpy_helper.from_array(larger, "larger")]
    nodes += [
        helper.make_node("Reshape", [value, "apart"], ["phases"]),
        helper.make_node("Transpose", ["phases"], ["laid"], perm=[0, 1, 4, 2, 5, 3]),
        helper.make_node("Reshape", ["laid", "larger"], ["output"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size, size])
        for name, size in (("input", side), ("output", side * scale))
    ]
    graph = helper.make_graph(nodes, "super_resolution", ports[:1], ports[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=5)
    return made.SerializeToString()
