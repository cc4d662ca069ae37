"""A prior with a scorer: exported together, and choosing the same images as in Keras."""

from types import SimpleNamespace

import numpy as np
import pytest

import export
import serving
import zoo
from export.errors import ExportError
from export.evaluation import evaluate
from serving.errors import UsageError
from serving.families.codes.captions import CaptionWords
from serving.verify import verify
from tests.zoo.codes import tiny_codes
from zoo.data import images
from zoo.data.scenes.config import ScenesConfig
from zoo.data.tokenizers import FILE
from zoo.prior.generator import Generator

pytestmark = pytest.mark.long  # three trainings and an export

FEW = ScenesConfig(digits="digits", emoji=(), count=1200, validation=40, test=40)
PROMPTS = ["two red threes above a blue seven", "a large green five"]
SCORER = {"model.channels": [4, 6, 6], "model.hidden": 16, "model.width": 8}
BRIEF = {"train.epochs": 1, "train.steps_per_epoch": 2}
PRIOR = {
    "data.validation": 40,
    "data.limit": 1000,
    "evaluate.samples": 40,
    "model.vocabulary_of_words": 40,
    "model.steps": 3,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Codes, a scorer, and a prior of both."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        # Digits that need no download.
        patch.setattr(images, "ScenesConfig", SimpleNamespace(parse=lambda *_: FEW))
        codes = tiny_codes.recipe(
            model__image_shape=[64, 64, 3],
            model__channels=[4, 4, 4, 4],
            data__name="scenes",
        ).changed(BRIEF)
        zoo.train(codes, place / "codes")
        zoo.train("scorer-scenes", place / "scorer", overrides=SCORER | BRIEF, quick=True)
        named = {"model.codes": str(place / "codes"), "model.scorer": str(place / "scorer")}
        zoo.train("words-scenes", place / "prior", overrides=PRIOR | BRIEF | named, quick=True)
        yield place


@pytest.fixture(scope="module")
def bundle(runs):
    return export.export(runs / "prior", runs / "bundle", variants=("fp32",), formats=("onnx",))


@pytest.fixture(scope="module")
def model(bundle):
    return serving.load(bundle, device="cpu")


def test_the_scorer_is_a_part_of_the_bundle(bundle, model):
    assert (bundle / "scorer.onnx").is_file() and model.processing.scorer
    assert "scorer" in model.manifest.parts
    verify(bundle)


def test_onnx_runtime_chooses_as_keras_does(runs, model):
    parts = runs / "prior" / "parts"
    words = CaptionWords((runs / "prior" / FILE).read_bytes())
    generator = Generator(
        zoo.from_workdir(runs / "prior"),
        zoo.from_workdir(parts / "codes"),
        words,
        zoo.from_workdir(parts / "scorer"),
    )
    ours = model.generate(2, prompt=PROMPTS, seed=3, rerank=4)
    theirs = generator.generate(2, prompt=PROMPTS, seed=3, rerank=4)
    apart = np.abs(ours.astype(int) - theirs).max(axis=(1, 2, 3))
    assert (apart <= 1).all()


def test_what_is_kept_is_the_best_of_what_is_drawn(model):
    repeated = [PROMPTS[0]] * 4
    drawn = model.generate(4, prompt=repeated, seed=5)
    words = model.words.encode(repeated, model.processing.words)
    scores = model._scores(drawn.astype(np.float32) / 255, words)
    (kept,) = model.generate(1, prompt=PROMPTS[0], seed=5, rerank=4)
    np.testing.assert_array_equal(kept, drawn[scores.argmax()])
    np.testing.assert_array_equal(model.generate(1, prompt=PROMPTS[0], seed=5, rerank=1), drawn[:1])
    batches = list(model.generate_batches(1, prompt=PROMPTS[0], seed=5, rerank=4))
    np.testing.assert_array_equal(np.concatenate(batches)[0], kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rerank": 0}, "rerank"),
        ({"rerank": 65}, "rerank"),
        ({"rerank": 4, "prompt": None}, "rerank keeps the image that goes best with a prompt"),
    ],
)
def test_what_cannot_be_chosen_is_refused(model, arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        model.generate(1, **({"prompt": PROMPTS[0]} | arguments))
    assert "\n" not in str(caught.value)


def test_images_are_measured_with_reranking(runs):
    names = {metric.name for metric in evaluate(runs / "prior", overrides={"evaluate.rerank": 2})}
    assert "code_nats" in names


def test_a_scorer_of_other_words_is_refused(runs, tmp_path):
    (runs / "prior" / "parts" / "scorer" / FILE).write_bytes(b"{}")
    with pytest.raises(ExportError, match="does not have the words of"):
        export.export(runs / "prior", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_what_is_no_scorer_is_refused(runs):
    named = {"model.codes": str(runs / "codes"), "model.scorer": str(runs / "codes")}
    recipe = zoo.Recipe.load("words-scenes", PRIOR | named, quick=True)
    with pytest.raises(UsageError, match="of family 'image_codes'; expected a run of a scorer"):
        recipe.completed()
    with pytest.raises(UsageError, match="a scorer goes with captions"):
        zoo.Recipe.load("words-scenes", named | {"model.words": 0, "model.guidance": 1.0})
