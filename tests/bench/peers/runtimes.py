"""Other libraries, each set to a number of threads and to float32."""

from pathlib import Path
from typing import Any

import numpy as np

PLAIN = "pip install ."
TRAIN = "pip install '.[train]'"
DEV = "pip install '.[dev]'"
EXPORT = "pip install '.[export]'"
BENCH = "pip install '.[bench]'"
LLAMA_CPP = "pip install '.[llama-cpp]'"


def tensorflow(threads: int) -> Any:
    """Return TensorFlow."""
    from zoo.startup import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


def pytorch(threads: int) -> Any:
    """Return PyTorch."""
    import torch

    torch.set_num_threads(threads)
    return torch


def compiled(torch: Any, function: Any, device: str) -> Any:
    """Return a function as `torch.compile` makes it fastest: on CUDA recorded, to be replayed."""
    mode = "reduce-overhead" if device == "cuda" else "default"
    return torch.compile(function, dynamic=False, mode=mode)


def onnxruntime_session(file: Path, threads: int, device: str = "cpu") -> Any:
    """Return a bare session."""
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        onnxruntime.preload_dlls()
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(str(file), options, providers=providers)


class OpenVino:
    """A graph in OpenVINO.

    Args:
        file: of ONNX.
        threads: how many.
    """

    def __init__(self, file: Path, threads: int):
        import openvino

        self._core, self._file = openvino.Core(), file
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",  # and not bfloat16, its choice where there is such
        }

    def compiled(self, shapes: dict[str, tuple[int, ...]] | None = None) -> Any:
        """Return what runs it, compiled for inputs of these shapes or of any."""
        model = self._core.read_model(self._file)
        if shapes:
            model.reshape(shapes)
        return self._core.compile_model(model, "CPU", self._settings)


def named(outputs: Any) -> dict[str, np.ndarray]:
    """Return the outputs of OpenVINO by name."""
    return {port.get_any_name(): value for port, value in outputs.items()}
