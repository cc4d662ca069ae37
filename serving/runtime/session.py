"""One ONNX graph on one device: the only place that talks to ONNX Runtime."""

import contextlib
import ctypes
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime

from serving.bundle.records import BundleError, Interface
from serving.errors import GenzooError, first_line
from serving.runtime import interruption
from serving.runtime.allocation import giving_back
from serving.runtime.divided import Checked, Divided
from serving.runtime.huge_pages import huge_pages
from serving.runtime.ports import check_declared, check_not_empty, check_results
from serving.runtime.sealed import Sealed
from serving.runtime.stoppable import Stoppable
from serving.runtime.threads import default_threads

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
# The float32 variant promises float32, and TensorFloat-32 keeps 10 bits of a product's inputs. For
# speed there is the fp16 variant.
_CUDA_OPTIONS = {"use_tf32": "0"}
# A CUDA graph belongs to addresses and lives as long as its session, so no more are recorded.
_MOST_CUDA_GRAPHS = 64
_NO_CUDA_GRAPH = -1
_WARNING, _ERROR = 2, 3  # of ONNX Runtime's log; it begins with the first
_LARGE = 2**23  # bytes of weights; a processor remembers where so many are in pages of 4 KiB
Array: TypeAlias = Any  # of NumPy, or an OrtValue of ONNX Runtime, which has no types

onnxruntime.disable_telemetry_events()  # of Windows, which does not ask the environment


class DeviceError(GenzooError):
    """The device that was asked for cannot be had."""


