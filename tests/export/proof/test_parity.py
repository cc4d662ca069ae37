import keras
import numpy as np
import pytest

from export import ExportError
from export.families.vae_graphs import graphs
from export.graph.converter import convert
from export.proof import graphs as proof
from export.proof import saved_model
from export.proof.graphs import BATCHES, GraphSpec
from export.proof.parity import FLIPPED, LIMIT, prove, prove_sensitive, runner
from serving import noise
from tests.export.graph.toys import SIZE, port, toy
from tests.zoo.vae import tiny

IDENTITY = toy(lambda z: {"image": z})


def test_the_largest_error_of_all_batches_and_seeds_is_returned():
    seen = []

    def almost(inputs):
        seen.append(len(inputs["z"]))
        return {"image": inputs["z"] + np.float32(5e-5 if len(inputs["z"]) == 3 else 0)}

    assert prove(almost, IDENTITY) == pytest.approx(5e-5, rel=0.01)
    assert set(seen) == set(BATCHES) == {1, 3, 64, 257} and len(seen) > len(BATCHES)


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        (lambda z: {"image": z + np.float32(1e-2)}, "differs from Keras by 0.01; at most"),
        (lambda z: {"image": np.full_like(z, np.nan)}, "differs from Keras by nan"),
        (lambda z: {"image": z[:1]}, r"is float32 \(1, 5\); Keras gives float32 \(3, 5\)"),
        (lambda z: {"image": z.astype(np.float64)}, "is float64"),
        (lambda z: {}, "is missing"),
    ],
)
def test_whatever_differs_is_an_error(run, complaint):
    with pytest.raises(ExportError, match=f"decoder: output 'image' at batch .*{complaint}"):
        prove(lambda inputs: run(inputs["z"]), IDENTITY)


def test_not_finite_is_an_error_without_a_limit_too():
    with pytest.raises(ExportError, match="by inf"):
        prove(lambda inputs: {"image": inputs["z"] + np.inf}, IDENTITY, limit=np.inf)


def test_large_outputs_may_differ_in_proportion():
    spec = toy(lambda z: {"image": 1000 * np.tanh(z)})
    error = np.float32(500 * LIMIT)
    assert prove(lambda inputs: {"image": spec.run(inputs)["image"] + error}, spec) > LIMIT


def test_of_whole_numbers_one_in_a_thousand_may_differ_in_all_trials_together():
    spec = toy(lambda z: {"image": np.rint(z).astype(np.int32)})

    def flipping(every: int):
        def run(inputs):
            codes = spec.run(inputs)["image"].copy()
            if len(codes) > 64:  # where alone so many are that it is no large share
                codes.ravel()[::every] += 40
            return {"image": codes}

        return run

    assert 0 < prove(flipping(2000), spec) <= FLIPPED
    with pytest.raises(ExportError, match=r"output 'image' is another number than Keras's in"):
        prove(flipping(100), spec)
    assert prove(flipping(100), spec, limit=np.inf) > FLIPPED
    with pytest.raises(ExportError, match="is missing"):
        prove(lambda inputs: {}, spec)


@pytest.mark.parametrize(("room", "times"), [(proof.KEPT, 1), (4 * SIZE * 4, 2)])
def test_keras_is_asked_once_for_all_forms_of_a_graph_that_is_small(monkeypatch, room, times):
    monkeypatch.setattr(proof, "KEPT", room)
    asked = []
    spec = toy(lambda z: asked.append(len(z)) or {"image": z})
    first, second = ([*spec.compared()] for _ in range(2))
    assert len(asked) == times * len(first)
    for one, other in zip(first, second, strict=True):
        assert one.words == other.words
        np.testing.assert_array_equal(one.expected["image"], other.expected["image"])


def test_folded_noise_is_found(dense):
    # Drawn with a static batch, the noise becomes a constant of the graph: one sample for ever.
    spec = toy(
        lambda z: {"image": 0 * z + dense(keras.random.normal((1, SIZE), seed=3))},
    )
    run = runner(convert(spec))
    assert prove(run, spec) < LIMIT  # parity cannot see it
    with pytest.raises(ExportError, match=r"'image' does not change with 'z': it has become"):
        prove_sensitive(run, spec)


def test_a_row_that_does_not_follow_is_found():
    def stuck(inputs):
        image = inputs["z"].copy()
        image[7] = 0
        return {"image": image}

    with pytest.raises(ExportError, match="does not change"):
        prove_sensitive(stuck, IDENTITY)


def test_a_sample_that_never_changes_proves_nothing():
    spec = GraphSpec(
        role="decoder",
        signature="decode",
        call=lambda z: {"image": z},
        inputs=(port("z", SIZE),),
        outputs=(port("image", SIZE),),
        sample=lambda count, seed: {"z": np.zeros((count, SIZE), np.float32)},
        sensitivity=("z", "image"),
    )
    with pytest.raises(ExportError, match="the samples of 'z' are all alike"):
        prove_sensitive(spec.run, spec)


def test_what_onnx_runtime_refuses_is_an_error_of_ours(tmp_path):
    (tmp_path / "decoder.onnx").write_bytes(b"not a graph")
    with pytest.raises(ExportError, match="ONNX Runtime does not load the graph"):
        runner(tmp_path / "decoder.onnx")


# --- SavedModel ---


def test_a_saved_model_has_all_signatures_and_the_same_samples(tmp_path):
    model = tiny.model("conditional")
    specs = graphs(model)
    saved_model.write(specs, tmp_path / "saved")
    signatures = saved_model.load(tmp_path / "saved")
    assert set(signatures) == {"serving_default", "decode", "encode", "prior"}
    for spec in specs:
        assert prove(signatures[spec.signature], spec) < 1e-5
    labels = np.arange(6) % 4
    prior = signatures["prior"]({"labels": labels})
    z = prior["mean"] + np.exp(prior["log_variance"] / 2) * noise.normal(6, 2, seed=7)
    image = signatures["serving_default"]({"z": z, "labels": labels})["image"]
    pixels = np.rint(image * 255).astype(int)
    assert np.abs(pixels - model.generate(6, labels=labels, seed=7)).max() <= 1


def test_a_saved_model_that_cannot_be_written(tmp_path, dense):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="TensorFlow cannot write the SavedModel"):
        saved_model.write([toy(lambda z: {"image": dense(z)})], tmp_path / "file" / "saved")
