"""Loading: nothing reaches ONNX Runtime that has not been checked."""

import json
import os
import subprocess
import sys

import onnx
import pytest

import serving
from serving.bundle.records import BundleError
from serving.errors import UsageError
from serving.runtime import session
from tests.serving import tiny_bundle


@pytest.fixture
def no_runtime(monkeypatch):
    """Fail the test if an ONNX Runtime session is made."""
    monkeypatch.setattr(
        session.onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("made a session")
    )


def refusal(path, error=BundleError, **kwargs):
    with pytest.raises(error) as caught:
        serving.load(path, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_loads_a_directory_and_says_what_it_got(tiny):
    vae = serving.load(tiny, device="cpu", threads=1)
    assert (vae.device, vae.variant, vae.threads) == ("cpu", "fp32", 1)
    assert vae.providers == ["CPUExecutionProvider"]
    assert vae.manifest.name == "tiny"
    assert vae.image_shape == tiny_bundle.SHAPE
    assert serving.load(str(tiny), variant="fp16").variant == "fp16"


@pytest.mark.parametrize("spinning", [True, False])
def test_threads_and_whether_they_spin_reach_the_runtime(tiny, spinning):
    vae = serving.load(tiny, device="cpu", threads=2, spinning=spinning)
    for opened in vae.sessions.values():
        options = opened._session.get_session_options()
        assert options.intra_op_num_threads == 2
        name = "session.intra_op.allow_spinning"
        assert options.get_session_config_entry(name) == str(int(spinning))


def test_loads_a_name(catalogued):
    assert serving.load("tiny").generate(1).shape == (1, *tiny_bundle.SHAPE)


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, serving, zoo, serving.loader, serving.families.vae, serving.commands.app;"
        "print([m for m in ('tensorflow', 'keras', 'onnx', 'tf2onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_importing_serving_loads_not_even_numpy():
    code = "import sys, serving, zoo; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("file", ["decoder.onnx", "encoder.onnx"])
def test_altered_bytes_are_refused(own, file, no_runtime):
    data = bytearray((own / file).read_bytes())
    data[len(data) // 2] ^= 1
    (own / file).write_bytes(data)
    assert f"{file} was altered" in refusal(own)


def test_truncated_and_grown_files_are_refused(own, no_runtime):
    data = (own / "decoder.onnx").read_bytes()
    (own / "decoder.onnx").write_bytes(data[:-1])
    assert f"has {len(data) - 1} bytes, expected {len(data)}" in refusal(own)
    (own / "decoder.onnx").write_bytes(data + b"\0")
    assert "has more bytes" in refusal(own)


def test_missing_file_is_refused(own, no_runtime):
    (own / "decoder.onnx").unlink()
    assert "decoder.onnx is missing" in refusal(own)


def test_links_and_pipes_are_refused(own, tmp_path, no_runtime):
    (own / "decoder.onnx").rename(tmp_path / "elsewhere.onnx")
    (own / "decoder.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    assert "is a link or not a regular file" in refusal(own)
    (own / "decoder.onnx").unlink()
    os.mkfifo(own / "decoder.onnx")
    assert "is a link or not a regular file" in refusal(own)


def test_unlisted_graph_file_is_refused(own, no_runtime):
    manifest = json.loads((own / "bundle.json").read_text())
    del manifest["files"]["decoder.onnx"]
    (own / "bundle.json").write_text(json.dumps(manifest))
    assert "decoder.onnx, which its manifest does not list" in refusal(own)


def test_graphs_are_scanned_before_they_are_loaded(own, no_runtime):
    model = onnx.load(own / "decoder.onnx")
    model.graph.node[0].domain = "evil"
    onnx.save(model, own / "decoder.onnx")
    tiny_bundle.reseal(own)
    assert "'evil.Identity'" in refusal(own)


def test_what_the_runtime_refuses_is_one_line(own):
    model = onnx.load(own / "decoder.onnx")
    model.graph.node[0].op_type = "Not"  # which wants no numbers
    onnx.save(model, own / "decoder.onnx")
    tiny_bundle.reseal(own)
    assert "ONNX Runtime refuses decoder.onnx" in refusal(own)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not json", '{"schema_version": 2}'])
def test_bad_manifests_are_refused(own, text, no_runtime):
    (own / "bundle.json").write_text(text)
    assert "is not a valid manifest" in refusal(own)


def test_sizes_must_agree_with_the_graphs(own):
    processing = json.loads((own / "bundle.json").read_text())["processing"]
    tiny_bundle.reseal(own, processing=processing | {"latent_dim": 5})
    assert "graph 'encoder' of tiny is not of the sizes it names" in refusal(own)


def test_a_missing_graph_is_refused(own):
    manifest = json.loads((own / "bundle.json").read_text())
    del manifest["interface"]["encoder"], manifest["variants"]["fp32"]["graphs"]["encoder"]
    tiny_bundle.reseal(own, interface=manifest["interface"], variants=manifest["variants"])
    assert "has no graph 'encoder'" in refusal(own)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("vea", "no family is called 'vea'; did you mean 'vae'? (is the package that brings it"),
        ("classifier", "models of family 'classifier' have no runtime"),
        ("gan", "has no graph 'generator', which such a model needs"),
    ],
)
def test_other_families_are_refused(own, family, words):
    tiny_bundle.reseal(own, family=family)
    assert words in refusal(own)


def test_the_catalogue_pins_the_manifest(catalogued, no_runtime):
    """A bundle that is true to itself is still not the catalogue's."""
    tiny_bundle.reseal(catalogued, summary="Another model.")
    assert "bundle.json" in refusal("tiny")


def test_unknown_variant_lists_those_there_are(tiny):
    message = refusal(tiny, UsageError, variant="fp61")
    assert "it has fp32, fp16" in message and "did you mean" in message


@pytest.mark.parametrize("arguments", [{"device": "gpu"}, {"threads": 0}, {"threads": 1.5}])
def test_bad_arguments(tiny, arguments):
    assert "expected" in refusal(tiny, UsageError, **arguments)
