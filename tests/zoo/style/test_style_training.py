"""A network that restyles on the road of every family: crops, run, exact resume, evaluation."""

import numpy as np
import pytest
from PIL import Image

import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from serving.photographs.restyling import Styler
from tests.zoo.style import tiny_style
from tests.zoo.style.tiny_style import folders, recipe
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.style.config import StyleConfig
from zoo.style.data import StyleData, styles_of
from zoo.style.evaluate import losses_of, optimised, pairs_of
from zoo.style.model import styler_of
from zoo.style.paintings import Paintings
from zoo.style.perception import perception


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def data(places):
    return StyleData(recipe(places).data)


def test_every_sixth_painting_is_held_out(data):
    learned, held = (data.paintings.part(held_out=each) for each in (False, True))
    assert [*held] == ["00", "06"] and not held.keys() & learned.keys()
    assert [*learned] == ["01", "02", "03", "04", "05", "07"]


def test_crops_of_all_paintings_are_the_same_for_a_seed(data):
    crops = data.paintings.crops(12, 32, seed=3)
    assert crops.shape == (12, 32, 32, 3) and crops.dtype == np.uint8
    np.testing.assert_array_equal(crops, data.paintings.crops(12, 32, seed=3))
    assert np.any(crops != data.paintings.crops(12, 32, seed=4))
    with pytest.raises(UsageError, match=r"5 crops are too few for 6 paintings; raise data.crops"):
        data.paintings.crops(5, 32, seed=3)


def test_batches_are_patches_with_crops_and_what_these_look_like(data):
    judge = perception("random")
    batches = data.training_batches(6, judge, seed=5)
    (shown, painting), (wanted, same) = next(iter(batches))
    assert shown.shape == painting.shape == (6, 32, 32, 3)
    marked = same.numpy() == 1
    np.testing.assert_array_equal(shown.numpy()[marked], painting.numpy()[marked])
    crops = painting.numpy()[~marked]
    found = styles_of(crops, judge)
    np.testing.assert_allclose(wanted.numpy()[~marked], found, rtol=1e-4, atol=1e-4)
    assert marked.any() and not marked.all()
    later = next(iter(data.training_batches(6, judge, seed=5, start=3)))
    expected = [*data.training_batches(6, judge, seed=5).take(4)][3]
    np.testing.assert_array_equal(later[0][0], expected[0][0])
    np.testing.assert_array_equal(later[1][0], expected[1][0])


def test_both_data_sets_are_told_of(data, places):
    assert data.source.name == "photographs and paintings"
    assert "not stated" in data.source.license and "paintings: not stated" in data.source.license
    other = StyleData(recipe(places, data__paintings=str(places[0])).data)
    assert other.source.fingerprint != data.source.fingerprint
    assert {*recipe(places).places()} == {"data.name", "data.paintings"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__paintings": "/nowhere/at/all"}, "is no folder; expected one of paintings"),
        ({"data__paintings": "python_topics"}, "holds text; expected a folder of paintings"),
        ({"data__validation": 30}, "not more than the 30 held out; lower data.validation"),
    ],
)
def test_what_cannot_be_learned_from_is_one_line(places, changes, said):
    with pytest.raises(UsageError, match=said) as raised:
        StyleData(recipe(places, **changes).data)
    assert "\n" not in str(raised.value)


def test_one_painting_is_too_few(places, tmp_path):
    (tmp_path / "one").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "one/only.png")
    with pytest.raises(UsageError, match="holds 1 paintings; expected two at least"):
        StyleData(recipe(places, data__paintings=str(tmp_path / "one")).data)


@pytest.mark.long
def test_optimising_pixels_lowers_the_loss_and_a_copy_of_the_photograph_has_all_of_it(data):
    judge, config = perception("random"), StyleConfig(features="random")
    pairs = pairs_of(data, judge, 3, 32)
    before = losses_of(pairs.photographs, pairs, judge)
    assert np.all(before["content"] == 0) and np.all(before["style"] > 0)
    after = losses_of(optimised(pairs, judge, config, 30), pairs, judge)
    total = [each["content"] + config.style_weight * each["style"] for each in (before, after)]
    assert np.all(total[1] < 0.7 * total[0])


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(places, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    zoo.train(recipe(places), whole)
    stop_and_resume(recipe(places), parted, monkeypatch, step=3)
    assert_same_run(whole, parted)


@pytest.mark.long
def test_a_run_is_sampled_and_evaluated_beside_optimisation(places, tmp_path):
    zoo.train(recipe(places, train__epochs=1), tmp_path / "run")
    assert Image.open(tmp_path / "run/samples/epoch_001.png").size == (7 * 112, 4 * 112)
    found = {metric.name: metric for metric in evaluate(tmp_path / "run")}
    names = ["style_left", "style", "content", "content_share", "style_share"]
    assert sorted(found) == sorted(names)
    assert found["style"].samples == 3 and found["style"].better == "lower"
    quick = evaluate(tmp_path / "run", overrides={"evaluate.steps": 0})
    assert {metric.name for metric in quick} == {"style_left", "style", "content"}


def test_what_restyles_photographs_is_the_model():
    model = tiny_style.model()
    styler = styler_of(model)
    assert isinstance(styler, Styler)
    image = np.random.RandomState(1).random_sample((1, 40, 48, 3)).astype(np.float32)
    style = styler.predictor(image)
    np.testing.assert_allclose(style, np.asarray(model.predictor(image)), atol=1e-5)
    painted = styler.painter(image, style)
    np.testing.assert_allclose(painted, np.asarray(model((image, image))), atol=1e-5)


def test_styles_have_names_of_their_own(tmp_path):
    for name in (
        "Great Wave.png",
        "great_wave.bmp",
        "sub/great-wave.png",
        "++.png",
        "x" * 90 + ".png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2100, 8)).save(tmp_path / name)
    found = Paintings(str(tmp_path)).pictures
    names = ["painting", "great-wave", "great-wave-again-1", "sub-great-wave", "x" * 60]
    assert [*found] == names
    assert {image.size for image in found.values()} == {(1024, 4)}
