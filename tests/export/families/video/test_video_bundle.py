"""A model of video from runs to a bundle and back."""

import base64
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

import export
import serving
import zoo
from export.evaluation import evaluate
from export.proof import saved_model
from serving import registry
from serving.commands import app as cli
from serving.content.pictures import to_uint8
from serving.errors import UsageError
from serving.families.video.following import Following
from serving.verify import verify
from tests.serving.server.running import running
from tests.zoo.video import tiny_video
from zoo.data.moving.config import MovingConfig
from zoo.data.moving.moving import MovingDigits
from zoo.video.foreteller import Foreteller

CONTENT = registry.content("video")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    zoo.train(tiny_video.codes_recipe(), place / "codes")
    return zoo.train(tiny_video.recipe(place / "codes"), place / "video").workdir


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "video"
    return export.export(run, out, variants=("fp32", "int8"))


@pytest.fixture(scope="module")
def model(bundle):
    return serving.load(bundle, device="cpu", variant="fp32")


@pytest.fixture(scope="module")
def foreteller(run):
    return Foreteller(zoo.from_workdir(run), zoo.from_workdir(run / "parts" / "codes"))


@pytest.fixture(scope="module")
def given():
    """Ten frames of five videos."""
    return MovingDigits(MovingConfig(name="moving-digits")).read("test", 0, 5).frames[:, :10]


def share_that_is_equal(found, expected):
    apart = np.abs(found.astype(int) - expected).max(axis=(2, 3, 4))
    return float(np.mean(apart <= 1))


def test_the_bundle_is_whole_and_says_where_each_part_comes_from(bundle):
    assert all(check.passed for check in verify(bundle))
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert list(manifest["parts"]) == ["video", "codes"]
    assert {*manifest["variants"]} == {"fp32", "int8"}
    assert list(manifest["calls"]) == ["continue_from", "reconstruct"]
    assert (bundle / "samples.gif").is_file() and "(samples.gif)" in (
        bundle / "README.md"
    ).read_text()


@pytest.mark.parametrize("temperature", [None, 1.0])
def test_the_same_seed_gives_the_same_frames_everywhere(
    bundle, model, foreteller, given, temperature
):
    asked = {"frames": 4, "seed": 7, "temperature": temperature}
    expected = foreteller.continue_from(given, **asked)
    found = model.continue_from(given, **asked)
    assert found.shape == (5, 4, 16, 16, 1) and found.dtype == np.uint8
    assert share_that_is_equal(found, expected) >= 0.95
    signatures = saved_model.load(bundle / "saved_model")
    own = model.processing
    following = Following(
        lambda numbers: np.asarray(signatures["predict"]({"numbers": numbers})["logits"]),
        foreteller.codes.encode_all,
        lambda codes: np.asarray(signatures["decode"]({"codes": codes})["image"]),
        own.seen, own.positions, own.numbers, own.levels, temperature or 0.0,
    )  # fmt: skip
    (saved,) = following.videos(given, 4, seed=7)
    assert share_that_is_equal(to_uint8(saved), expected) >= 0.95


def test_codes_are_those_of_keras(model, foreteller, given):
    images = given.reshape(-1, 16, 16, 1)
    noise = np.random.RandomState(0).randint(0, 256, (500, 16, 16, 1)).astype(np.uint8)
    for each in (images, noise):
        assert np.mean(model._codes(each) == foreteller.codes.encode_all(each)) >= 0.999
    assert share_that_is_equal(model.reconstruct(given), foreteller.reconstruct(given)) >= 0.95


def test_seed_temperature_and_the_last_frames_count(model, given):
    likeliest = model.continue_from(given, frames=3)
    np.testing.assert_array_equal(model.continue_from(given[:, -4:], frames=3, seed=1), likeliest)
    one = model.continue_from(given[0] / 255, frames=3)
    assert share_that_is_equal(one, likeliest[:1]) == 1
    np.testing.assert_array_equal(model.continue_from(given[0, ..., 0], frames=3), one)
    drawn = [model.continue_from(given, frames=3, temperature=1, seed=seed) for seed in (1, 2)]
    assert np.any(drawn[0] != drawn[1])
    again = model.continue_from(given, frames=3, temperature=1)
    seed = model.last_seed
    np.testing.assert_array_equal(
        model.continue_from(given, frames=3, temperature=1, seed=seed), again
    )


