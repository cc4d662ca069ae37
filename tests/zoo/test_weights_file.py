"""Weights of somebody else's: arrays of the model's shapes, and nothing that leads elsewhere."""

import os

import h5py
import keras
import numpy as np
import pytest

import zoo
from serving.catalogue import MODELS
from serving.errors import GenzooError
from tests.serving import tiny_bundle
from zoo.weights_file import check_weights, load_weights

KERNEL = "layers/dense/vars/0"


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    for variable in made.trainable_variables:
        variable.assign(np.random.RandomState(0).standard_normal(variable.shape))
    return made


@pytest.fixture
def weights(model, tmp_path):
    path = tmp_path / "right.weights.h5"
    model.save_weights(path)
    return path


def replaced(weights, make, name=KERNEL):
    """Put something else where the kernel is."""
    with h5py.File(weights, "a") as file:
        del file[name]
        make(file[name.rpartition("/")[0] or "/"], name.rpartition("/")[2])
    return weights.read_bytes()


def refusal(data, model):
    before = [variable.numpy() for variable in model.variables]
    with pytest.raises(GenzooError) as caught:
        load_weights(model, data)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    return str(caught.value)


def test_what_keras_writes_is_read(model, weights):
    other = keras.models.clone_model(model)
    load_weights(other, weights.read_bytes())
    for found, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    check_weights(weights, model)


def test_packed_arrays_are_read(model, weights):
    data = replaced(
        weights,
        lambda group, name: group.create_dataset(
            name, data=np.ones((2, 3), np.float32), compression="gzip", shuffle=True
        ),
    )
    load_weights(model, data)
    assert (model.layers[0].kernel.numpy() == 1).all()


@pytest.mark.parametrize("name", ["vae-mnist-dense", "dcgan-mnist", "gpt-shakespeare-nano"])
def test_published_weights_are_read(name):
    assert zoo.from_preset(name).built


@pytest.mark.parametrize("kind", ["external", "soft", "soft to itself", "hard", "circle"])
@pytest.mark.parametrize("name", [KERNEL, "layers/dense/vars", "layers"])
def test_links(model, weights, tmp_path, kind, name):
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.ones((2, 3), np.float32)

    def make(group, last):
        if kind == "circle":
            group[last] = group.file["/"]
        elif kind == "hard":
            group["other"] = np.ones((2, 3), np.float32)
            group[last] = group["other"]
        elif kind == "external":
            group[last] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
            group["pipe"] = h5py.ExternalLink(str(tmp_path / "pipe"), "x")
        else:
            group[last] = h5py.SoftLink("/nowhere" if kind == "soft" else f"{group.name}/{last}")

    assert "is a link" in refusal(replaced(weights, make, name), model)


def external(group, name, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(24))
    group.create_dataset(name, (2, 3), np.float32, external=[(str(secret), 0, 24)])


def virtual(group, name, tmp_path):
    layout = h5py.VirtualLayout((2, 3), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2, 3))
    group.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("make", [external, virtual])
def test_numbers_in_other_files(model, weights, tmp_path, make):
    data = replaced(weights, lambda group, name: make(group, name, tmp_path))
    assert "lie in other files" in refusal(data, model)


ARRAYS = {
    "a huge one": {"shape": (2**20, 2**20), "dtype": np.float32, "chunks": (2**10, 2**10)},
    "another shape": {"data": np.zeros((3, 2), np.float32)},
    "no shape": {"data": np.float32(1)},
    "nothing": {"data": h5py.Empty("f4")},
    "text": {"data": np.array([["a" * 9] * 3] * 2, "S9")},
    "text of any length": {"shape": (2, 3), "dtype": h5py.string_dtype()},
    "records": {"shape": (2, 3), "dtype": [("a", "f4"), ("b", "f4")]},
    "references": {"shape": (2, 3), "dtype": h5py.ref_dtype},
    "opaque": {"shape": (2, 3), "dtype": "V2"},
    "one that grows": {"shape": (2, 3), "maxshape": (None, 3), "dtype": np.float32},
    "another filter": {"data": np.zeros((2, 3), np.float32), "compression": "lzf"},
    "checksums": {"data": np.zeros((2, 3), np.float32), "fletcher32": True},
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_of_another_kind(model, weights, what):
    data = replaced(weights, lambda group, name: group.create_dataset(name, **ARRAYS[what]))
    assert "refused" in refusal(data, model)


def test_another_type_by_an_attribute(model, weights):
    with h5py.File(weights, "a") as file:
        file[KERNEL].attrs["dtype"] = "bfloat16"
    assert "of type" in refusal(weights.read_bytes(), model)


def test_more_arrays_than_variables(model, weights):
    with h5py.File(weights, "a") as file:
        file["layers/dense/vars/\x1b[2J" + "9" * 1000] = np.zeros(3, np.float32)
    assert "no other variable" in refusal(weights.read_bytes(), model)


def test_fewer_arrays_than_variables(model, weights):
    refused = replaced(weights, lambda group, name: None)
    with pytest.raises((GenzooError, ValueError)):
        load_weights(model, refused)


def test_a_named_type(model, weights):
    data = replaced(weights, lambda group, name: group.__setitem__(name, np.dtype("f4")))
    assert "neither a group nor an array" in refusal(data, model)


def test_groups_within_groups(model, weights):
    with h5py.File(weights, "a") as file:
        group = file
        for _ in range(40):
            group = group.create_group("a")
    assert "too many groups" in refusal(weights.read_bytes(), model)


def test_very_many_groups(model, weights, monkeypatch):
    monkeypatch.setattr("zoo.weights_file.MOST_OBJECTS", 50)
    with h5py.File(weights, "a") as file:
        for index in range(100):
            file.create_group(str(index))
    assert "too many groups" in refusal(weights.read_bytes(), model)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.95])
def test_truncated(model, weights, share):
    data = weights.read_bytes()
    assert "cannot be read" in refusal(data[: int(len(data) * share)], model)


def test_a_bundle_whose_weights_lead_elsewhere(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    name = "vae-mnist-dense"
    for file in ("bundle.json", "model.weights.h5"):
        (bundle / file).write_bytes((MODELS / name / file).read_bytes())
    with h5py.File(bundle / "model.weights.h5", "a") as file:
        del file["decoder"]
        file["decoder"] = h5py.ExternalLink("/dev/zero", "decoder")
    tiny_bundle.reseal(bundle)
    with pytest.raises(GenzooError, match="is no bundle with weights") as caught:
        zoo.from_preset(bundle)
    assert "leads elsewhere" in str(caught.value)


def test_weights_that_are_a_pipe(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_bytes((MODELS / "vae-mnist-dense" / "bundle.json").read_bytes())
    os.mkfifo(bundle / "model.weights.h5")
    with pytest.raises(GenzooError, match="not a regular file"):
        zoo.from_preset(bundle)
