"""One ONNX graph on one device: the only place that talks to ONNX Runtime."""

import contextlib
import ctypes
import io
import sys

import numpy as np
import onnxruntime

from serving.bundle import BundleError
from serving.threads import default_threads
from zoo.errors import GenzooError, first_line

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
# The float32 variant promises float32, and TensorFloat-32 keeps 10 bits of a product's inputs. For
# speed there is the fp16 variant.
_CUDA_OPTIONS = {"use_tf32": "0"}


class DeviceError(GenzooError):
    """The device that was asked for cannot be had."""


class Session:
    """A graph, loaded and ready to run.

    Args:
        data: the bytes of an ONNX file that has been checked.
        name: the file's name, for errors.
        device: `cpu` or `cuda`.
        threads: how many threads an operator may use; None for one per physical core.

    Raises:
        DeviceError: `cuda` was asked for and ONNX Runtime does not give it.
        BundleError: ONNX Runtime does not accept the graph.
    """

    def __init__(self, data: bytes, name: str, device: str, threads: int | None = None) -> None:
        self.device = device
        self.threads = threads or default_threads()
        if device == "cuda":
            _require_cuda()
        try:
            self._session = onnxruntime.InferenceSession(
                data,
                _options(self.threads),
                providers=[(CUDA, _CUDA_OPTIONS), CPU] if device == "cuda" else [CPU],
                enable_fallback=0,  # it would print to stdout and run elsewhere than asked
            )
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            if device == "cuda":
                raise DeviceError(f"CUDA does not run {name}: {first_line(error)}") from error
            raise BundleError(f"ONNX Runtime refuses {name}: {first_line(error)}") from error
        self.providers: list[str] = self._session.get_providers()
        if device == "cuda" and CUDA not in self.providers:
            raise DeviceError(
                "ONNX Runtime could not start CUDA, which needs CUDA 13 and cuDNN 9; "
                "pip install 'genzoo[cuda]', or use device='cpu'"
            )

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run the graph once.

        Args:
            outputs: names of the outputs to compute; what only others need is not computed.
            feeds: the inputs by name.

        Returns:
            New arrays, in the order of `outputs`.
        """
        try:
            if self.device == "cpu":
                return self._session.run(outputs, feeds)
            binding = self._session.io_binding()
            for name, array in feeds.items():
                binding.bind_cpu_input(name, np.ascontiguousarray(array))
            for name in outputs:
                binding.bind_output(name)
            self._session.run_with_iobinding(binding)
            return binding.copy_outputs_to_cpu()
        except Exception as error:  # as above
            raise GenzooError(f"ONNX Runtime failed: {first_line(error)}") from error

    def bind(self, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> "Bound":
        """Tie the graph to arrays once, to run it many times on what they hold by then.

        Args:
            inputs: all of them by name, C-contiguous.
            outputs: arrays that results are written into. One that is an input too is updated in
                place, which the graph must be made for.
        """
        return Bound(self._session, inputs, outputs)


class Bound:
    """A graph on the CPU that reads and writes the same arrays at every run.

    Handing the arrays over costs more than running a small graph does.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        inputs: dict[str, np.ndarray],
        outputs: dict[str, np.ndarray],
    ) -> None:
        self._session, self._arrays = session, (inputs, outputs)  # which must stay alive
        self._binding = session.io_binding()
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self) -> None:
        """Run the graph once."""
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            raise GenzooError(f"ONNX Runtime failed: {first_line(error)}") from error


def cuda_expected() -> bool:
    """Tell whether this ONNX Runtime has CUDA and this machine a GPU, so that CUDA should work."""
    return CUDA in onnxruntime.get_available_providers() and _gpu_present()


def _require_cuda() -> None:
    if CUDA not in onnxruntime.get_available_providers():
        raise DeviceError(
            "this onnxruntime has no CUDA; pip install 'genzoo[cuda]', or use device='cpu'"
        )
    if not _gpu_present():
        raise DeviceError("no NVIDIA GPU can be used on this machine; use device='cpu'")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        onnxruntime.preload_dlls()


def _gpu_present() -> bool:
    """Ask the NVIDIA driver, which is quick, before ONNX Runtime loads a gigabyte of libraries."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions; the log would print them twice
    return options