def test_an_evaluation_of_the_bundle_is_that_of_the_run(bundle, run):
    ran = {each.name: each.value for each in evaluate(run)}
    served = {each.name: each.value for each in evaluate(bundle)}
    assert ran.keys() == served.keys() and "ssim_straight_on" in ran
    for name, value in ran.items():
        assert served[name] == pytest.approx(value, rel=0.02), name


def test_it_goes_on_by_the_shell_and_the_same_bytes_come_of_the_same_seed(
    bundle, model, given, tmp_path
):
    CONTENT.writer(str(tmp_path / "given.gif"), 1, model.manifest.processing)(given[:1])
    words = ["continue-from", str(bundle), str(tmp_path / "given.gif"), "--frames", "5"]
    words += ["--seed", "7", "--temperature", "1", "--variant", "fp32", "--out"]
    for name in ("a.gif", "b.gif", "c.npy"):
        done = CliRunner().invoke(cli.app, [*words, str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    expected = model.continue_from(given[:1], frames=5, seed=7, temperature=1)
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), expected)


@pytest.mark.long
def test_it_goes_on_over_http(bundle, model, given):
    processing = model.manifest.processing
    expected = model.continue_from(given[:1], frames=5, seed=7)
    with running([bundle]) as served, httpx.Client(base_url=served.url) as client:
        (output,) = client.get("/v2/models/tiny-video").json()["outputs"]
        assert output["shape"] == [-1, -1, 16, 16, 1]  # videos, frames
        path = "/v1/calls/tiny-video/continue_from"
        called = {"video": CONTENT.to_json(given[:1], processing), "frames": 5, "seed": 7}
        answer = client.post(path, json=called)
        assert answer.status_code == 200, answer.text
        (address,) = answer.json()["video"]
        data = base64.b64decode(address.partition(",")[2])
        found = CONTENT.from_bytes(data, ".gif", processing)
        assert share_that_is_equal(found, expected) == 1
        for wrong, said in (
            ({"frames": 0}, "frames is 0"),
            ({"video": "data:image/gif;base64,R0lG"}, "it is no GIF"),
            ({"video": CONTENT.to_json(given[:1, :1], processing)}, "the video has 1 frame"),
        ):
            refused = client.post(path, json=called | wrong)
            assert refused.status_code == 400 and said in refused.json()["error"]["message"]


def test_the_snippet_on_the_card_runs_without_this_project(bundle):
    snippet = (bundle / "README.md").read_text().split("```python\n")[2].split("```")[0]
    code = f"{snippet}\nimport sys\nassert 'tensorflow' not in sys.modules\nprint(pixels.shape)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=bundle, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(10, 16, 16, 1)", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"video": np.zeros((3, 16, 16, 1), np.uint8)}, "3 frames; the model goes on from at le"),
        ({"video": np.zeros((1, 16, 16, 1), np.uint8)}, "has 1 frame; the model goes on from"),
        ({"video": np.zeros((0, 16, 16, 1), np.uint8)}, "has 0 frames; the model goes on from"),
        ({"video": np.zeros((0, 9, 16, 16, 1), np.uint8)}, "there are no videos"),
        ({"video": np.zeros((9, 8, 8, 1), np.uint8)}, r"expected \(N, frames, 16, 16, 1\)"),
        ({"video": np.zeros((9, 16, 16, 1), np.int64)}, "videos are int64; expected uint8"),
        ({"video": np.full((9, 16, 16, 1), 7.0)}, r"must lie in \[0, 1\]"),
        ({}, "continue_from needs video"),
        ({"frames": 0}, "frames is 0; expected"),
        ({"frames": 101}, "frames is 101; expected"),
        ({"temperature": -1}, "temperature is -1; expected"),
    ],
)
def test_bad_input_is_one_clear_line(model, arguments, message):
    if arguments.keys() & {"frames", "temperature"}:
        arguments = {"video": np.zeros((9, 16, 16, 1), np.uint8)} | arguments
    with pytest.raises(UsageError, match=message) as caught:
        model.continue_from(**arguments)
    assert "\n" not in str(caught.value)
