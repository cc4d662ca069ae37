"""Tensors on the wire: a header of JSON that describes them, and their bytes behind it.

Sizes are checked as plain integers before anything is allocated, so that no product overflows, and
every byte of a body must belong to a tensor.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from serving.content.array import array_of
from serving.errors import UsageError
from serving.numbers import shown
from serving.server.bodies import parsed_object
from serving.server.errors import RequestError
from serving.server.exchange import as_json
from serving.server.limits import Limits

DTYPES = {
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
_KINDS = {"u": "iu", "i": "iu", "f": "iuf"}  # of NumPy, that numbers in JSON may have
_RESERVED = ("sequence_id", "sequence_start", "sequence_end", "priority")
_MEMORY = "shared_memory_region"


class Spec(NamedTuple):
    """What a model takes or gives by a name: its type, and its axes, of which -1 may be any."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False

    def record(self) -> dict[str, Any]:
        """Return it as metadata has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class Wanted(NamedTuple):
    """An output that is asked for."""

    name: str
    binary: bool


class Inference(NamedTuple):
    """What a request says.

    Attributes:
        id: of the client's, to be said again.
        tensors: by name.
        outputs: that are asked for; none stands for all.
        binary: whether those of which nobody says so come as bytes.
        parameters: whatever else the client gives.
        timeout: in microseconds.
    """

    id: str
    tensors: dict[str, np.ndarray]
    outputs: list[Wanted]
    binary: bool
    parameters: dict[str, Any]
    timeout: int | None


def read(data: bytes, length: str | None, specs: Sequence[Spec], limits: Limits) -> Inference:
    """Read a request for inference.

    Args:
        data: the body.
        length: of the header, as `Inference-Header-Content-Length` says; None if nothing follows.
        specs: what the model takes.
        limits: of the server.

    Raises:
        RequestError: the request is malformed, or not for this model.

    Example:
        >>> body = b'{"inputs": [{"name": "z", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}'
        >>> read(body, None, [Spec("z", "FP32", (-1,))], Limits()).tensors["z"]
        array([1., 2.], dtype=float32)
    """
    header, tail = _split(data, length)
    document = parsed_object(header, limits)
    _check_keys(document, ("id", "inputs", "outputs", "parameters"), "the request")
    parameters = _parameters(document, "the request")
    binary = _truth(parameters.pop("binary_data_output", False), "binary_data_output")
    timeout = parameters.pop("timeout", None)
    if timeout is not None and (type(timeout) is not int or timeout <= 0):
        raise RequestError(f"timeout is {shown(timeout)}; expected microseconds")
    for name in _RESERVED:
        if parameters.pop(name, 0) not in (0, False):
            raise RequestError(f"{name} is not supported; leave it out", param=name)
    tensors = _tensors(document.get("inputs"), specs, tail)
    outputs = [_wanted(each, binary) for each in _list(document.get("outputs", []), "outputs")]
    name = document.get("id", "")
    if not isinstance(name, str):
        raise RequestError(f"id is {shown(name)}; expected a string")
    return Inference(name, tensors, outputs, binary, parameters, timeout)


def write(
    document: dict[str, Any], results: Mapping[str, np.ndarray], binary: Mapping[str, bool]
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its header if bytes follow it.

    Args:
        document: what the answer says beside its tensors.
        results: by name.
        binary: which of them come as bytes.
    """
    outputs, tail = [], []
    for name, array in results.items():
        described: dict[str, Any] = Spec(name, NAMES[str(array.dtype)], array.shape).record()
        if binary[name]:
            packed = _packed(array)
            described["parameters"] = {"binary_data_size": len(packed)}
            tail.append(packed)
        elif array.dtype == object:
            described["data"] = [each.decode("utf-8", "replace") for each in array.ravel().tolist()]
        else:
            described["data"] = array.ravel().tolist()
        outputs.append(described)
    header = as_json(document | {"outputs": outputs})
    return b"".join([header, *tail]), len(header) if tail else None


def _split(data: bytes, length: str | None) -> tuple[bytes, bytes]:
    if length is None:
        return data, b""
    if not (length.isascii() and length.isdecimal() and int(length[:20]) <= len(data)):
        raise RequestError(
            f"inference-header-content-length is '{length:.40}'; expected at most the length of "
            f"the body, {len(data)}"
        )
    return data[: int(length)], data[int(length) :]


def _tensors(described: Any, specs: Sequence[Spec], tail: bytes) -> dict[str, np.ndarray]:
    """Return the inputs by name; the bytes behind the header are used up."""
    known = {spec.name: spec for spec in specs}
    found: dict[str, np.ndarray] = {}
    begin = 0
    for each in _list(described, "inputs"):
        name = each.get("name")
        if not isinstance(name, str) or name not in known:
            raise RequestError(
                f"there is no input {shown(name)}; expected {', '.join(known) or 'none'}"
            )
        if name in found:
            raise RequestError(f"input '{name}' is given twice", param=name)
        shape = _shape(each, known[name])
        size = _parameters(each, f"input '{name}'").get("binary_data_size")
        if size is None:
            found[name] = _of_json(each.get("data"), known[name], shape)
            continue
        if "data" in each or type(size) is not int or not 0 <= size <= len(tail) - begin:
            raise RequestError(
                f"input '{name}' has {shown(size)} bytes, and {len(tail) - begin} follow the "
                "header; expected its data there, and nowhere else",
                param=name,
            )
        found[name] = _of_bytes(tail[begin : begin + size], known[name], shape)
        begin += size
    if begin != len(tail):
        raise RequestError(f"{len(tail) - begin} bytes at the end of the body are of no input")
    for spec in specs:
        if spec.name not in found and not spec.optional:
            raise RequestError(f"input '{spec.name}' is missing", param=spec.name)
    return found


