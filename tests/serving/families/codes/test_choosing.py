"""The best of several: of each caption's own images, whatever batches they come in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.families.codes.choosing import best


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
)
def test_the_best_of_each_is_kept(count, each, batch, seed):
    random = np.random.RandomState(seed)
    images = random.random_sample((count * each, 2, 2, 1)).astype(np.float32)
    words = np.repeat(np.arange(count * 3).reshape(count, 3), each, axis=0)
    quality = random.randint(4, size=(count, each))  # some are equal
    seen = []

    def score(some, told):
        rows = [int(np.flatnonzero((images == image).all(axis=(1, 2, 3)))[0]) for image in some]
        assert (told == words[rows]).all()
        seen.extend(rows)
        return quality.ravel()[rows].astype(np.float32)

    batches = [images[at : at + batch] for at in range(0, len(images), batch)]
    found = np.concatenate([*best(batches, words, score, each)])
    wanted = images.reshape(count, each, 2, 2, 1)[np.arange(count), quality.argmax(axis=1)]
    np.testing.assert_array_equal(found, wanted)
    assert seen == [*range(count * each)]


def test_what_is_scored_is_what_is_shown():
    image = np.array([-1.0, 0.5, 2.0]).reshape(3, 1, 1, 1)

    def score(some, _):
        assert some.min() >= 0 and some.max() <= 1
        return some[:, 0, 0, 0]

    (found,) = best([image], np.zeros((3, 1)), score, 3)
    assert found.ravel().tolist() == [2.0]