class Session:
    """A graph, loaded and ready to run.

    Args:
        data: an ONNX file that has been checked, sealed if need be.
        name: the file's name, for errors.
        device: `cpu` or `cuda`.
        threads: how many threads an operator may use; None for one per physical core.
        spinning: whether idle threads wait for the next operator without sleep, which is faster,
            and keeps their cores busy between runs.
        replays: whether CUDA may record runs as CUDA graphs, which takes a graph that leaves
            nothing to the CPU.
        interface: what the graph must take and return; compared when it is loaded, and once with
            what it has returned.

    Attributes:
        copies: whether what is bound to it is copied to the device and back.

    Raises:
        DeviceError: `cuda` was asked for and ONNX Runtime does not give it.
        BundleError: ONNX Runtime does not accept the graph, or finds that it is another.
    """

    def __init__(
        self,
        data: Checked,
        name: str,
        device: str,
        threads: int | None = None,
        *,
        spinning: bool = True,
        replays: bool = False,
        interface: Interface | None = None,
    ) -> None:
        self.device = device
        self._name, self._unproved = name, interface
        self.copies = device == "cuda"  # what is given to it and returned by it
        self._replays = replays and device == "cuda"
        self._cuda_graphs: dict[tuple[Any, ...], int] = {}  # by addresses and shapes
        self.threads = threads or default_threads()
        if device == "cuda":
            _require_cuda()
        try:
            with _loading(device, data.size if isinstance(data, Divided) else len(data)):
                graph = data.graph if isinstance(data, Divided) else data
                options = _options(self.threads, spinning)
                # They stay where they lie, and must do so as long as the session.
                self._constants = _given(data, options)
                self._session = onnxruntime.InferenceSession(
                    graph.path if isinstance(graph, Sealed) else graph,
                    options,
                    providers=_providers(device, replays),
                    enable_fallback=0,  # it would print to stdout and run elsewhere than asked
                )
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            if device == "cuda":
                raise DeviceError(f"CUDA does not run {name}: {first_line(error)}") from error
            raise BundleError(f"ONNX Runtime refuses {name}: {first_line(error)}") from error
        # It would keep the bytes to load them again on another device, which is never asked of it.
        self._session._model_bytes = None
        self._axes = {each.name: each.shape for each in self._session.get_inputs()}
        if interface is not None:
            check_declared(name, self._session.get_inputs(), interface.inputs)
            check_declared(name, self._session.get_outputs(), interface.outputs)
        self.providers: list[str] = self._session.get_providers()
        if device == "cuda" and CUDA not in self.providers:
            raise DeviceError(
                "ONNX Runtime could not start CUDA, which needs CUDA 13 and cuDNN 9; "
                "pip install 'genzoo[cuda]', or use device='cpu'"
            )

    def __reduce__(self) -> tuple[object, ...]:
        raise GenzooError("a session cannot be pickled; pickle the model, which loads it again")

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run the graph once.

        Args:
            outputs: names of the outputs to return; the others are computed too.
            feeds: the inputs by name.

        Returns:
            New arrays, in the order of `outputs`.

        Raises:
            GenzooError: an input is empty, or does not fit.
            BundleError: the results are not what the manifest says.
            StoppedError: whoever asked for it does not want it any more.
        """
        for name, array in feeds.items():
            if 0 in array.shape:
                check_not_empty(name, array.shape, self._axes.get(name, ()))
        with Stoppable(self._run_options(), onnxruntime.RunOptions) as options:
            results: list[np.ndarray] = self._session.run(outputs, feeds, options)
        if self._unproved is not None:
            named = dict(zip(outputs, results, strict=True))
            check_results(self._name, named, feeds, self._unproved)
            self._unproved = None
        return results

    def hold(self, array: Array) -> onnxruntime.OrtValue:
        """Return an array as the device has it: on the CPU the same numbers, on CUDA a copy.

        `numpy()` of it gives the numbers back.
        """
        if isinstance(array, onnxruntime.OrtValue):
            return array
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, self.device)

    def bind(
        self, inputs: dict[str, Array], outputs: dict[str, Array], replay: bool = False
    ) -> "Bound":
        """Tie the graph to arrays once, to run it many times on what they hold by then.

        Args:
            inputs: all of them by name, C-contiguous. What is held stays on the device; the others
                are copied there at every run, where they lie elsewhere.
            outputs: what results are written into. One that is an input too is updated in place,
                which the graph must be made for.
            replay: whether it will be run often, so that CUDA had better record it.
        """
        return Bound(self, inputs, outputs, replay)

    def _run_options(
        self, repeated: Sequence[onnxruntime.OrtValue] = ()
    ) -> onnxruntime.RunOptions | None:
        """Return what to run with: the CUDA graph of these inputs and outputs, or none at all."""
        if not self._replays:
            return None
        address = tuple((value.data_ptr(), *value.shape()) for value in repeated)
        known = self._cuda_graphs
        if address and len(known) < _MOST_CUDA_GRAPHS:
            known.setdefault(address, len(known) + 1)
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(known.get(address, _NO_CUDA_GRAPH)))
        return options


class Bound:
    """A graph that reads and writes the same arrays at every run; see `Session.bind`.

    Handing the arrays over costs more than running a small graph does.
    """

    def __init__(
        self, session: Session, inputs: dict[str, Array], outputs: dict[str, Array], replay: bool
    ) -> None:
        self._session, self._binding = session._session, session._session.io_binding()
        # Pairs of what was given and what the device has of it, which must stay alive.
        self._read = [(array, session.hold(array)) for array in inputs.values()]
        self._written = [(array, session.hold(array)) for array in outputs.values()]
        for name, (_, value) in zip(inputs, self._read, strict=True):
            check_not_empty(name, value.shape(), session._axes.get(name, ()))
        for name, (_, value) in zip(inputs, self._read, strict=True):
            self._binding.bind_ortvalue_input(name, value)
        for name, (_, value) in zip(outputs, self._written, strict=True):
            self._binding.bind_ortvalue_output(name, value)
        values = [value for _, value in (*self._read, *self._written)]
        self._new_options = partial(session._run_options, values if replay else ())
        self._options: onnxruntime.RunOptions | None = None  # of all runs that nobody can stop
        self._sent, self._fetched = (
            [(array, value) for array, value in pairs if session.copies and array is not value]
            for pairs in (self._read, self._written)
        )

    def run(self) -> None:
        """Run the graph once."""
        if interruption.current() is None:
            own = self._options = self._options or self._new_options()
        else:
            own = self._new_options()
        with Stoppable(own, onnxruntime.RunOptions) as options:
            for array, value in self._sent:
                value.update_inplace(array)
            self._session.run_with_iobinding(self._binding, options)
            for array, value in self._fetched:
                array[...] = value.numpy()


def adapter_arrays(path: Path, name: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file in the format of ONNX Runtime's adapters.

    Args:
        path: of the file.
        name: of the file, for the error.

    Raises:
        BundleError: it is none.
    """
    try:
        read = onnxruntime.AdapterFormat.read_adapter(str(path)).get_parameters()
        return {key: np.array(value.numpy(), np.float32) for key, value in read.items()}
    except Exception as error:  # as above
        raise BundleError(f"ONNX Runtime refuses {name}: {first_line(error)}") from error


def _loading(device: str, size: int) -> AbstractContextManager[None]:
    """Return what a graph of so many bytes is loaded within."""
    if device == "cuda":
        return _quiet()
    return _large() if size >= _LARGE else nullcontext()


@contextmanager
def _large() -> Iterator[None]:
    with huge_pages(), giving_back():
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings of operators, which go past a session's own settings, from being printed."""
    onnxruntime.set_default_logger_severity(_ERROR)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)


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


def _providers(device: str, replays: bool) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu":
        return [CPU]
    return [(CUDA, _CUDA_OPTIONS | {"enable_cuda_graph": str(int(replays))}), CPU]


def _given(
    data: Checked, options: onnxruntime.SessionOptions
) -> Mapping[str, onnxruntime.OrtValue]:
    """Give a graph its constants of another file, which ONNX Runtime then does not open."""
    if not isinstance(data, Divided):
        return {}
    held = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(array)
        for name, array in data.constants.items()
    }
    options.add_external_initializers(list(held), list(held.values()))
    return held


def _options(threads: int, spinning: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.log_severity_level = 4  # errors come as exceptions; the log would print them twice
    return options