def _shape(described: Mapping[str, Any], spec: Spec) -> tuple[int, ...]:
    _check_keys(described, ("name", "shape", "datatype", "data", "parameters"), spec.name)
    if described.get("datatype") != spec.datatype:
        what = shown(described.get("datatype"))
        raise RequestError(f"input '{spec.name}' is {what}; expected {spec.datatype}")
    shape = described.get("shape")
    sizes = shape if isinstance(shape, list) else [None]
    fits = len(sizes) == len(spec.shape) and all(
        type(size) is int and 0 <= size < 2**31 and wanted in (-1, size)
        for size, wanted in zip(sizes, spec.shape, strict=True)
    )
    if not fits:
        raise RequestError(
            f"input '{spec.name}' has shape {shown(shape)}; expected {list(spec.shape)}, -1 being "
            "any size",
            param=spec.name,
        )
    if 0 in sizes:
        raise RequestError(f"input '{spec.name}' is empty", param=spec.name)
    return tuple(sizes)


def _of_bytes(data: bytes, spec: Spec, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)  # of Python, so that it cannot overflow
    if spec.datatype == "BYTES":
        return np.array(_strings(data, spec, count), object).reshape(shape)
    dtype = np.dtype(DTYPES[spec.datatype]).newbyteorder("<")
    if len(data) != count * dtype.itemsize:
        raise RequestError(
            f"input '{spec.name}' has {len(data)} bytes; expected {count * dtype.itemsize}",
            param=spec.name,
        )
    array = np.frombuffer(data, dtype).astype(dtype.newbyteorder("=")).reshape(shape)
    return _finite(array, spec)


def _strings(data: bytes, spec: Spec, count: int) -> list[bytes]:
    """Return elements that each come after their length, in four bytes."""
    found: list[bytes] = []
    begin = 0
    while begin + 4 <= len(data) and len(found) <= count:
        (length,) = struct.unpack_from("<I", data, begin)
        begin += 4
        if begin + length > len(data):
            break
        found.append(data[begin : begin + length])
        begin += length
    if begin != len(data) or len(found) != count:
        raise RequestError(
            f"input '{spec.name}' is not {count} strings, each after its length in four bytes",
            param=spec.name,
        )
    return found


def _of_json(data: Any, spec: Spec, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    if not isinstance(data, list):
        raise RequestError(f"input '{spec.name}' has no data; expected a list of {count}")
    if spec.datatype == "BYTES":
        return np.array(_texts(data, spec, count), object).reshape(shape)
    try:
        array = array_of(data)
    except UsageError as error:
        raise RequestError(f"data of input '{spec.name}': {error}", param=spec.name) from None
    if array.size != count or array.shape not in (shape, (count,)):
        raise RequestError(
            f"input '{spec.name}' has {array.size} values in shape {list(array.shape)}; expected "
            f"{count} in {list(shape)}, or in one list",
            param=spec.name,
        )
    dtype = np.dtype(DTYPES[spec.datatype])
    if array.dtype.kind not in _KINDS[dtype.kind]:
        raise RequestError(f"data of input '{spec.name}' are not all {spec.datatype}")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= int(array.min()) <= int(array.max()) <= limits.max:
            raise RequestError(f"data of input '{spec.name}' are out of range of {spec.datatype}")
    with np.errstate(over="ignore"):
        return _finite(array.astype(dtype).reshape(shape), spec)


def _texts(data: list[Any], spec: Spec, count: int) -> list[bytes]:
    flat = [each for part in data for each in (part if isinstance(part, list) else [part])]
    if len(flat) != count or not all(isinstance(each, str) for each in flat):
        raise RequestError(f"data of input '{spec.name}' are not {count} strings", param=spec.name)
    return [each.encode() for each in flat]


def _finite(array: np.ndarray, spec: Spec) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RequestError(f"input '{spec.name}' has values that are not finite", param=spec.name)
    return array


def _packed(array: np.ndarray) -> bytes:
    """Return the bytes of a tensor, row by row."""
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(each)) + each for each in array.ravel().tolist())
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _wanted(described: Mapping[str, Any], binary: bool) -> Wanted:
    _check_keys(described, ("name", "parameters"), "an output")
    name, parameters = described.get("name"), _parameters(described, "an output")
    if not isinstance(name, str):
        raise RequestError(f"the name of an output is {shown(name)}; expected a string")
    if parameters.get("classification", 0) != 0:
        raise RequestError("classification is not supported; leave it out", param="classification")
    return Wanted(name, _truth(parameters.get("binary_data", binary), "binary_data"))


def _parameters(described: Mapping[str, Any], what: str) -> dict[str, Any]:
    parameters = described.get("parameters", {})
    if not isinstance(parameters, dict):
        raise RequestError(f"parameters of {what} are {shown(parameters)}; expected an object")
    if _MEMORY in parameters:
        raise RequestError(f"{_MEMORY} is not supported; send the data in the request")
    return dict(parameters)


def _list(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise RequestError(f"{what} are {shown(value)}; expected a list of objects")
    return value


def _truth(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{what} is {shown(value)}; expected true or false")
    return value


def _check_keys(document: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    for key in document:
        if key not in known:
            raise RequestError(f"{what} has '{key:.80}', which is not known; leave it out")
