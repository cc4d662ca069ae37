"""From a run on music to a bundle, and the same music in Keras, SavedModel and ONNX Runtime."""

import json
import subprocess
import sys

import numpy as np
import pytest

import export
import serving
import zoo
from export.evaluation import evaluate
from export.families.gpt import graph_step
from export.families.music import graphs
from export.proof import saved_model
from serving import registry
from serving.bundle.manifest import read_manifest
from serving.errors import UsageError
from serving.music.composer import Composer, emptied
from serving.music.drawing import Forward
from serving.music.piece import Piece
from serving.text.sampling_config import SamplingConfig
from serving.verify import verify
from tests.serving.music import tunes
from tests.zoo.music import tiny
from zoo.music.writer import composer

VARIANTS = ["fp32", "fp16", "int8"]
SETTINGS = SamplingConfig(temperature=0.9)


@pytest.fixture(scope="module", params=tiny.ONE_AND_LONG)
def workdir(request, tmp_path_factory):
    """A finished run; read only."""
    folder = tmp_path_factory.mktemp("runs")
    made = tiny.recipe(folder / "tunes", request.param, data__bars=1, train__epochs=1)
    zoo.train(made.changed({"model.calibration": 1.25}), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Everything there is, exported once; read only."""
    evaluate(workdir)
    return export.export(workdir, tmp_path_factory.mktemp("bundles") / "tunes", variants=VARIANTS)


@pytest.fixture(scope="module")
def music(bundle):
    return serving.load(bundle, device="cpu", variant="fp32")


def notes_of(value):
    return [value.notes] if isinstance(value, Piece) else [piece.notes for piece in value]


def assert_same(found, expected):
    for one, other in zip(notes_of(found), notes_of(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_bundle_is_whole(bundle):
    assert all(check.passed for check in verify(bundle))
    manifest, names = read_manifest(bundle), {path.name for path in bundle.iterdir()}
    assert manifest.family == "music" and set(manifest.variants) >= {"fp32"}
    assert {"samples.png", "samples.mid", "samples.wav"} <= set(manifest.files) <= names
    assert manifest.metrics[0]["name"] == "nats_per_note"
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "[Listen to them](samples.wav), [MIDI file](samples.mid)." in card
    assert "genzoo harmonise tunes MELODY" in card and "genzoo continue-from" in card


def test_the_same_seed_gives_the_same_music_everywhere(bundle, workdir, music):
    model = zoo.from_workdir(workdir)
    expected = composer(model).compose(emptied(32), 84, 3, 7, SETTINGS)
    served = music.generate(2, n=3, seed=7, temperature=0.9, top_p=1.0)
    assert_same(served, expected)
    assert_same(music.generate(2, seed=8, temperature=0.9, top_p=1.0), served[1])
    assert music.last_seed == 8
    if model.config.order == "time":
        runner = saved_model.load(bundle / "saved_model")["serving_default"]
        step = graph_step(graphs(model)[0], {"model": runner})
        saved = Composer(Forward(step, model.config.context), model.config.pitches)
        assert_same(saved.compose(emptied(32), 84, 3, 7, SETTINGS), expected)


def test_every_call_keeps_what_it_is_given(music):
    piece = tunes.piece(3, bars=3, tempo=100)
    longer = music.continue_from(piece, bars=1, seed=1)
    np.testing.assert_array_equal(longer.notes[:48], piece.notes)
    assert (longer.steps, longer.tempo) == (64, 100)
    np.testing.assert_array_equal(music.harmonise(piece, seed=1).notes[:, 0], piece.notes[:, 0])
    filled = music.fill(piece, voices="bass", first_bar=2, last_bar=2, seed=1).notes
    np.testing.assert_array_equal(filled[:, :3], piece.notes[:, :3])
    np.testing.assert_array_equal(filled[32:], piece.notes[32:])


def test_the_key_is_that_of_the_first_chord(music):
    assert music.generate(1, key="Bb", seed=3).notes[0, 3] % 12 == 10


def test_each_variant_makes_music(bundle):
    for variant in read_manifest(bundle).variants:
        model = serving.load(bundle, device="cpu", variant=variant)
        assert model.generate(1, seed=1).steps == 16


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda music: music.generate(0), "bars is 0; expected a whole number from 1 to 256"),
        (lambda music: music.generate(1, key="H"), "key is 'H'; expected one of C, Db"),
        (lambda music: music.generate(1, tempo=1), "tempo is 1; expected 20 to 400"),
        (lambda music: music.generate(1, n=2000), "n is 2000"),
        (lambda music: music.harmonise(Piece(np.full((4, 4), -1))), "the melody is silent"),
        (lambda music: music.fill(tunes.piece(), voices="tuba"), "no voice is called 'tuba'"),
    ],
)
def test_wrong_arguments_are_one_line(music, ask, words):
    with pytest.raises(UsageError, match=words):
        ask(music)


def test_passes_are_for_networks_of_any_order(music):
    if music.processing.order == "any":
        assert music.generate(1, seed=1, passes=2).steps == 16
    else:
        with pytest.raises(UsageError, match="draws each note once, and takes no passes"):
            music.generate(1, seed=1, passes=2)


def test_the_evaluation_of_the_bundle_is_that_of_the_run(bundle, workdir):
    of_run = json.loads((workdir / "metrics.json").read_text())["metrics"]
    of_bundle = {metric.name: metric.value for metric in evaluate(bundle, variant="fp32")}
    for metric in of_run:
        tolerance = {"rel": 1e-4} if metric["unit"] == "nats/note" else {"rel": 0.3, "abs": 40}
        assert of_bundle[metric["name"]] == pytest.approx(metric["value"], **tolerance)


def test_a_shell_makes_files_of_every_kind_without_tensorflow(bundle, tmp_path):
    code = (
        "import sys; from export.cli import main\n"
        "try: main()\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    for suffix in registry.content("piece").made_files():
        out = tmp_path / f"tune{suffix}"
        words = ["generate", str(bundle), "--bars", "1", "--seed", "7", "--out", str(out)]
        subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)
        assert out.stat().st_size > 100
    out = tmp_path / "under.mid"
    words = ["harmonise", str(bundle), str(tmp_path / "tune.mid"), "--rules", "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert "1 piece from tunes" in done.stdout, done.stderr
