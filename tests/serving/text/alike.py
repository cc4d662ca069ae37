"""Two memories of the same network hold the same."""

import numpy as np

from serving.text.memory import Memory


def assert_alike(one: Memory, other: Memory, vocabulary: int) -> None:
    """Texts of unequal length are read and written on beyond the window, and leave the batch."""
    random = np.random.RandomState(0)
    both, context = (one, other), one.context

    def same(call):
        found, expected = (np.array(call(memory)) for memory in both)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert one.texts == other.texts

    def write(count, steps):
        for _ in range(steps):
            ids = random.randint(0, vocabulary, count).tolist()
            same(lambda memory, ids=ids: memory.step(ids))

    for lengths in ((5, 1, 3), (context, 2, context)):
        prompts = [random.randint(0, vocabulary, length).tolist() for length in lengths]
        same(lambda memory, prompts=prompts: memory.begin(prompts))
        write(3, context)
    for memory in both:
        memory.keep([0, 2])
    write(2, 2)


def assert_one_is_alike(one: Memory, other: Memory, vocabulary: int) -> None:
    """A single text is read in pieces, forgotten in part, and read on to the end of the window."""
    text = np.random.RandomState(1).randint(0, vocabulary, one.context).tolist()
    for memory in (one, other):
        memory.begin([text[:6]])
        memory.truncate(3)
    for call in (
        lambda memory: memory.read_each(text[3:5]),
        lambda memory: memory.step(text[5:6]),
        lambda memory: memory.read_each(text[6:]),
        lambda memory: memory.begin([[*text[:4], 0, 1]]),
        lambda memory: memory.begin([text[:1]]),
    ):
        np.testing.assert_allclose(call(one), call(other), atol=1e-4)
        assert one.texts == other.texts
