"""The network of a masked language model: what each token sees, and what padding changes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from tests.zoo.masked import tiny_masked
from tests.zoo.masked.tiny_masked import CONTEXT, SIZE
from zoo.masked import MaskedConfig
from zoo.training import devices
from zoo.training.accumulation import divide_steps
from zoo.training.optimizers import SGD

TEXTS = st.lists(
    st.lists(st.integers(3, SIZE - 1), min_size=1, max_size=CONTEXT), min_size=1, max_size=5
)


@pytest.fixture(scope="module")
def model():
    return tiny_masked.model()


def padded(rows, left=False):
    longest = max(map(len, rows))
    ids, mask = np.zeros((2, len(rows), longest), np.int32)
    for own, real, row in zip(ids, mask, rows, strict=True):
        part = slice(longest - len(row), None) if left else slice(len(row))
        own[part], real[part] = row, 1
    return ids, mask


@settings(max_examples=20, deadline=None)
@given(TEXTS, st.booleans())
def test_a_text_gives_the_same_alone_and_padded_in_a_batch(model, rows, left):
    ids, mask = padded(rows, left)
    together = {name: np.asarray(each) for name, each in model.read(ids, mask).items()}
    for at, row in enumerate(rows):
        alone = model.read(np.array([row]), np.ones((1, len(row)), np.int32))
        for name, found in together.items():
            np.testing.assert_allclose(found[at][mask[at] > 0], alone[name][0], atol=2e-5)


def test_each_token_sees_those_behind_it_too(model):
    ids = np.arange(3, 11)[None]
    before = np.asarray(model(ids))
    changed = ids.copy()
    changed[0, -1] = 30
    assert np.abs(np.asarray(model(changed)) - before)[0, 0].max() > 1e-3


def test_logits_of_some_places_are_those_of_all_there(model):
    ids, places = np.arange(24).reshape(2, 12) + 3, np.array([[0, 5, 5], [11, 2, 7]])
    found = model({"input_ids": ids, "places": places})
    expected = np.take_along_axis(np.asarray(model(ids)), places[..., None], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_windows_that_end_with_the_token_itself_are_refused():
    with pytest.raises(UsageError, match="a masked language model looks ahead too"):
        MaskedConfig.parse(
            {"family": "masked", "vocabulary_size": 9, "layers": 1, "windows": (4,)}, "model"
        )


# --- on many devices ---


def after_one_step(where: str, rows: int, parts: int) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = tiny_masked.model(dropout=0.3, attention_dropout=0.3, layers=1)
        before = [variable.numpy() for variable in model.trainable_variables]
        model.compile(SGD(0.05))
        divide_steps(model, parts)
        model.optimizer.build(model.trainable_variables)
    random = np.random.RandomState(0)
    inputs = {
        "input_ids": random.randint(3, SIZE, (rows, CONTEXT)).astype(np.int32),
        "attention_mask": (np.arange(CONTEXT) < random.randint(4, CONTEXT, (rows, 1))).astype("i4"),
        "places": random.randint(0, 4, (rows, 3)).astype(np.int32),
    }
    targets = random.randint(3, SIZE, (rows, 3)).astype(np.int32)
    weights = (random.random_sample((rows, 3)) < 0.7).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((inputs, targets, weights)).batch(rows)
    loss = model.fit(data, verbose=0, shuffle=False).history["loss"]
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True)), "a weight did not move"
    return [*after, *loss, model.dropout_seed.state.numpy()]


def test_one_step_in_parts_on_two_devices_equals_one_on_one_device():
    one, other = after_one_step("cpu", 5, 1), after_one_step("cpu:2", 5, 2)
    for ours, theirs in zip(other, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
