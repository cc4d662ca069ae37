"""Whatever bytes and documents come as a request for inference are read, or refused in one line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.errors import RequestError
from serving.server.inference.tensors import Spec, read
from serving.server.limits import Limits
from tests.serving.tiny_bundle import LATENT

SPECS = [Spec("z", "FP32", (-1, LATENT)), Spec("labels", "INT64", (-1,)), Spec("t", "BYTES", (-1,))]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
INPUT = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["z", "labels", "t", "x"]) | JSON,
        "datatype": st.sampled_from(["FP32", "INT64", "BYTES"]) | JSON,
        "shape": st.lists(st.integers(-2, 3) | st.just(2**63), max_size=3) | JSON,
        "data": st.lists(st.integers() | st.floats() | st.text(max_size=2), max_size=6) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": JSON}) | JSON,
    },
)
REQUEST = st.fixed_dictionaries(
    {}, optional={"inputs": st.lists(INPUT, max_size=4) | JSON, "outputs": JSON, "parameters": JSON,
                  "id": JSON}
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(REQUEST, st.binary(max_size=24), st.integers(-3, 3) | st.none())
def test_any_request_is_read_or_refused_in_one_line(document, tail, off):
    header = json.dumps(document).encode()
    length = None if off is None else str(len(header) + off)
    try:
        found = read(header + tail, length, SPECS, Limits())
    except RequestError as error:
        assert error.status < 500 and len(str(error)) < 600
        return
    for spec in SPECS:
        array = found.tensors[spec.name]
        assert array.ndim == len(spec.shape) and array.size


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.text(max_size=4) | st.none())
def test_any_bytes_are_refused(data, length):
    with pytest.raises(RequestError):
        read(data, length, SPECS, Limits())
