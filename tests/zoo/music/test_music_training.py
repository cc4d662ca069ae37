"""Training on music: batches, exact resume, devices, what is measured."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from serving.errors import UsageError
from serving.music.grid import BAR, VOICES
from tests.serving.music import tunes
from tests.zoo.music import tiny
from tests.zoo.training.test_training import assert_equal_states, state, stop_after
from zoo.data.jsb_chorales.jsb_chorales_dataset_builder import Builder
from zoo.music.evaluate import floor, predicted
from zoo.music.model import MusicTransformer
from zoo.music.pieces import MusicDataConfig, read, shifts
from zoo.music.writer import composer
from zoo.training import devices
from zoo.training.optimizers import SGD


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tunes.folder(tmp_path_factory.mktemp("music") / "tunes")


@pytest.mark.parametrize("order", tiny.ONE_AND_LONG)
def test_resuming_is_bit_equal_to_never_stopping(folder, tmp_path, monkeypatch, order):
    recipe = tiny.recipe(folder, order, data__bars=1, train__epochs=1)
    assert zoo.train(recipe, tmp_path / "whole").finished
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        assert zoo.train(recipe, tmp_path / "run").steps == 2
    assert zoo.train(recipe, tmp_path / "run", resume=True).finished
    assert_equal_states(tmp_path / "run", tmp_path / "whole")
    names = {path.name for path in (tmp_path / "whole/samples").iterdir()}
    assert {"epoch_001.png", "epoch_001.mid", "epoch_001.wav"} <= names
    best = float(state(tmp_path / "whole")["best"])
    model, task = zoo.from_workdir(tmp_path / "whole"), recipe.task()
    assert task.validation(model)()["val_loss"] == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("order", tiny.ONE_AND_LONG)
def test_one_step_on_two_devices_equals_one_on_one(folder, order):
    recipe = tiny.recipe(folder, order, train__batch_size=5)
    data = recipe.task().training_batches(0).take(1)

    def weights(where):
        keras.utils.set_random_seed(0)
        with devices.strategy(where).scope():
            model = recipe.build()
            model.compile(SGD(1e-2))
            model.optimizer.build(model.trainable_variables)
        model.fit(data, verbose=0, shuffle=False)
        return [variable.numpy() for variable in model.trainable_variables]

    for ours, theirs in zip(weights("cpu:2"), weights("cpu"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_batches_are_stretches_of_pieces_moved_together(folder):
    recipe = tiny.recipe(folder)
    task, pitches = recipe.task(), recipe.model.pitches
    stretches = {}
    for piece in task.parts["train"]:
        tokens = [pitches.blank, *pitches.tokens(piece)]
        for begin in range(0, piece.size, BAR):
            own = np.array(tokens[begin : begin + 129])
            stretches[_shape(own)] = own
    moved = set()
    for inputs, targets, weights in task.training_batches(0).take(10):
        ids = np.asarray(inputs["input_ids"])
        np.testing.assert_array_equal(ids[:, 1:], np.where(weights[:, 1:] > 0, targets[:, :-1], 47))
        for row, target, weight in zip(ids, np.asarray(targets), np.asarray(weights), strict=True):
            own = np.append(row, target[-1])[: int(weight.sum()) + 1]
            original = stretches[_shape(own)]
            sounding = (own > 0) & (own < pitches.blank)
            (shift,) = set((own - original)[sounding].tolist())
            moved.add(shift)
    assert len(moved) > 2 and max(map(abs, moved)) <= 3


def _shape(tokens: np.ndarray) -> tuple:
    """Return what is left of tokens when they are moved up or down."""
    sounding = (tokens > 0) & (tokens < 47)
    lowest = tokens[sounding].min()
    return tuple(np.where(sounding, tokens - lowest, tokens + 1000).tolist())


def test_batches_are_a_function_of_the_step(folder):
    task = tiny.recipe(folder, "any").task()
    whole = list(task.training_batches(0).take(4))
    for step, batch in enumerate(whole):
        again = next(iter(task.training_batches(step)))
        for one, other in zip(tf.nest.flatten(batch), tf.nest.flatten(again), strict=True):
            np.testing.assert_array_equal(one, other)


def test_blanks_hide_the_notes_that_count_and_no_others(folder):
    task = tiny.recipe(folder, "any", train__batch_size=16).task()
    shares = []
    for inputs, targets, weights in task.training_batches(0).take(8):
        blank = np.asarray(inputs["input_ids"]) == 47
        np.testing.assert_array_equal(blank, np.asarray(weights) > 0)
        np.testing.assert_array_equal(inputs["input_ids"][~blank], targets[~blank])
        np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-5)
        shares += (blank.sum(1) / inputs["attention_mask"].numpy().sum(1)).tolist()
    assert min(shares) < 0.1 and max(shares) > 0.9


def test_a_piece_moves_only_as_far_as_each_voice_goes():
    pieces = [np.array([[70, 60, 50, 40]]), np.array([[72, 63, 50, 38]])]
    assert shifts(pieces, 6).tolist() == [[-2 * 0, 0], [0, 0]]
    wide = [*pieces, np.array([[80, 70, 60, 50], [61, 51, 41, 31]])]
    assert shifts(wide, 4).tolist() == [[-4, 4], [-4, 4], [0, 0]]
    assert (shifts(wide, 0) == 0).all()


@pytest.mark.parametrize("order", tiny.ONE_AND_LONG)
def test_the_surprise_is_the_mean_of_the_model(folder, order):
    """What is measured through the cache or through blanks is what validation measures."""
    recipe = tiny.recipe(folder, order)
    model, task = recipe.build(), recipe.task()
    predict = predicted(composer(model), recipe.model)
    found = [predict(piece) for piece in task.parts["validation"]]
    nats, weights = (np.concatenate([each[at] for each in found]) for at in (0, 2))
    measured = task.validation(model)()["val_loss"]
    tolerance = 1e-4 if order == "time" else 0.02  # other blanks
    assert np.average(nats, weights=weights) == pytest.approx(measured, rel=tolerance)


def test_evaluation_says_what_it_measures(folder, tmp_path):
    recipe = tiny.recipe(folder)
    task = recipe.task()
    metrics = {each.name: each for each in task.evaluate(recipe.build(), recipe.evaluate, tmp_path)}
    assert metrics["nats_per_note"].value == pytest.approx(np.log(48), abs=0.5)
    assert metrics["nats_per_note"].floor < 2
    assert metrics["nats_per_note"].samples == sum(each.size for each in task.parts["test"])
    free = metrics["nats_per_note_silence_free"].value
    assert free < metrics["nats_per_note"].value
    assert metrics["chords_harmonised"].better == "higher"
    assert {"rules_broken_samples", "rules_broken_samples_under_rules"} <= metrics.keys()
    json.dumps([each.model_dump() for each in metrics.values()])


def test_the_floor_expects_what_was_held_to_be_held():
    held, pitches = np.array([[72, 67, 64, 48]] * 64), MusicTransformer.Config().pitches
    moving = np.array([[60 + at % 20, 55, 50, 45 - at % 7] for at in range(64)])
    assert floor([held], [held], pitches) < floor([held, moving], [moving], pitches)


def test_a_folder_is_parted_and_described(folder):
    parts, source = read(
        MusicDataConfig(name=f"folder:{folder}"), MusicTransformer.Config().pitches
    )
    assert {part: len(pieces) for part, pieces in parts.items()} == source.splits
    assert source.kind == "notes" and min(source.splits.values()) >= 1
    assert all(piece.shape[1] == VOICES for pieces in parts.values() for piece in pieces)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data__bars": 3}, "data.bars is 3, and the model sees 2 at once"),
        ({"model__lowest": 60}, r"set model\.lowest and model\.highest"),
        ({"data__name": "./nowhere"}, "there is no folder nowhere"),
        ({"data__name": "digits"}, "data set 'digits' holds images, and no validation part"),
    ],
)
def test_data_that_do_not_fit_are_one_line(folder, changes, words):
    with pytest.raises(UsageError, match=words):
        tiny.recipe(folder, **changes).task()


def test_a_folder_of_too_few_files_is_one_line(tmp_path):
    tunes.folder(tmp_path / "two", count=2)
    with pytest.raises(UsageError, match="holds 2 MIDI files; expected 3 or more"):
        tiny.recipe(tmp_path / "two").task()


def test_the_builder_reads_the_file_of_the_chorales(tmp_path):
    path = tmp_path / "chorales.json"
    path.write_text('{"train": [[[74, 70, 65, 58], [NaN, -1, 65, 58]]], "valid": [], "test": []}')
    builder = Builder(data_dir=str(tmp_path))
    ((index, example),) = builder._generate_examples(path, "train")
    assert index == 0 and example["notes"].tolist() == [[74, 70, 65, 58], [-1, -1, 65, 58]]
    assert list(builder._generate_examples(path, "valid")) == []
    assert builder.name == "jsb_chorales" and str(builder.version) == "1.0.0"
