"""Test vectors are read only where they are what the manifest says; the rest is never unpacked."""

import io
import zipfile

import numpy as np
import pytest

from serving.bundle import vectors
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.bundle.vectors import VECTORS, read_vectors
from serving.verify import verify
from tests.serving import tiny_bundle

ENCODER = "encoder.inputs.image"


def arrays(bundle):
    with np.load(bundle / VECTORS) as found:
        return dict(found)


def replaced(bundle, data):
    (bundle / VECTORS).write_bytes(data)
    tiny_bundle.reseal(bundle)


def archive(**members):
    data = io.BytesIO()
    np.savez(data, **members)
    return data.getvalue()


def refusal(bundle):
    with pytest.raises(BundleError) as caught:
        read_vectors(bundle, read_manifest(bundle), "encoder")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert "results fp32" in {check.name for check in verify(bundle) if not check.passed}
    return str(caught.value)


def header(dtype, shape):
    data = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(data, fields)
    return data.getvalue()


def test_they_are_read_as_they_were_written(own):
    read = read_vectors(own, read_manifest(own), "encoder")
    for kind in ("inputs", "outputs"):
        for name, array in getattr(read, kind).items():
            np.testing.assert_array_equal(array, arrays(own)[f"encoder.{kind}.{name}"])


def test_axes_in_another_order_are_read_too(own):
    turned = {name: np.asfortranarray(array) for name, array in arrays(own).items()}
    replaced(own, archive(**turned))
    assert all(check.passed for check in verify(own))


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], object),
        np.array(["a" * 1000]),
        np.zeros(3, [("a", "f4"), ("b", "f4")]),
        np.zeros((3, 4, 4, 1)),
        np.zeros((3, 4, 4, 1), ">f4"),
        np.zeros((3, 9), np.float32),
        np.zeros((0, 4, 4, 1), np.float32),
        np.zeros((2, 4, 4, 1), np.float32),
        np.float32(0),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_arrays_of_another_kind(own, array):
    """Objects, text, records, other numbers, other shapes, no rows, and rows that differ."""
    replaced(own, archive(**arrays(own) | {ENCODER: array}))
    assert refusal(own).startswith(VECTORS)


@pytest.mark.parametrize("missing", [ENCODER, "encoder.outputs.log_variance"])
def test_each_input_and_output_has_an_array(own, missing):
    replaced(own, archive(**{name: each for name, each in arrays(own).items() if name != missing}))
    assert f"says nothing about '{missing}'" in refusal(own)


@pytest.mark.parametrize("shape", [(2**50, 4, 4, 1), (2**20, 4, 4, 1), (3, 4, 4, 1)])
def test_headers_that_promise_more_than_there_is(own, shape):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr(f"{ENCODER}.npy", header("<f4", shape))
    replaced(own, data.getvalue())
    refusal(own)


def test_a_small_file_that_unpacks_to_a_large_one(own):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{ENCODER}.npy", header("<f4", (3, 4, 4, 1)) + bytes(5 * 10**7))
    replaced(own, data.getvalue())
    assert "has 5" in refusal(own)


def test_what_nobody_asks_for_is_not_read(own, monkeypatch):
    monkeypatch.setattr(vectors, "LIMIT", 1000)
    replaced(own, archive(**arrays(own), other=np.zeros(10**6), objects=np.array([{}], object)))
    read_vectors(own, read_manifest(own), "encoder")


def test_so_many_members_that_to_list_them_takes_long(own):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for number in range(6000):
            file.writestr(f"{number}.npy", b"")
    replaced(own, data.getvalue())
    assert "has too many members" in refusal(own)


@pytest.mark.parametrize("data", [b"", b"not an archive", b"PK\x05\x06" + bytes(18), b"PK" * 40])
def test_what_is_no_archive(own, data):
    replaced(own, data)
    refusal(own)


def test_every_truncation(own):
    data = (own / VECTORS).read_bytes()
    for end in range(0, len(data), 97):
        replaced(own, data[:end])
        with pytest.raises(BundleError):
            read_vectors(own, read_manifest(own), "encoder")


def test_altered_bytes_are_refused_or_change_no_shape(own):
    data, random = (own / VECTORS).read_bytes(), np.random.RandomState(0)
    for _ in range(300):
        altered = bytearray(data)
        for position in random.randint(0, len(data), 3):
            altered[position] = random.randint(256)
        replaced(own, bytes(altered))
        try:
            read = read_vectors(own, read_manifest(own), "encoder")
        except BundleError:
            continue
        assert read.inputs["image"].shape == (3, *tiny_bundle.SHAPE)


def test_a_file_of_any_size(own, monkeypatch):
    monkeypatch.setattr(vectors, "FILE_LIMIT", 100)
    assert "over 100" in refusal(own)
